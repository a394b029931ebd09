using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Creates reports from the samples of the <see cref="Sampler"/>; asks Litestream only for its metrics.</summary>
internal sealed class StatusReporter : IReporter, IDisposable
{
    /// <summary>The number of log lines on the overview; a database's own page has all of its lines that are kept.</summary>
    private const int LogTail = 100;

    /// <summary>How long a report waits for the first sample.</summary>
    private static readonly TimeSpan FirstSampleTimeout = TimeSpan.FromSeconds(5);

    private readonly Func<ReplicationSnapshot> _read;
    private readonly TimeProvider _time;
    private readonly Sampler _sampler;
    private readonly MetricsReporter? _metrics;
    private readonly DateTimeOffset _start;

    /// <param name="read">Returns the current state of replication.</param>
    /// <param name="time">The clock.</param>
    /// <param name="onSample">See <see cref="Sampler"/>.</param>
    /// <param name="tools">See <see cref="Sampler"/>.</param>
    public StatusReporter(
        Func<ReplicationSnapshot> read, TimeProvider time, Action<ReplicationSnapshot, ObservedDatabases>? onSample = null, ObservationTools? tools = null)
    {
        _read = read;
        var plan = read().Plan;
        _time = time;
        _start = time.GetUtcNow();
        _sampler = new Sampler(read, time, onSample, tools);
        _metrics = plan.Metrics is { } address ? new MetricsReporter(address.Url, () => read().Plan.Databases, time) : null;
    }

    /// <summary>The last sample; empty before the first.</summary>
    public ObservedDatabases LastObserved => _sampler.Latest;

    /// <summary>When the databases were last sampled.</summary>
    public DateTimeOffset UpdatedAt => _sampler.LastSampleAt;

    /// <inheritdoc/>
    public async Task<StatusReport> ReportAsync(StatusQuery query, bool mayManage = true)
    {
        _metrics?.Prepare();
        var (replication, observation, discretion) = await ObserveAsync(mayManage).ConfigureAwait(false);
        var daemon = replication.Daemon;
        var now = _time.GetUtcNow();
        var matching = query.Select(observation.Databases, DatabaseListing.Of);
        var pages = Math.Max(1, (matching.Count + query.PageSize - 1) / query.PageSize);
        var page = Math.Clamp(query.Page, 1, pages);
        var shown = matching.Skip((page - 1) * query.PageSize).Take(query.PageSize).ToList();
        var binary = replication.Binary;
        return new StatusReport(
            daemon is null ? "idle" : daemon.State.ToString().ToLowerInvariant(),
            IsHealthy(daemon, replication.Credentials, observation, now),
            Wording.Summarize(daemon, replication.Credentials, observation, now),
            WrongSince(daemon, replication.Credentials, observation, now),
            observation.At,
            now,
            discretion.Show(new LitestreamReport(
                binary.Version.ToString(),
                binary.Path,
                binary.Origin,
                daemon?.ProcessId,
                daemon?.StartedAt,
                daemon?.StartedAt is { } started ? (now - started).TotalSeconds : null,
                daemon?.Failures ?? 0,
                daemon?.LastFailure,
                daemon?.LastFailureAt,
                daemon?.NextStartAt,
                [.. (daemon?.Restarts ?? []).Select(restart => new RestartReport(restart.At, Wording.Name(restart.Reason), restart.Message))])),
            replication.Credentials is { } credentials
                ? new CredentialReport(
                    credentials.Source, credentials.ReadAt, credentials.ChangedAt, credentials.ExpiresAt, credentials.Failure, credentials.FailingSince)
                : null,
            CountReport.Of(observation.Databases.Select(database => database.State)),
            page,
            pages,
            query.PageSize,
            matching.Count,
            query.Search ?? "",
            query.Order,
            query.Descending,
            [.. shown.Select(database => Report(replication, database, Sparklines(database, observation.At), now))],
            [.. replication.Plan.Skipped.Select(database => new SkippedReport(database.Name, database.Reason) { Registration = database.Registration })],
            [.. replication.Warnings.Where(discretion.Allows)],
            LitestreamConfiguration.Show(
                replication.Document, shown.Select(database => database.Plan.Path).ToHashSet(StringComparer.Ordinal), replication.Redactor),
            [.. Log(replication, discretion).TakeLast(LogTail)],
            _metrics is null ? null : await _metrics.ReportAsync([.. shown.Select(database => database.Plan)]).ConfigureAwait(false))
        {
            MayManage = mayManage,
            ProvenAt = DrillReport.OldestProof(observation.Databases.SelectMany(database => database.AllDestinations).Select(destination => destination.Drill?.LastProof?.At)),
            Deeds = Deeds(replication, discretion, database: null),
        };
    }

