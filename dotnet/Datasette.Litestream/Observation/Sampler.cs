using System.Collections.Immutable;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Samples every database every 2 s, and adds a sample to the history every 10 s. One task does all of it, and readers add no
/// cost: the result of <see cref="LatestAsync"/> is immutable.
/// </summary>
internal sealed class Sampler : IDisposable
{
    /// <summary>
    /// Litestream 0.5 does not answer <c>/list</c> during a first sync, which an unreachable replica can delay for minutes.
    /// </summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(2);

    /// <summary>How long Litestream's last answer is used while no database changes.</summary>
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The maximum number of concurrent sync requests: each database needs its own request, and with a thousand busy databases
    /// some wait for the next sample.
    /// </summary>
    private const int MaxConcurrentSyncs = 100;

    private readonly Func<ReplicationSnapshot> _read;
    private readonly TimeProvider _time;
    private readonly Action<ReplicationSnapshot, ObservedDatabases>? _onSample;
    private readonly OverwritingWatch? _overwriting;
    private readonly DestinationWatch _destinations;
    private readonly SentBytes _sent = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _firstSample = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DateTimeOffset _litestreamStartedAt;

    /// <summary>The databases of the plan, in its order, and those that cannot be replicated; as many threads read as like.</summary>
    private volatile IReadOnlyDictionary<string, WatchedDatabase> _watchedByName = new Dictionary<string, WatchedDatabase>();
    private WatchedDatabase[] _watched = [];
    private ImmutableArray<DatabasePlan> _planned = [];
    private ImmutableDictionary<UnreplicableDatabase, DatabaseObservation> _unreplicable = ImmutableDictionary<UnreplicableDatabase, DatabaseObservation>.Empty;
    private volatile ObservedDatabases _latest;
    private int _firstSync;
    private Dictionary<string, ListedDatabase> _listed = [];
    private Dictionary<string, SyncActivity> _activities = [];
    private ControlSocket? _listedBy;
    private DateTimeOffset _listedAt;
    private readonly MetricsReader? _metrics;

    /// <param name="read">Returns the current state of replication.</param>
    /// <param name="time">The clock.</param>
    /// <param name="onSample">Called on the sampling task after each sample that succeeded, with the state of replication at its
    /// start.</param>
    /// <param name="tools">What to look with, besides Litestream's answers; null for those alone.</param>
    public Sampler(
        Func<ReplicationSnapshot> read, TimeProvider time, Action<ReplicationSnapshot, ObservedDatabases>? onSample = null, ObservationTools? tools = null)
    {
        _read = read;
        _onSample = onSample;
        var replication = read();
        _time = time;
        var now = time.GetUtcNow();
        _litestreamStartedAt = replication.Daemon?.StartedAt ?? now;
        _metrics = replication is { Plan.Metrics: { } address, Binary.Version.ReleaseLine: ReleaseLine.V03 } ? new MetricsReader(address.Url) : null;
        _overwriting = tools is null ? null : new OverwritingWatch(tools.SqliteProgram, comparesRuns: replication.Binary.Version.ReleaseLine == ReleaseLine.V05);
        _destinations = new DestinationWatch(tools?.Probe, ReplicatedTxidOf, replication.Plan.CheckInterval, time);
        Follow(replication.Plan, now);
        _latest = new ObservedDatabases(now, []);
        _ = Task.Run(RunAsync);
    }

    /// <summary>The latest sample, however old; the first one is taken on the first call, or after 2 s.</summary>
    public async Task<ObservedDatabases> LatestAsync()
    {
        _requested.TrySetResult();
        await _firstSample.Task.ConfigureAwait(false);
        return _latest;
    }

    /// <summary>The last sample; empty before the first.</summary>
    public ObservedDatabases Latest => _latest;

    /// <summary>The time of the last sample.</summary>
    public DateTimeOffset LastSampleAt => _latest.At;

    /// <summary>The history of a database; null if it is not to be replicated.</summary>
    public History? HistoryOf(string databaseName) => _watchedByName.GetValueOrDefault(databaseName)?.Tracker.History
        ?? (_latest.Databases.Any(database => database.Plan.Name == databaseName) ? new History() : null);

