using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Healing;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream;

/// <summary>The replication of one Datasette: its plan, its credentials, its Litestream and its locks.</summary>
[SuppressMessage("Design", "CA1001", Justification = "StopAsync disposes of the refresher, and reports errors.")]
internal sealed class Replicator : IReplicationControl, IWritingControl
{
    private static readonly TimeSpan DefaultMonitorInterval = (TimeSpan)SettingsTable.Database["monitor-interval"].Default!;

    /// <summary>The time that Litestream needs to open its databases at its first tick.</summary>
    private static readonly TimeSpan OpeningMargin = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long Litestream's start waits at most for Datasette's, for each database: Datasette reads all schemas for its first
    /// answer. If both open the same files at once, each takes twice as long.
    /// </summary>
    private static readonly TimeSpan FirstAnswerTime = TimeSpan.FromMilliseconds(10);

    /// <summary>The databases that one child switches to write-ahead logs, so that a second one, which costs 20 ms, pays.</summary>
    private const int DatabasesPerSwitch = 100;

    /// <summary>
    /// How long databases whose first destination was filled wait for others, so that Litestream is not restarted for each.
    /// </summary>
    private static readonly TimeSpan FilledTogether = TimeSpan.FromSeconds(1);

    /// <summary>How long it may take to say that this Datasette does not write any more.</summary>
    private static readonly TimeSpan MinLeaveTimeout = TimeSpan.FromSeconds(0.5), MaxLeaveTimeout = TimeSpan.FromSeconds(2);

    /// <summary>How long a start of Litestream may be held up for the logs that have begun again.</summary>
    private static readonly TimeSpan HoldLogsTimeout = TimeSpan.FromSeconds(15);

    /// <summary>How long the switch of all databases to write-ahead logs may take.</summary>
    private static readonly TimeSpan UseLogsTimeout = TimeSpan.FromMinutes(1);

    private readonly LitestreamBinary _binary;
    private readonly HostEnvironment _host;
    private readonly LitestreamLog _log;
    private readonly DatabaseLocks _locks;
    private readonly WriterIdentity _writer;
    private readonly bool _isTakeOver;
    private readonly LitestreamCommand _command;
    private readonly StoreFactory _stores;
    private readonly Renewer? _renewer;
    private readonly Mirroring? _mirroring;
    private readonly DestinationClaims? _claims;
    private readonly Lock _planning = new();
    private readonly Lock _restarting = new();
    private readonly LeftOutDatabases _leftOut = new();

    /// <summary>Before, there is no <see cref="_supervisor"/> yet.</summary>
    private readonly TaskCompletionSource _supervised = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Before, it is not known what Litestream is to start with.</summary>
    private readonly TaskCompletionSource _isPrepared = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private OtherLitestreamWatch? _others;
    private readonly SocketFolder _socketFolder;
    private readonly ProcessIdentity _self = ProcessIdentity.Of(Environment.ProcessId)!;
    private Supervisor? _supervisor;
    private CredentialRefresher? _refresher;
    private SecretCollection _secrets;
    private volatile IReadOnlyList<string> _warnings;
    private volatile ReplicationPlan _plan;
    private volatile JsonObject _document;
    private volatile S3Credentials? _credentials;
    private volatile IReadOnlyList<string> _takeOvers = [];