    /// <inheritdoc/>
    public async Task<DatabaseDetailReport?> ReportDatabaseAsync(string name, HistoryRange range, bool mayManage = true, string? at = null)
    {
        var (replication, observation, discretion) = await ObserveAsync(mayManage).ConfigureAwait(false);
        if (Find(observation, name) is not { } database || _sampler.HistoryOf(name) is not { } history)
        {
            return null;
        }

        string[] logged = [database.Plan.Path, Path.GetFileName(database.Plan.Path)];
        var now = _time.GetUtcNow();
        var destinations = database.AllDestinations.OrderBy(destination => destination.IsMirror).ToList();
        var chosen = destinations.Count == 0 ? null : ChosenState.Find(at, destinations, now);
        return new DatabaseDetailReport(
            Report(replication, database, sparklines: null, now, chosen?.At),
            Wording.SummarizeDatabase(database, observation, now),
            observation.IsOutdated(now) ? false : Wording.IsHealthy(database.State),
            database.Plan.Replicas.IsEmpty ? "" : RestoreCommand.For(database.Plan, database.Plan.Primary, replication.Binary.Version.ReleaseLine!.Value, replication.Binary.Path, chosen?.At),
            RestoreWording.Note(replication.Binary.Version.ReleaseLine!.Value),
            Report(history.Read(range, observation.At), range, observation.At),
            [.. replication.LogEntries.Where(entry => logged.Contains(entry.Database)).Select(Report)],
            observation.At,
            now)
        {
            MayManage = mayManage,
            Deeds = Deeds(replication, discretion, name),
            DatasetteCommand = database.Plan.Replicas.IsEmpty ? null : DatasetteCommand(replication, database.Plan, database.Plan.Primary, chosen?.At),
            Chosen = chosen,
            CommandFolder = replication.WorkingDirectory,
            RestoreNeeds = database.Plan.Replicas.IsEmpty ? null : RestoreCommand.Needs(database.Plan.Primary),
        };
    }

    /// <inheritdoc/>
    public async Task<DatabaseStateReport?> ReportDatabaseStateAsync(string name)
    {
        var (_, observation, _) = await ObserveAsync(mayManage: false).ConfigureAwait(false);
        var now = _time.GetUtcNow();
        return Find(observation, name) is not { } database ? null
            : observation.IsOutdated(now)
                ? new DatabaseStateReport(Wording.Name(DatabaseState.Unknown), observation.At, null, Wording.Outdated(observation, now).ToString())
                : DatabaseStateReport.Of(database, now);
    }