    public void Dispose()
    {
        _stopping.Cancel();
        _firstSample.TrySetResult();
        _metrics?.Dispose();
        _destinations.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            // Do not slow down Datasette's start with work that nobody waits for.
            await Task.WhenAny(_requested.Task, Task.Delay(SampleInterval, _time, _stopping.Token)).ConfigureAwait(false);
            _stopping.Token.ThrowIfCancellationRequested();
            using var timer = new PeriodicTimer(SampleInterval, _time);
            var lastRecorded = long.MinValue;
            do
            {
                try
                {
                    var now = _time.GetUtcNow();
                    await SampleAsync(now).ConfigureAwait(false);
                    var interval = HistoryRange.Hour.IndexOf(now);
                    if (interval != lastRecorded)
                    {
                        lastRecorded = interval;
                        Record(now);
                    }
                }
                catch (Exception) when (!_stopping.IsCancellationRequested)
                {
                    // Nobody awaits this task. Callers of LatestAsync see how old the last sample is, and the next may succeed.
                }

                _firstSample.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
    }

    private async Task SampleAsync(DateTimeOffset now)
    {
        using var deadline = new CancellationTokenSource(AnswerTimeout, _time);
        var replication = _read();
        var run = replication.Daemon is { State: DaemonState.Running } running ? running.StartedAt : null;
        var socket = replication.Daemon?.Socket;
        Follow(replication.Plan, now);
        foreach (var database in _watched)
        {
            database.Look(replication.ServedPath(database.Plan), replication.LogStatistics);
            database.Tracker.Want(replication.Manual.SyncsWanted.GetValueOrDefault(database.Plan.Name));
        }

        Task<Dictionary<string, ListedDatabase>>? listing = null;
        var isIdle = Array.TrueForAll(_watched, database => database.Tracker.IsUpToDate(now, database.Files, database.Statistics));
        if (!isIdle || socket != _listedBy || now - _listedAt >= IdleInterval)
        {
            // The first is answered always, the second may have to wait.
            _activities = socket is null ? [] : await ByPathAsync(socket.ActivitiesAsync(deadline.Token), activity => activity.Path).ConfigureAwait(false);
            foreach (var (path, activity) in _activities)
            {
                _activities[path] = activity with { Error = replication.Redactor.Redact(activity.Error) };
            }

            listing = socket is null ? null : ByPathAsync(socket.ListAsync(deadline.Token), database => database.Path);
            (_listed, _listedBy, _listedAt) = (listing is null ? [] : _listed, socket, now);
        }

        if (socket is not null)
        {
            await SyncAsync(socket, run, replication.Attaching.Union(replication.Manual.Pauses.Keys), now, deadline.Token).ConfigureAwait(false);
        }

        // After the syncs, which must not wait for a database that holds the list up.
        _listed = listing is null ? _listed : await listing.ConfigureAwait(false);
        var positions = run is null || _metrics is null ? null : await ReadPositionsAsync(_metrics).ConfigureAwait(false);
        var hasSocket = socket is not null || replication.Binary.Version.ReleaseLine == ReleaseLine.V05;
        _overwriting?.Advance(now, run, _watched.Select(database => (database.File, database.Plan.Path, database.Files.Database)), _stopping.Token);
        _sent.Look(now, replication.Daemon?.ProcessId);
        var databases = Array.ConvertAll(_watched, database => Observe(replication, now, database, run, hasSocket, positions));
        foreach (var gone in _unreplicable.Keys.Except(replication.Plan.Unreplicable))
        {
            _unreplicable = _unreplicable.Remove(gone);
        }

        foreach (var database in replication.Plan.Unreplicable.Where(database => !_unreplicable.ContainsKey(database)))
        {
            _unreplicable = _unreplicable.Add(database, DatabaseTracker.Unreplicable(database, now));
        }

        databases = [.. databases, .. replication.Plan.Unreplicable.Select(database => _unreplicable[database])];
        _latest = new ObservedDatabases(now, databases);
        if (!_stopping.IsCancellationRequested)
        {
            _onSample?.Invoke(replication, _latest);
        }
    }

    /// <summary>Watches the databases of a plan from now on, and forgets those that are not in it any more.</summary>
    private void Follow(ReplicationPlan plan, DateTimeOffset now)
    {
        if (plan.Databases == _planned)
        {
            return;
        }

        _planned = plan.Databases;
        var known = _watchedByName;
        _watched = [.. plan.Databases.Select(database => known.GetValueOrDefault(database.Name) is { } watched && watched.Plan.Attachment == database.Attachment
            ? watched.With(database)
            : new WatchedDatabase(database, now))];
        _watchedByName = _watched.ToDictionary(database => database.Plan.Name, StringComparer.Ordinal);
        var fileNames = plan.Databases.CountBy(database => Path.GetFileName(database.Path)).ToDictionary(StringComparer.Ordinal);
        foreach (var database in _watched)
        {
            database.Tracker.HasUniqueFileName = fileNames[Path.GetFileName(database.Plan.Path)] == 1;
        }

        _destinations.Share(plan.Databases);
        foreach (var gone in known.Values.Except(_watched))
        {
            _destinations.Forget(gone.Plan);
        }
    }

    private DatabaseObservation Observe(
        ReplicationSnapshot replication,
        DateTimeOffset now,
        WatchedDatabase watched,
        DateTimeOffset? run,
        bool hasSocket,
        ImmutableDictionary<string, WalPosition>? positions)
    {
        var (plan, path, tracker) = (watched.Plan, watched.Plan.Path, watched.Tracker);
        var renewal = replication.Renewals.GetValueOrDefault(plan.Name);
        var isAttaching = replication.Attaching.Contains(plan.Name);
        if (renewal is { RenewedAt: null } || isAttaching)
        {
            // It is possibly switched to a write-ahead log, which changes it.
            watched.File.Forget();
        }

        var answer = watched.TakeAnswer(now, run, _activities.GetValueOrDefault(path));
        var (finding, copied, check) = _destinations.Look(now, watched.Folders, plan, plan.Primary, tracker.ExpectedTxid(answer, run, renewal), renewal);
        var look = new DatabaseLook(
            now, isAttaching ? null : run, hasSocket, _listed.GetValueOrDefault(path), _activities.GetValueOrDefault(path), answer, watched.Files, watched.Statistics)
        {
            WalPosition = positions?.GetValueOrDefault(path),
            Folder = LookAtFolders(plan),
            Forbidden = replication.Forbidden.IsEmpty ? null
                : plan.Replicas.Except(plan.Mirrors).Select(replica => replication.Forbidden.GetValueOrDefault(replica.Identity)).FirstOrDefault(status => status is not null),
            Fill = replication.Fills.GetValueOrDefault(plan.Name),
            HeldOut = replication.HeldOut.GetValueOrDefault(path),
            Drills = DrillsOf(replication, plan),
            Pause = replication.Manual.Pauses.GetValueOrDefault(plan.Name),
            Unusable = replication.Unusable.GetValueOrDefault(plan.Name),
            Admission = replication.Admissions.GetValueOrDefault(plan.Name),
            Detaching = replication.Detaching.GetValueOrDefault(plan.Name),
            Renewal = renewal,
            Examination = _overwriting is null ? null : watched.File.Examination,
            Finding = finding,
            LaterStatistics = tracker.IsNewSnapshot(finding) ? _read().LogStatistics.Of(path) : null,
            Check = check,
            IsChecked = _destinations.IsChecked,
            CopiedBytes = copied,
            MovedAt = plan.IsReplicatedToFolder ? _sent.LastAt : _sent.LastToServerAt,

            IsStarting = isAttaching || replication.Daemon is { IsDown: false },
        };
        DatabaseObservation observed;
        try
        {
            observed = tracker.Observe(look);
        }
        catch (Exception ex)
        {
            // A fault of one database must not keep the others from being looked at.
            observed = tracker.Fail(now, replication.Redactor.Redact(ex.Message));
        }

        if (watched.Mirrors.Length > 0)
        {
            observed = observed.With(
                Array.ConvertAll(watched.Mirrors, mirror => ObserveMirror(replication, now, watched, mirror, answer, renewal)));
        }

        if (replication.OtherLitestreams.Any(other => other.Databases.Contains(plan.Name)))
        {
            observed = observed with
            {
                Warnings = [.. replication.OtherLitestreams.Where(other => other.Databases.Contains(plan.Name)).Select(other => other.Sentence)],
            };
        }

        if (tracker.TakeCheckRequest(now))
        {
            _destinations.Request(plan, plan.Primary);
        }

        if (replication.Manual.ChecksWanted.TryGetValue(plan.Name, out var wanted))
        {
            observed = observed with { Judgements = _destinations.Judgements(plan) };
            if (watched.TakeCheckRequest(wanted))
            {
                foreach (var replica in plan.Mirrors.Prepend(plan.Primary))
                {
                    _destinations.Request(plan, replica);
                }
            }
        }

        foreach (var mirror in watched.Mirrors)
        {
            if (mirror.TakeCheckRequest())
            {
                _destinations.Request(plan, mirror.Replica);
            }
        }

        return observed;
    }

    /// <summary>How far the destinations of a database besides its mirrors are proven.</summary>
    private static ImmutableDictionary<string, DrillStatus>? DrillsOf(ReplicationSnapshot replication, DatabasePlan plan) => replication.Drills.IsEmpty
        ? null
        : plan.Replicas.Except(plan.Mirrors)
            .Select(replica => (replica.Identity, Drill: replication.Drills.GetValueOrDefault(DrillKey.Of(plan, replica))))
            .Where(one => one.Drill is not null)
            .ToImmutableDictionary(one => one.Identity, one => one.Drill!, StringComparer.Ordinal);

    /// <summary>Looks at Litestream's folder, which counts as removed if the one of the lock beside the database was.</summary>
    private static FileStatus? LookAtFolders(DatabasePlan plan)
    {
        var beside = FileStatus.Look(LitestreamFolder.Of(plan.Path)).Status;
        return beside is null || plan.MetaPath is null ? beside : FileStatus.Look(plan.MetaPath).Status;
    }

    /// <summary>How far Litestream 0.3 has come with each database, by path; null if it does not answer.</summary>
    private static async Task<ImmutableDictionary<string, WalPosition>?> ReadPositionsAsync(MetricsReader metrics)
    {
        try
        {
            return WalPosition.Parse(await metrics.ReadAsync().ConfigureAwait(false));
        }
        catch (Exception ex) when (ex is HttpRequestException or OperationCanceledException or ObjectDisposedException)
        {
            return null;
        }
    }

    private DestinationObservation ObserveMirror(
        ReplicationSnapshot replication, DateTimeOffset now, WatchedDatabase watched, MirrorTracker mirror, SyncAnswer? answer, Renewal? renewal)
    {
        var status = replication.Mirrors.GetValueOrDefault(new MirrorKey(watched.Plan.Name, mirror.Replica.Key));
        var (finding, _, check) = _destinations.Look(now, watched.Folders, watched.Plan, mirror.Replica, status?.Txid, renewal);
        return mirror.Observe(new MirrorLook(now, watched.Files, answer, watched.Tracker.WithdrawnAt, renewal is not null, status, finding, check)
        {
            Drill = replication.Drills.GetValueOrDefault(DrillKey.Of(watched.Plan, mirror.Replica)),
        });
    }

    // Called on the task of the checks.
    private ulong ReplicatedTxidOf(DatabasePlan destination)
    {
        var observed = _latest.Databases.FirstOrDefault(database => database.Plan.Name == destination.Name);
        return (observed?.Destinations.FirstOrDefault(one => one.Replica.Identity == destination.Primary.Identity)?.Evidence ?? observed?.Evidence)?.ReplicatedTxid ?? 0;
    }

    private void Record(DateTimeOffset now)
    {
        foreach (var database in _watched)
        {
            database.Tracker.Record(now);
        }
    }

    /// <summary>Asks Litestream to sync the databases that need it; returns when it has answered, or at the deadline.</summary>
    private async Task SyncAsync(ControlSocket socket, DateTimeOffset? run, ImmutableHashSet<string> attaching, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var asked = new List<Task>();
        var capacity = MaxConcurrentSyncs - _watched.Count(database => database.IsAsked);
        var first = _firstSync;
        for (var n = 0; n < _watched.Length && asked.Count < capacity; n++)
        {
            var i = (first + n) % _watched.Length;
            if (_watched[i] is { IsAsked: false } database && !attaching.Contains(database.Plan.Name) && database.Tracker.NeedsSync(now, database.Files, database.Statistics))
            {
                var sync = AskAsync(socket, database.Tracker, now, database.Files, database.Statistics);
                database.Ask(sync, run);
                _firstSync = i + 1;
                asked.Add(sync);
            }
        }

        try
        {
            await Task.WhenAll(asked).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // A pending request delays no other database and is not repeated: Litestream queues every request for a database,
            // even after its caller has gone.
        }
    }

    private async Task<SyncAnswer?> AskAsync(
        ControlSocket socket, DatabaseTracker tracker, DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        try
        {
            var path = tracker.Plan.Path;
            var synced = await socket.SyncAsync(path, _stopping.Token).ConfigureAwait(false);
            var uploaded = LtxFiles.Measure(LitestreamFolder.Of(tracker.Plan), tracker.ReplicaTxid ?? 0, synced.ReplicatedTxid, _litestreamStartedAt);
            return new SyncAnswer(now, files, statistics.SyncErrors, synced.Txid, synced.ReplicatedTxid, uploaded);
        }
        catch (HttpRequestException ex) when (ex.StatusCode is not null)
        {
            return new SyncAnswer(now, files, statistics.SyncErrors, 0, 0, 0, _read().Redactor.Redact(ex.Message))
            {
                IsLocalStateLost = ControlSocket.IsLocalStateLost(ex.Message),
            };
        }
        catch (Exception ex) when (ControlSocket.IsUnavailable(ex))
        {
            return null;
        }
    }

    /// <summary>Litestream's answer for all databases, by path; empty if it does not answer.</summary>
    private static async Task<Dictionary<string, T>> ByPathAsync<T>(Task<IReadOnlyList<T>> answer, Func<T, string> pathOf)
    {
        try
        {
            var databases = await answer.ConfigureAwait(false);
            return databases.DistinctBy(pathOf).ToDictionary(pathOf, StringComparer.Ordinal);
        }
        catch (Exception ex) when (ControlSocket.IsUnavailable(ex))
        {
            return [];
        }
    }
}