    /// <param name="setup">What is to be replicated, and with what.</param>
    /// <param name="locks">The locks on its databases; whoever made them releases them, after <see cref="StopAsync"/>.</param>
    /// <param name="writeError">Receives the lines for standard error, with their line breaks.</param>
    /// <param name="isTakeOver">Whether Datasette has served its databases before, while another process replicated them.</param>
    public Replicator(ReplicationSetup setup, DatabaseLocks locks, Action<string> writeError, bool isTakeOver = false)
    {
        var (plan, binary, host) = (setup.Plan, setup.Binary, setup.Host);
        _plan = plan;
        _binary = binary;
        _warnings = setup.Warnings;
        _host = host;
        _locks = locks;
        _isTakeOver = isTakeOver;
        _writer = WriterIdentity.OfThisProcess(_self, host.Time);
        _log = new LitestreamLog(host.Time);
        _socketFolder = SocketFolder.Create(host.Variables);
        _secrets = new SecretCollection(setup.Secrets, [.. KnownTexts.Of(plan), _socketFolder.SocketPath, binary.Path]);
        _log.Redactor = _secrets.Redactor;
        Announcer = new Announcer(plan, host.Time, writeError);
        _document = LitestreamConfiguration.Create(plan, binary.Version.ReleaseLine!.Value, _socketFolder.SocketPath);
        _command = new LitestreamCommand(binary.Path, LitestreamVariables, _log.Redact, host.Time);
        var probe = binary.Version.ReleaseLine == ReleaseLine.V05 ? new ReplicaProbe(_command, host.Time) : null;
        Tools = new ObservationTools(new SqliteProgram(host.SqliteProgram, host.Variables, host.Time), probe);
        _stores = new StoreFactory(LitestreamVariables, host.Time);
        _claims = plan.HasWritersFile
            ? new DestinationClaims(
                plan,
                _writer,
                place => _stores.OpenAt(place.Replica, place.Path, place.Destinations[0].DatabasePath),
                TellTakeOver,
                host.Time,
                locks.FormerWriters)
            : null;
        _leftOut.Set(LeaveOutReason.OtherWriter, _claims?.ClaimedDatabases ?? []);
        _mirroring = plan.Databases.All(database => database.Mirrors.IsEmpty) ? null
            : new Mirroring(() => _plan, (replica, path) => new GuardedStore(_stores.Open(replica, path), () => WhileWriting(replica)), host.Time, Random.Shared, _log.Redact);
        _renewer = probe is null ? null : new Renewer(
            this,
            new DatabaseRenewal(
                _command, probe, (database, stop) => _mirroring?.FillIfBehindAsync(database, stop) ?? Task.CompletedTask, Retention.Of(plan), host.Time),
            probe,
            host.Time,
            _log.Redact);
    }

    /// <summary>What is replicated where; the file of a database changes when a symbolic link is pointed elsewhere.</summary>
    public ReplicationPlan Plan => _plan;

    /// <summary>Where reports are left for those that stand by; null if nothing is replicated.</summary>
    public string? ReportFolder => Plan.Databases.IsEmpty ? null : LitestreamFolder.Of(Plan.Databases.Min(database => database.Path)!);

    /// <summary>The child processes with which replication is observed.</summary>
    public ObservationTools Tools { get; }

    /// <summary>Tells how replication is, besides the pages.</summary>
    public Announcer Announcer { get; }

    /// <summary>The log for the operator.</summary>
    public OperatorLog OperatorLog => Announcer.Log;

    private IReadOnlyList<OtherLitestream> Others => _others?.Found ?? [];

    /// <summary>The current state.</summary>
    public ReplicationSnapshot Snapshot => new(
        Plan, _binary, _document, [.. _warnings, .. _takeOvers, .. Others.Select(other => other.Sentence), .. Announcer.Warnings], _supervisor?.Status, _refresher?.Status, _log.Entries, _log.Statistics, _log.Redactor)
    {
        OtherLitestreams = Others,
        Renewals = _renewer?.Renewals ?? ImmutableDictionary<string, Renewal>.Empty,
        Mirrors = _mirroring?.Statuses ?? ImmutableDictionary<MirrorKey, MirrorStatus>.Empty,
        Fills = _mirroring?.Fills ?? ImmutableDictionary<string, PrimaryFill>.Empty,
        Forbidden = _claims?.Forbidden ?? ImmutableDictionary<string, ClaimStatus>.Empty,
    };