    /// <inheritdoc/>
    public async Task<HealthReport> ReportHealthAsync()
    {
        if (_read().Plan.HealthMaxLag is not { } maxLag)
        {
            return new HealthReport(false, true, "");
        }

        var (replication, observation, _) = await ObserveAsync(mayManage: true).ConfigureAwait(false);
        return Health.Judge(replication.Daemon, replication.Credentials, observation, maxLag, replication.Plan.HealthIgnoresPaused, _start, _time.GetUtcNow());
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DrilledDatabase>> ReportDrillsAsync(bool mayManage = true)
    {
        var (_, observation, _) = await ObserveAsync(mayManage).ConfigureAwait(false);
        var now = _time.GetUtcNow();
        return
        [
            .. observation.Databases.Select(database =>
            {
                var drills = database.AllDestinations.ToDictionary(destination => destination.Replica.Identity, destination => destination.Drill, StringComparer.Ordinal);
                return DrilledDatabase.Read(database.Plan, DatabaseListing.Of(database), replica => drills.GetValueOrDefault(replica.Identity)?.Interval, now);
            }),
        ];
    }

    /// <inheritdoc/>
    public async Task<string> WriteMetricsAsync(bool mayManage = true)
    {
        var (replication, observation, discretion) = await ObserveAsync(mayManage).ConfigureAwait(false);
        var own = await PluginMetrics.WriteAsync(replication.Daemon, replication.Credentials, observation, _time.GetUtcNow()).ConfigureAwait(false);
        return _metrics is null ? own : own + string.Join('\n', (await _metrics.WriteAsync().ConfigureAwait(false)).Split('\n').Where(discretion.Allows));
    }

    public void Dispose()
    {
        _sampler.Dispose();
        _metrics?.Dispose();
    }

    /// <summary>The latest sample for somebody, corrected if Litestream has gone down since, or another file is served.</summary>
    private async Task<(ReplicationSnapshot Replication, ObservedDatabases Observation, Discretion Discretion)> ObserveAsync(bool mayManage)
    {
        var latest = await LatestAsync().ConfigureAwait(false);
        var replication = _read();
        var discretion = new Discretion(replication.Plan.Databases, mayManage);
        var observation = discretion.Show(latest);
        if (observation.Databases.Any(database => replication.ServedPath(database.Plan) != database.Plan.ServedPath))
        {
            observation = observation with
            {
                Databases = [.. observation.Databases.Select(database => replication.ServedPath(database.Plan) == database.Plan.ServedPath ? database : Replaced(database, observation.At))],
            };
        }

        // It does not run, or has not run all the time since.
        return replication.Daemon is { } daemon && (daemon.IsDown || daemon.DownSince is not null || daemon.StartedAt > observation.At)
            ? (replication, observation with { Databases = [.. observation.Databases.Select(database => WithoutLitestream(database, daemon, observation.At))] }, discretion)
            : (replication, observation, discretion);
    }

    /// <summary>A database under whose name Datasette serves another file since the look: nothing is known of that one.</summary>
    private DatabaseObservation Replaced(DatabaseObservation database, DateTimeOffset lookedAt)
    {
        var now = _time.GetUtcNow();
        return database with
        {
            State = StateReason.FileReplaced.State(),
            Reason = StateReason.FileReplaced,
            Error = null,
            Since = database.State == StateReason.FileReplaced.State() ? database.Since : now,
            Evidence = database.Evidence with { ReplicatedUntil = null, Lag = now - (database.Evidence.ReplicatedUntil ?? lookedAt) },
            Destinations = [],
        };
    }

    private static IEnumerable<LogReport> Log(ReplicationSnapshot replication, Discretion discretion) =>
        replication.LogEntries.Where(entry => discretion.Allows(entry.Database)).Select(Report).Where(discretion.Allows);

    private static List<DeedReport> Deeds(ReplicationSnapshot replication, Discretion discretion, string? database) =>
    [
        .. replication.Manual.Deeds
            .Where(deed => (database is null || deed.Database == database) && discretion.Allows(deed.Database))
            .Select(deed => new DeedReport(deed.At, deed.Actor, DeedWording.Name(deed.Action), deed.Database, deed.Failure, DeedWording.Line(deed))),
    ];

    /// <summary>The latest sample; one without databases if the first takes too long, as on a file system that does not answer.</summary>
    private async Task<ObservedDatabases> LatestAsync()
    {
        try
        {
            return await _sampler.LatestAsync().WaitAsync(FirstSampleTimeout, _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return new ObservedDatabases(_sampler.LastSampleAt, []);
        }
    }

    /// <summary>A database without Litestream, since the look or for a moment after it: that everything is safe is known up to the look.</summary>
    private DatabaseObservation WithoutLitestream(DatabaseObservation database, DaemonStatus daemon, DateTimeOffset lookedAt)
    {
        var now = _time.GetUtcNow();
        var corrected = database with
        {
            Evidence = UpToTheLook(database.Evidence),
            Destinations = [.. database.Destinations.Select(destination => destination with { Evidence = UpToTheLook(destination.Evidence) })],
        };

        // What is wrong already stays: a Litestream that is down is the lesser fault. One that is restarted as planned is none.
        return !daemon.IsDown || Wording.IsHealthy(database.State) == false
            ? corrected
            : corrected with { State = DatabaseState.Stopped, Reason = StateReason.LitestreamDown, Since = daemon.DownSince ?? now };

        Evidence UpToTheLook(Evidence evidence) => evidence is { Lag.Ticks: 0, ReplicatedUntil: not null } ? evidence with { Lag = now - lookedAt, ReplicatedUntil = lookedAt } : evidence;
    }

    /// <summary>Whether everything is safe; null if not everything that this needs is known.</summary>
    private static bool? IsHealthy(DaemonStatus? daemon, CredentialStatus? credentials, ObservedDatabases observation, DateTimeOffset now) =>
        WrongSince(daemon, credentials, observation, now) is not null ? false
            : daemon is { State: DaemonState.Running } && observation.Databases.Count > 0 && observation.Databases.All(database => Wording.IsHealthy(database.State) == true) ? true
            : null;

    private static DateTimeOffset? WrongSince(DaemonStatus? daemon, CredentialStatus? credentials, ObservedDatabases observation, DateTimeOffset now) =>
        new[] { WrongSince(daemon, observation, now), credentials?.FailingSince }.Min();

    private static DateTimeOffset? WrongSince(DaemonStatus? daemon, ObservedDatabases observation, DateTimeOffset now) =>
        daemon is { IsDown: true }
            ? daemon.DownSince ?? observation.At
            : observation.IsOutdated(now) ? observation.At
            : observation.Databases.Where(database => Wording.IsHealthy(database.State) == false).Min(database => (DateTimeOffset?)database.Since);

    private static DatabaseObservation? Find(ObservedDatabases observation, string name) =>
        observation.Databases.FirstOrDefault(database => database.Plan.Name == name);

    private static DatabaseReport Report(ReplicationSnapshot replication, DatabaseObservation database, SparklineReport? sparklines, DateTimeOffset now, DateTimeOffset? at = null) => new(
        database.Plan.Name,
        database.Plan.Path,
        [.. database.Plan.Replicas.Select(replica => replica.Destination)],
        [.. database.AllDestinations.Select(destination => Report(replication, database, destination, now, at))],
        Wording.Name(database.State),
        database.Since,
        database.Error,
        database.Evidence.TakenTxid,
        database.Evidence.ReplicatedTxid,
        database.Lag?.TotalSeconds,
        database.LastSyncAt?.ToUniversalTime(),
        database.DatabaseBytes,
        database.WalBytes,
        database.UploadedBytes,
        database.SyncErrors,
        Report(database, database.Evidence, now),
        database.Warnings ?? [],
        sparklines)
    {
        IsInternal = database.Plan.IsInternal,
        Paused = replication.Manual.Pauses.GetValueOrDefault(database.Plan.Name) is { } pause ? new PauseReport(pause.Since, pause.Actor) : null,
        IsReplicable = !database.Plan.Replicas.IsEmpty,
    };

    private static ReplicaReport Report(ReplicationSnapshot replication, DatabaseObservation database, DestinationObservation destination, DateTimeOffset now, DateTimeOffset? at) => new(
        destination.Replica.Destination,
        destination.IsMirror ? "plugin" : "litestream",
        Wording.Name(destination.State),
        destination.Since,
        ReasonWording.Explain(destination.Reason, destination.Evidence, now, "this destination"),
        Wording.Remedy(destination.Reason, destination.Error),
        destination.Error,
        destination.Notice,
        destination.Evidence.ReplicatedTxid,
        destination.Evidence.Lag?.TotalSeconds,
        destination.Evidence.ReplicatedUntil,
        destination.Evidence.CheckedAt,
        destination.Bytes,
        destination.Points is { } points ? RestorableReport.Of(replication.Plan, database.Plan, points, now) : null,
        RestoreCommand.For(database.Plan, destination.Replica, replication.Binary.Version.ReleaseLine!.Value, replication.Binary.Path, at))
    {
        Files = destination.Files,
        Drill = destination.Drill is { } drill ? DrillReport.Of(drill) : null,
        DatasetteCommand = DatasetteCommand(replication, database.Plan, destination.Replica, at),
    };

    private static string? DatasetteCommand(ReplicationSnapshot replication, DatabasePlan database, ReplicaPlan replica, DateTimeOffset? at) =>
        replication.StartOptions is { } options ? RestoreCommand.ForDatasette(database, replica, replication.WorkingDirectory, options, at) : null;

    private static ReasonReport Report(DatabaseObservation database, Evidence evidence, DateTimeOffset now) => new(
        Wording.Name(database.Reason),
        ReasonWording.Explain(database.Reason, evidence, now),
        ErrorCauses.Find(database.Error)?.Sentence,
        Wording.Remedy(database.Reason, database.Error),
        evidence.ChangedAt,
        evidence.AskedAt,
        evidence.TakenTxid,
        evidence.ReplicatedTxid,
        evidence.ReplicatedUntil,
        evidence.Activity is { Operation.Length: > 0 } activity ? $"{activity.Operation}: {activity.Phase}" : null,
        evidence.Activity?.StartedAt?.ToUniversalTime(),
        evidence.CheckedAt,
        evidence.CopiedBytes,
        evidence.MovedAt)
    {
        IsErrorFromLitestream = Wording.IsFromLitestream(database.Reason),
        IsHeldBack = database.Reason is StateReason.FileEmpty or StateReason.FileOlder,
    };

    // Loops, since LINQ over value types is compiled at its first use, which would delay the first page.
    private SparklineReport Sparklines(DatabaseObservation database, DateTimeOffset now)
    {
        const int samplesPerPoint = 6;
        var samples = (_sampler.HistoryOf(database.Plan.Name) ?? new History()).Read(HistoryRange.Hour, now);
        var sparklines = new SparklineReport(new float?[samples.Length / samplesPerPoint], new float?[samples.Length / samplesPerPoint]);
        for (var i = 0; i < sparklines.Lag.Length; i++)
        {
            var (lag, bytes) = (float.NaN, float.NaN);
            for (var j = i * samplesPerPoint; j < (i + 1) * samplesPerPoint; j++)
            {
                lag = float.MaxNumber(lag, samples[j].Lag);
                bytes = float.IsNaN(bytes) ? samples[j].UploadedBytes : float.IsNaN(samples[j].UploadedBytes) ? bytes : bytes + samples[j].UploadedBytes;
            }

            sparklines.Lag[i] = Known(lag);
            sparklines.Bytes[i] = Known(bytes);
        }

        return sparklines;
    }

    private static HistoryReport Report(Sample[] samples, HistoryRange range, DateTimeOffset now) => new(
        range.Name,
        range.Interval.TotalSeconds,
        range.EndOf(range.IndexOf(now)),
        Array.ConvertAll(samples, sample => Known(sample.Lag)),
        Array.ConvertAll(samples, sample => Known(sample.UploadedBytes)),
        Array.ConvertAll(samples, sample => sample.Txid > 0 ? sample.Txid : (ulong?)null),
        Array.ConvertAll(samples, sample => sample is { Txid: > 0, Behind: not uint.MaxValue } ? sample.Txid - sample.Behind : (ulong?)null),
        Array.ConvertAll(samples, sample => Known(sample.WalBytes)),
        Array.ConvertAll(samples, sample => Known(sample.DatabaseBytes)),
        Array.ConvertAll(samples, sample => Known((float)sample.SyncErrors)));

    private static float? Known(float value) => float.IsFinite(value) ? value : null;

    private static LogReport Report(LogEntry entry) => new(entry.Time, entry.Level, entry.Message, entry.Details);
}