    /// <summary>
    /// Starts replication, and returns when everything that the plugin itself can know to be wrong is checked. What Litestream
    /// finds wrong is lived with, and shown.
    /// </summary>
    /// <param name="onFatal">Called with a complete message when replication cannot continue and Datasette must end.</param>
    /// <exception cref="ReplicationException">It cannot start; no process is left running.</exception>
    public async Task StartAsync(Action<string> onFatal)
    {
        try
        {
            await StartLitestreamAsync(onFatal).ConfigureAwait(false);
        }
        catch
        {
            await StopAsync(new StopOrder(Plan.ShutdownTimeout)).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops replication: Litestream replicates the remaining changes and ends.</summary>
    /// <param name="order">How.</param>
    public async Task<ReplicationEnd> StopAsync(StopOrder order)
    {
        var started = _host.Time.GetTimestamp();
        _mirroring?.StopFilling();
        _refresher?.Dispose();
        await (_renewer?.StopAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        await (_others?.StopAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        var result = _supervisor is null ? StopResult.Complete : await _supervisor.StopAsync(order).ConfigureAwait(false);
        var lacks = _mirroring is null ? [] : await _mirroring.FinishAsync(order.Timeout - _host.Time.GetElapsedTime(started), order.Hurry).ConfigureAwait(false);
        await (_claims?.LeaveAsync(LeaveTimeoutAfter(order.Timeout - _host.Time.GetElapsedTime(started))) ?? Task.CompletedTask).ConfigureAwait(false);
        _stores.Dispose();
        var leftOut = _leftOut.Names;
        _socketFolder.Dispose();
        return new ReplicationEnd(
            _supervisor is null ? result
                : result with { NotReplicated = [.. result.NotReplicated, .. Plan.Databases.Where(database => leftOut.Contains(database.Name)).Select(database => database.Path)] },
            lacks);
    }

    /// <summary>Takes an observation, and mends what can be mended; returns at once.</summary>
    public void Observe(ReplicationSnapshot snapshot, ObservedDatabases observed)
    {
        Announcer.Look(snapshot, observed);
        _renewer?.Consider(observed);
        foreach (var database in observed.Databases)
        {
            foreach (var destination in database.Destinations)
            {
                if (destination is { IsMirror: true, Reason: StateReason.MirrorDamaged })
                {
                    _mirroring?.Recheck(database.Plan, destination.Replica);
                }
            }
        }

        _refresher?.Look(RefusalWatch.LastRefusal(observed, snapshot.HeldOut, snapshot.LogStatistics));
    }

    /// <summary>Takes over where Datasette serves its databases now: another plugin may have put another file behind a name.</summary>
    /// <param name="served">The paths of all databases by name, as Datasette has them; null for one that is not a file.</param>
    public void Serve(IReadOnlyDictionary<string, string?> served)
    {
        lock (_planning)
        {
            _plan = _plan with
            {
                Databases = [.. _plan.Databases.Select(database => served.GetValueOrDefault(database.Name) is { } path
                    ? database with { ServedPath = Path.GetFullPath(path) }
                    : database)],
            };
        }
    }

    /// <inheritdoc/>
    public async Task RestartWithoutAsync(LeaveOutReason reason, IReadOnlySet<string> names, string message)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        Task restarting;
        lock (_restarting)
        {
            restarting = _leftOut.Set(reason, names) ? _supervisor!.RestartAsync(Settings(), RestartReason.Renewal, message) : Task.CompletedTask;
        }

        await restarting.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task WriteWithoutAsync(IReadOnlySet<string> names, string message, CancellationToken hurry)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        Task restarting;
        lock (_restarting)
        {
            restarting = _leftOut.Set(LeaveOutReason.OtherWriter, names)
                ? _supervisor!.RestartAsync(Settings(), RestartReason.Writer, message, hurry)
                : Task.CompletedTask;
        }

        await restarting.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public CancellationToken WhileWriting(DatabasePlan database) => WhileWriting(database.Primary);

    /// <inheritdoc/>
    public DatabasePlan TakeServedFile(string name)
    {
        var database = _plan.Databases.Single(one => one.Name == name);
        if (RealPath.Of(database.ServedPath) is { } path && path != database.Path)
        {
            _locks.Take(name, path);
            lock (_planning)
            {
                _plan = _plan with { Databases = [.. _plan.Databases.Select(one => one.Name == name ? one with { Path = path } : one)] };
                _document = LitestreamConfiguration.Create(_plan, _binary.Version.ReleaseLine!.Value, _socketFolder.SocketPath);
                return _plan.Databases.Single(one => one.Name == name);
            }
        }

        _locks.Take(name, database.Path);
        return database;
    }

    private async Task StartLitestreamAsync(Action<string> onFatal)
    {
        if (Plan.Databases.IsEmpty)
        {
            Warn("No database is replicated: either no database that Datasette serves can be replicated, or none is configured.");
            return;
        }

        var source = CreateSource();
        var credentials = source is null ? null : await source.ReadAsync(CancellationToken.None).ConfigureAwait(false);
        Remember(credentials?.Keys);
        await TakeLocksAsync().ConfigureAwait(false);
        if (Preflight.CheckMetricsAddress(Plan.Metrics) is { } problem)
        {
            throw new ReplicationException(problem.ToString());
        }

        _supervisor = new Supervisor(Settings(), _log, _host.Time, Random.Shared, Record, LogStatusChange, PrepareDatabasesAsync);
        _supervised.SetResult();
        _others = new OtherLitestreamWatch(() => Snapshot, sentence => OperatorLog.Write(LogLevel.Warning, sentence), _host.Time);
        if (source is not null)
        {
            _refresher = new CredentialRefresher(source, credentials!, _host.Time, _log.Redact);
            StartRefreshing(_refresher, onFatal);
        }
    }

    /// <summary>
    /// Lets Datasette have the machine until it has answered first, and then switches the databases to a write-ahead log, before
    /// Litestream starts. Datasette waits for neither.
    /// </summary>
    /// <param name="hurry">Ends the wait for Datasette.</param>
    /// <returns>What Litestream is to start with.</returns>
    private async Task<DaemonSettings> PrepareDatabasesAsync(CancellationToken hurry)
    {
        await _supervised.Task.ConfigureAwait(false);
        var claiming = _claims?.StartAsync(this) ?? Task.FromResult(ImmutableHashSet<string>.Empty);
        var preparing = PrepareFilesAsync(hurry);
        var forbidden = await claiming.ConfigureAwait(false);
        await preparing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (preparing.Exception?.InnerException is { } ex)
        {
            // Litestream does the same, or says why it cannot.
            _log.Add($"Error: the databases could not be prepared for Litestream: {ex.Message}");
        }

        var toFill = _mirroring is null ? new HashSet<string>() : await _mirroring.PrepareAsync(hurry).ConfigureAwait(false);
        _mirroring?.Start();
        DaemonSettings settings;
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.OtherWriter, forbidden);
            _leftOut.Set(LeaveOutReason.Filling, toFill);
            settings = Settings();
            _isPrepared.SetResult();
        }

        if (toFill.Count > 0)
        {
            _ = FillAsync(toFill);
        }

        return settings;
    }

    private async Task PrepareFilesAsync(CancellationToken hurry)
    {
        if (!_isTakeOver)
        {
            await ProcessLoad.WaitUntilIdleAsync(FirstAnswerTime * Plan.Databases.Length, hurry).ConfigureAwait(false);
        }

        // A database with a log beside it uses it.
        string[] paths = [.. Plan.Databases.Select(database => database.Path).Where(path => !File.Exists($"{path}-wal"))];
        var program = new SqliteProgram(_host.SqliteProgram, _host.Variables, _host.Time);
        await Task.WhenAll(paths.Chunk(Math.Max(DatabasesPerSwitch, (paths.Length + 1) / 2)).Select(some => program.UseLogAsync(some, UseLogsTimeout))).ConfigureAwait(false);
    }

    /// <summary>Fills the first destinations of databases that Litestream is to leave out until then.</summary>
    private async Task FillAsync(IReadOnlySet<string> names)
    {
        try
        {
            var open = names.ToDictionary(name => name, name => _mirroring!.FillAsync(name), StringComparer.Ordinal);
            while (open.Count > 0)
            {
                await Task.WhenAny(open.Values).ConfigureAwait(false);
                await Task.WhenAny(Task.WhenAll(open.Values), Task.Delay(FilledTogether, _host.Time)).ConfigureAwait(false);
                var filled = open.Where(one => one.Value.IsCompleted).ToList();
                foreach (var (name, fill) in filled)
                {
                    await fill.ConfigureAwait(false);
                    open.Remove(name);
                }

                await RestartWithoutAsync(LeaveOutReason.Filling, open.Keys.ToHashSet(StringComparer.Ordinal), "The first destination was filled from another one.").ConfigureAwait(false);
                filled.ForEach(one => _mirroring!.Start(one.Key));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what was not filled is told at the end.
        }
    }

    private CancellationToken WhileWriting(ReplicaPlan replica) => _claims?.WhileHeld(replica.Identity) ?? CancellationToken.None;

    private void TellTakeOver(IReadOnlyList<Claim> taken)
    {
        foreach (var claim in taken)
        {
            _renewer?.TakeOver(claim.Destination.Database);
        }

        foreach (var claims in taken.GroupBy(claim => (claim.TakenFrom, claim.IsForced)))
        {
            var (from, isForced) = claims.Key;
            var what = claims.Count() == 1
                ? $"{claims.First().Destination.Database} to {claims.First().Destination.Name}"
                : $"{claims.Count()} databases, such as {claims.First().Destination.Database} to {claims.First().Destination.Name},";
            if (isForced)
            {
                var sentence = $"This Datasette writes {what} in place of {from}, which has not answered for {ClaimRules.Patience.TotalSeconds} s.";
                OperatorLog.Write(LogLevel.Warning, sentence);
                _takeOvers = [.. _takeOvers, sentence];
            }
            else
            {
                OperatorLog.Write(LogLevel.Info, $"This Datasette writes {what} in place of {from}, which let go of it.");
            }
        }
    }

    private ICredentialSource? CreateSource() => Plan.Credentials switch
    {
        CredentialSettings.Static fixedKeys =>
            new StaticCredentials(new S3Credentials(fixedKeys.AccessKeyId, fixedKeys.SecretAccessKey, fixedKeys.SessionToken)),
        CredentialSettings.File file => new CredentialsFile(file.Path, _host.Time),
        CredentialSettings.Command command => new CredentialsCommand(command.CommandLine, _host.Variables, _host.Time, _log.Redact),
        _ => null,
    };

    private void StartRefreshing(CredentialRefresher refresher, Action<string> onFatal)
    {
        var (interval, keepsOnFailure) = Plan.Credentials switch
        {
            CredentialSettings.File file => (file.RefreshInterval, file.KeepsOnFailure),
            CredentialSettings.Command command => (command.RefreshInterval, command.KeepsOnFailure),
            _ => (TimeSpan.Zero, false),
        };
        if (interval > TimeSpan.Zero)
        {
            _ = refresher.RunAsync(
                interval,
                keepsOnFailure,
                changed =>
                {
                    Remember(changed);
                    return RestartForCredentialsAsync();
                },
                error => OperatorLog.Write(LogLevel.Warning, $"{error.TrimEnd('.')}. The previous credentials stay in use."),
                onFatal);
        }
    }

    // Called before the credentials are used, so that no line can contain them unredacted.
    private void Remember(S3Credentials? credentials)
    {
        if (credentials is not null)
        {
            _secrets = _secrets.Replace(new SecretValues([.. credentials.Secrets], [credentials.AccessKeyId]), _log.LineCount, LitestreamLog.Capacity);
            _log.Redactor = _secrets.Redactor;
        }

        _credentials = credentials;
    }

    private async Task TakeLocksAsync()
    {
        foreach (var database in Plan.Databases)
        {
            _locks.Take(database.Name, database.Path);
        }

        // A Datasette leaves the same record beside each of its databases.
        foreach (var (record, path) in _locks.Previous)
        {
            await CleanUpAsync(record, path).ConfigureAwait(false);
        }
    }

    private async Task CleanUpAsync(LockRecord record, string recordPath)
    {
        if (record.Litestream is { IsRunning: true } litestream)
        {
            // Such a record was copied here with another database's folder.
            var isSupervised = record.Holder.IsRunning;
            if (isSupervised || !await OrphanedProcess.KillAsync(litestream, LitestreamProcess.Arguments, _host.Time).ConfigureAwait(false))
            {
                Warn(
                    $"The record {recordPath} names process {litestream.ProcessId}, "
                    + (isSupervised ? $"whose Datasette (process {record.Holder.ProcessId}) runs" : "which is not a Litestream that this plugin started")
                    + "; it was left alone.");
                return;
            }

            Warn($"A Litestream (process {litestream.ProcessId}) was left over from a Datasette that was killed (process {record.Holder.ProcessId}); it was killed, and what it had not sent yet is sent now.");
        }

        SocketFolder.RemoveLeftover(record.SocketFolder);
    }

    private static TimeSpan LeaveTimeoutAfter(TimeSpan left) => left < MinLeaveTimeout ? MinLeaveTimeout : left > MaxLeaveTimeout ? MaxLeaveTimeout : left;

    private void Warn(string sentence) => _warnings = [.. _warnings, sentence];

    private void Record(int litestreamProcessId) =>
        _locks.Record(new LockRecord(_self, ProcessIdentity.Of(litestreamProcessId), _socketFolder.Path)
        {
            ReportFolder = ReportFolder ?? "",
            ReportFolderInode = ReportFolder is null ? 0 : FileStatus.Look(ReportFolder).Status?.Inode ?? 0,
            Writer = _writer.Id,
        });

    // Runs on the supervising task.
    private void LogStatusChange(DaemonStatus before, DaemonStatus after)
    {
        if (DaemonEvents.Describe(before, after) is { } told)
        {
            OperatorLog.Write(told.Level, told.Sentence);
        }
    }

    /// <summary>Restarts Litestream with the current settings; the last request counts, so nothing may come between the two.</summary>
    private async Task<string?> RestartForCredentialsAsync()
    {
        await _isPrepared.Task.ConfigureAwait(false);
        Task<string?> restarting;
        lock (_restarting)
        {
            restarting = _supervisor!.RestartAsync(Settings(), RestartReason.Credentials, "There were new credentials.");
        }

        return await restarting.ConfigureAwait(false);
    }

    // An inherited log level could hide errors, and the lines that show that Litestream 0.3 is ready.
    private Dictionary<string, string> LitestreamVariables() => (_credentials?.ApplyTo(_host.Variables) ?? _host.Variables)
        .Where(variable => variable.Key != "LOG_LEVEL")
        .ToDictionary(StringComparer.Ordinal);

    private DaemonSettings Settings()
    {
        var (plan, leftOut) = (_plan, _leftOut.Names);
        return new DaemonSettings(
            _binary,
            plan with { Databases = [.. plan.Databases.Where(database => !leftOut.Contains(database.Name))] },
            _socketFolder.SocketPath,
            LitestreamVariables(),
            plan.Databases.Max(database => database.MonitorInterval ?? DefaultMonitorInterval) + OpeningMargin)
        {
            HoldLogs = _binary.Version.ReleaseLine == ReleaseLine.V05 ? HoldLogsAsync : null,
        };
    }

    private async Task<IDisposable> HoldLogsAsync(IReadOnlyList<string> paths)
    {
        var hold = await Tools.SqliteProgram.HoldLogsAsync(paths, HoldLogsTimeout).ConfigureAwait(false);
        foreach (var (path, error) in paths.Zip(hold.Errors))
        {
            if (error is not null && File.Exists(path))
            {
                _log.Add($"Error: {Path.GetFileName(path)}: {error}");
            }
        }

        return hold;
    }
}
