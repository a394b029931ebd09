using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Datasette.Litestream.Admission;
using Datasette.Litestream.Attaching;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Healing;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Manual;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Standby;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream;

/// <summary>The replication of one Datasette: its plan, its credentials, its Litestream and its locks.</summary>
[SuppressMessage("Design", "CA1001", Justification = "StopAsync disposes of the refresher, and reports errors.")]
internal sealed partial class Replicator : IReplicationControl, IWritingControl, IAdmissionControl, ISteeredReplication
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

    /// <summary>How long it may take to keep them as they are for Litestream's end, which has little time.</summary>
    private static readonly TimeSpan KeepLogsTimeout = TimeSpan.FromSeconds(3);

    /// <summary>How long a write-ahead log is held for a Litestream that does not read it: meanwhile it grows.</summary>
    private static readonly TimeSpan MaxHold = TimeSpan.FromSeconds(30);

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
    private readonly DatabaseRenewal? _renewal;
    private readonly Renewer? _renewer;
    private readonly Admissions _admissions;
    private readonly Drills _drills;
    private readonly CompactionRetry _compactionRetry;
    private readonly GenerationRenewer? _generationRenewer;
    private readonly Mirroring? _mirroring;
    private readonly DestinationClaims? _claims;

    /// <summary>Claims are added and removed one after the other.</summary>
    private readonly SemaphoreSlim _claiming = new(1);
    private readonly Steering _steering;
    private readonly Lock _planning = new();
    private readonly Lock _restarting = new();
    private readonly Lock _redacting = new();
    private readonly Lock _recording = new();
    private readonly ReplicationSetup _setup;
    private readonly Action? _onOthers;
    private readonly LeftOutDatabases _leftOut = new();

    /// <summary>Before, there is no <see cref="_supervisor"/> yet.</summary>
    private readonly TaskCompletionSource _supervised = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Before, it is not known what Litestream is to start with.</summary>
    private readonly TaskCompletionSource _isPrepared = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Cancelled when replication is to end at once.</summary>
    private readonly CancellationTokenSource _hurrying = new();
    private OtherLitestreamWatch? _otherLitestreams;
    private readonly SocketFolder _socketFolder;
    private readonly ProcessIdentity _self = ProcessIdentity.Of(Environment.ProcessId)!;
    private Supervisor? _supervisor;
    private Attacher? _attacher;
    private CredentialRefresher? _refresher;
    private SecretCollection _secrets;

    /// <summary>The last Litestream; null before the first, and if that ended at once.</summary>
    private ProcessIdentity? _litestream;
    private volatile string? _reportFolder;
    private volatile IReadOnlyList<DatabasePlan> _others;
    private volatile IReadOnlyList<string> _warnings;
    private volatile ReplicationPlan _plan;
    private volatile JsonObject _document;
    private volatile S3Credentials? _credentials;
    private volatile IReadOnlyList<string> _takeOvers = [];

    /// <param name="setup">What is to be replicated, and with what.</param>
    /// <param name="locks">The locks on its databases; whoever made them releases them, after <see cref="StopAsync"/>.</param>
    /// <param name="writeError">Receives the lines for standard error, with their line breaks.</param>
    /// <param name="isTakeOver">Whether Datasette has served its databases before, while another process replicated them.</param>
    /// <param name="onOthers">Called when <see cref="Others"/> may have changed; must not block. Null if nobody wants to know.</param>
    public Replicator(ReplicationSetup setup, DatabaseLocks locks, Action<string> writeError, bool isTakeOver = false, Action? onOthers = null)
    {
        var (plan, binary, host) = (setup.Plan, setup.Binary, setup.Host);
        (_setup, _others, _onOthers) = (setup, setup.Others, onOthers);
        _plan = plan;
        _reportFolder = FindReportFolder(plan);
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
                new LocalSuccession(() => locks.FormerWriters, () => FormerClaims, () => ReportFolder, () => ReportFolder is { } folder && Audience.IsThere(folder)))
            : null;
        _leftOut.Set(LeaveOutReason.OtherWriter, _claims?.ClaimedDatabases ?? []);
        _mirroring = binary.Version.ReleaseLine == ReleaseLine.V03 ? null
            : new Mirroring(() => _plan, OpenToWrite, host.Time, Random.Shared, _log.Redact);
        _steering = new Steering(this, host.Time, Tell);
        var releaseLine = binary.Version.ReleaseLine!.Value;
        var restoring = new LitestreamCommand(binary.Path, LitestreamVariables, _log.Redact, host.Time, releaseLine);
        Downloads = new Downloads(() => _plan, () => new Restorer(restoring, releaseLine, _stores, host.Time), _steering.Note, host.Time);
        var inBackground = new LitestreamCommand(binary.Path, LitestreamVariables, _log.Redact, host.Time, releaseLine, isInBackground: true);
        var drill = new Drill(
            () => new Restorer(inBackground, releaseLine, _stores, host.Time), Tools.SqliteProgram, releaseLine, releaseLine == ReleaseLine.V03 ? null : AskForTransactionAsync, host.Time);
        _drills = new Drills(drill.HoldAsync, TellDrill, host.Time, Random.Shared);
        _compactionRetry = new CompactionRetry(message => _ = RestartAsync(RestartReason.Destination, message), host.Time);
        _renewal = probe is null ? null : new DatabaseRenewal(
            _command,
            probe,
            (database, stop) => _mirroring?.FillIfBehindAsync(database, stop) ?? Task.CompletedTask,
            (database, stop) => HoldLogsAsync([database], areSuspect: true, stop),
            OpenToWrite,
            Retention.Of(plan),
            host.Time);
        _renewer = probe is null ? null : new Renewer(this, _renewal!, probe, host.Time, _log.Redact);
        _generationRenewer = releaseLine == ReleaseLine.V03 ? new GenerationRenewer(this, host.Time) : null;
        _admissions = new Admissions(new FileRule(new Restorer(restoring, releaseLine, _stores, host.Time), releaseLine, Tools.SqliteProgram), this, host.Time);
    }

    /// <summary>What is replicated where; the file of a database changes when a symbolic link is pointed elsewhere.</summary>
    public ReplicationPlan Plan => _plan;

    /// <summary>Where reports are left for those that stand by: beside one of the databases, as long as that one is replicated. Null if nothing is.</summary>
    public string? ReportFolder => _reportFolder;

    /// <summary>The databases that would be replicated here if other processes did not do so.</summary>
    public IReadOnlyList<DatabasePlan> Others => _others;

    /// <summary>The child processes with which replication is observed.</summary>
    public ObservationTools Tools { get; }

    /// <summary>Tells how replication is, besides the pages.</summary>
    public Announcer Announcer { get; }

    /// <summary>The log for the operator.</summary>
    public OperatorLog OperatorLog => Announcer.Log;

    /// <summary>Restores databases for those who download them.</summary>
    public Downloads Downloads { get; }

    private IReadOnlyList<OtherLitestream> OtherLitestreams => _otherLitestreams?.Found ?? [];

    /// <summary>The current state.</summary>
    public ReplicationSnapshot Snapshot => new(
        Plan, _binary, _document, [.. Plan.Warnings, .. _warnings, .. NothingReplicated, .. _takeOvers, .. OtherLitestreams.Select(other => other.Sentence), .. Announcer.Warnings], Daemon, _refresher?.Status, _log.Entries, _log.Statistics, _log.Redactor)
    {
        OtherLitestreams = OtherLitestreams,
        WorkingDirectory = _setup.Configuration.WorkingDirectory,
        StartOptions = _setup.Configuration.StartOptions,
        Renewals = _renewer?.Renewals ?? ImmutableDictionary<string, Renewal>.Empty,
        Mirrors = _mirroring?.Statuses ?? ImmutableDictionary<MirrorKey, MirrorStatus>.Empty,
        Fills = _mirroring?.Fills ?? ImmutableDictionary<string, PrimaryFill>.Empty,
        Manual = _steering.State,
        Forbidden = _claims?.Forbidden ?? ImmutableDictionary<string, ClaimStatus>.Empty,
        Detaching = _attacher?.Detaching ?? ImmutableDictionary<string, Detaching>.Empty,
        ServedPaths = _attacher?.ServedPaths ?? ImmutableDictionary<string, string>.Empty,
        Attaching = _attacher?.Attaching ?? [],
        Unusable = _unusable,
        Admissions = _admissions.Pending,
        Drills = _drills.Statuses,
    };

    /// <summary>The status of Litestream; null if there is nothing to replicate.</summary>
    private DaemonStatus? Daemon => Plan.Databases.IsEmpty && _supervisor?.Status.State is DaemonState.Starting or DaemonState.Idle ? null : _supervisor?.Status;

    private string[] NothingReplicated => Plan.Databases.IsEmpty && Others.Count == 0
        ? ["No database is replicated: either no database that Datasette serves can be replicated, or none is configured."]
        : [];

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
    /// <param name="onEnded">Done as soon as nothing is replicated any more, before that is told to the destinations; null for nothing.</param>
    /// <param name="onLeft">Done when all of them have been told, if that is possible; null for nothing.</param>
    public async Task<ReplicationEnd> StopAsync(StopOrder order, Func<Task>? onEnded = null, Func<Task>? onLeft = null)
    {
        var started = _host.Time.GetTimestamp();
        using var hurrying = order.Hurry.Register(() =>
        {
            _hurrying.Cancel();
            _admissions.Cancel();
        });
        _steering.Stop();
        var downloading = Downloads.StopAsync();
        var proving = _drills.StopAsync();
        var beginning = _generationRenewer?.StopAsync() ?? Task.CompletedTask;
        _mirroring?.StopFilling();
        _refresher?.Dispose();
        await (_attacher?.StopAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        await (_renewer?.StopAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        await (_otherLitestreams?.StopAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        var result = _supervisor is null ? StopResult.Complete : await _supervisor.StopAsync(order).ConfigureAwait(false);

        // Not before: what is to be replicated a last time has to be admitted.
        await _admissions.StopAsync().ConfigureAwait(false);
        var lacks = _mirroring is null ? [] : await _mirroring.FinishAsync(order.Timeout - _host.Time.GetElapsedTime(started), order.Hurry).ConfigureAwait(false);
        await (_claims?.EndAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        await (onEnded?.Invoke() ?? Task.CompletedTask).ConfigureAwait(false);
        if (await (_claims?.LeaveAsync(LeaveTimeoutAfter(order.Timeout - _host.Time.GetElapsedTime(started))) ?? Task.FromResult(true)).ConfigureAwait(false))
        {
            await (onLeft?.Invoke() ?? Task.CompletedTask).ConfigureAwait(false);
        }

        await downloading.ConfigureAwait(false);
        await proving.ConfigureAwait(false);
        await beginning.ConfigureAwait(false);
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
        _observed = observed;
        Announcer.Look(snapshot, observed);
        _steering.Look(observed);
        _drills.Look(
            [
                .. from database in observed.Databases
                   where !IsServedElsewhere(database.Plan)
                   from destination in database.AllDestinations
                   select new DrillCandidate(database.Plan, destination.Replica, destination.CanBeProven, destination.Bytes ?? database.DatabaseBytes)
                   {
                       IsMirror = destination.IsMirror,
                       NewestSnapshotAt = destination.Points?.NewestSnapshot,
                   },
            ]);
        _renewer?.Consider(observed);
        _generationRenewer?.Look(observed);
        _compactionRetry.Look(observed, snapshot.LogStatistics);
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

    /// <inheritdoc/>
    public async Task RestartWithoutAsync(LeaveOutReason reason, IReadOnlySet<string> names, string message)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        await RestartWithoutAsync(reason, _ => names, settings => _supervisor!.RestartAsync(settings, RestartReason.Renewal, message)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task WriteWithoutAsync(IReadOnlySet<string> names, string message, CancellationToken hurry)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        ImmutableHashSet<string> allowed;
        lock (_restarting)
        {
            // Whoever wrote there meanwhile may have gone on from another file.
            allowed = _leftOut.Of(LeaveOutReason.OtherWriter).Except(names);
            _leftOut.Set(LeaveOutReason.Admission, _leftOut.Of(LeaveOutReason.Admission).Union(allowed));
        }

        await RestartWithoutAsync(LeaveOutReason.OtherWriter, _ => names, settings => _supervisor!.RestartAsync(settings, RestartReason.Writer, message, hurry)).ConfigureAwait(false);
        if (allowed.Count > 0)
        {
            _ = AdmitAsync([.. Plan.Databases.Where(database => allowed.Contains(database.Name) && IsEligible(database))]);
        }
    }

    /// <summary>Whether nothing but its file can keep a database from being replicated.</summary>
    private bool IsEligible(DatabasePlan database) =>
        !_unusable.ContainsKey(database.Name) && !_leftOut.Of(LeaveOutReason.OtherWriter).Contains(database.Name) && !_leftOut.Of(LeaveOutReason.Filling).Contains(database.Name);

    /// <summary>Admits databases, and has Litestream replicate those that are admitted.</summary>
    private async Task AdmitAsync(IReadOnlyCollection<DatabasePlan> databases)
    {
        var late = await _admissions.AdmitAsync(databases, isShown: true).ConfigureAwait(false);
        await ((IAdmissionControl)this).AdmitLateAsync(databases.Select(database => database.Name).Except(late).ToHashSet(StringComparer.Ordinal)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    Task IAdmissionControl.AdmitLateAsync(IReadOnlySet<string> names) => RestartWithoutAsync(
        LeaveOutReason.Admission,
        left => left.Except(names),
        settings => _supervisor!.ChangeAsync(settings, RestartReason.Databases, $"The {(names.Count == 1 ? "file" : "files")} of {string.Join(", ", names.Order(StringComparer.Ordinal))} can be replicated."));

    /// <inheritdoc/>
    DatabasePlan? IAdmissionControl.FindServed(DatabasePlan database) =>
        Plan.Databases.Any(one => one.Name == database.Name && one.Attachment == database.Attachment) && !IsServedElsewhere(database) ? TakeServedFile(database.Name) : null;

    /// <inheritdoc/>
    Task IAdmissionControl.ClaimAsync(DatabasePlan database) => ClaimAsync([database]);

    private async Task ClaimAsync(IReadOnlyCollection<DatabasePlan> databases)
    {
        await _claiming.WaitAsync().ConfigureAwait(false);
        try
        {
            await (_claims?.AddAsync(databases) ?? Task.CompletedTask).ConfigureAwait(false);
        }
        finally
        {
            _claiming.Release();
        }
    }

    /// <inheritdoc/>
    async Task<string?> IAdmissionControl.PrepareAnewAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        try
        {
            var error = _renewal is null
                ? LocalState.ForgetGeneration(LitestreamFolder.Of(database))
                : await _renewal.PrepareAsync(database, StateReason.FileReplaced, cancellationToken).ConfigureAwait(false);
            if (error is null)
            {
                _drills.Renewed(database.Name);
            }

            return error;
        }
        catch (ReplicationException ex)
        {
            return ex.Message;
        }
    }

    /// <inheritdoc/>
    void IAdmissionControl.Warn(string sentence) => OperatorLog.Write(LogLevel.Warning, sentence);

    /// <inheritdoc/>
    public async Task<bool> TryHoldBackAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        if (!await _admissions.IsHeldBackAsync(database, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.Admission, _leftOut.Of(LeaveOutReason.Admission).Add(database.Name));
        }

        _ = AdmitAsync([database]);
        return true;
    }

    /// <inheritdoc/>
    public void Recognize(DatabasePlan database) => Admissions.Recognize(database);

    /// <inheritdoc/>
    public void Renewed(DatabasePlan database) => _drills.Renewed(database.Name);

    /// <summary>Leaves out other databases for a reason, and restarts Litestream if that makes any difference.</summary>
    private Task RestartWithoutAsync(LeaveOutReason reason, Func<ImmutableHashSet<string>, IEnumerable<string>> change, Func<DaemonSettings, Task> restart)
    {
        // The last request counts, so nothing may come between the settings and the request.
        lock (_restarting)
        {
            return _leftOut.Set(reason, change(_leftOut.Of(reason))) ? restart(Settings()) : Task.CompletedTask;
        }
    }

    /// <inheritdoc/>
    public CancellationToken WhileWriting(DatabasePlan database) => WhileWriting(database.Primary);

    /// <inheritdoc/>
    public bool IsServedElsewhere(DatabasePlan database) => _attacher?.ServedPaths.GetValueOrDefault(database.Name, database.ServedPath) is { } path && path != database.ServedPath;

    /// <inheritdoc/>
    public DatabasePlan TakeServedFile(string name)
    {
        var database = _plan.Databases.Single(one => one.Name == name);
        if (RealPath.Of(database.ServedPath) is { } path && path != database.Path)
        {
            _locks.Take(name, path);
            lock (_planning)
            {
                Publish(_plan with { Databases = [.. _plan.Databases.Select(one => one.Name == name ? one with { Path = path } : one)] });
                return _plan.Databases.Single(one => one.Name == name);
            }
        }

        _locks.Take(name, database.Path);
        return database;
    }

    private Task<ulong?> AskForTransactionAsync(DatabasePlan database, CancellationToken cancellationToken) =>
        _supervisor?.Status is { State: DaemonState.Running, Socket: { } socket } ? socket.TakenTransactionAsync(database.Path, cancellationToken) : Task.FromResult<ulong?>(null);

    /// <summary>Tells of a drill. What one that failed means for the database is told with its state, at the level that this has.</summary>
    private void TellDrill(DatabasePlan database, ReplicaPlan replica, DrillResult result) => OperatorLog.Write(
        result.Outcome == DrillOutcome.NotHeld ? LogLevel.Warning : LogLevel.Info,
        DrillWording.Tell(database.Name, replica.Destination, result));

    /// <summary>Tells what was done by hand. Of a download nobody is notified: it says nothing of how replication is.</summary>
    private void Tell(Deed deed)
    {
        if (deed.Downloaded is null)
        {
            OperatorLog.Write(DeedWording.LevelOf(deed), DeedWording.Tell(deed));
        }
        else
        {
            OperatorLog.WriteOnly(DeedWording.LevelOf(deed), DeedWording.Tell(deed));
        }
    }

    private async Task StartLitestreamAsync(Action<string> onFatal)
    {
        var source = CredentialSources.Of(Plan.Credentials, _host, _log.Redact);
        var credentials = source is null ? null : await source.ReadAsync(CancellationToken.None).ConfigureAwait(false);
        Remember(credentials?.Keys);
        await TakeLocksAsync().ConfigureAwait(false);
        if (Preflight.CheckMetricsAddress(Plan.Metrics) is { } problem)
        {
            throw new ReplicationException(problem.ToString());
        }

        _supervisor = new Supervisor(Settings(), _log, _host.Time, Random.Shared, Record, LogStatusChange, PrepareDatabasesAsync);
        _supervised.SetResult();
        _drills.Start();
        _attacher = new Attacher(this, _setup.Configuration, _isPrepared.Task, _host.Time);
        _otherLitestreams = new OtherLitestreamWatch(() => Snapshot, sentence => OperatorLog.Write(LogLevel.Warning, sentence), _host.Time);
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
        var preparing = PrepareFilesAsync(hurry);
        var claiming = Task.FromResult(ImmutableHashSet<string>.Empty);
        IReadOnlySet<string>? continued = null;
        if (_claims is not null)
        {
            (var heldBack, continued) = await _admissions.JudgeAsync(Plan.Databases, isOurs: _isTakeOver).ConfigureAwait(false);
            claiming = _claims.StartAsync(this, heldBack);
        }

        var forbidden = await claiming.ConfigureAwait(false);
        await preparing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (preparing.Exception?.InnerException is { } ex)
        {
            // Litestream does the same, or says why it cannot.
            _log.Add($"Error: the databases could not be prepared for Litestream: {ex.Message}");
        }

        var toFill = _mirroring is null ? new HashSet<string>() : await _mirroring.PrepareAsync(Plan.Databases, _hurrying.Token).ConfigureAwait(false);
        _mirroring?.Start();
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.OtherWriter, forbidden);
            _leftOut.Set(LeaveOutReason.Filling, toFill);
        }

        var eligible = Plan.Databases.Where(IsEligible).ToList();
        var late = await _admissions.AdmitAsync(eligible, _isTakeOver, continued).ConfigureAwait(false);
        DaemonSettings settings;
        lock (_restarting)
        {
            _leftOut.Set(LeaveOutReason.Admission, Plan.Databases.Except(eligible).Select(database => database.Name).Concat(late));
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

        await UseLogsAsync(Plan.Databases).ConfigureAwait(false);
    }

    private async Task UseLogsAsync(IEnumerable<DatabasePlan> databases)
    {
        // A database with a log beside it uses it.
        string[] paths = [.. databases.Select(database => database.Path).Where(path => !File.Exists($"{path}-wal"))];
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

                var ready = filled.Select(one => one.Key).ToHashSet(StringComparer.Ordinal);
                lock (_restarting)
                {
                    _leftOut.Set(LeaveOutReason.Filling, _leftOut.Of(LeaveOutReason.Filling).Except(ready));
                }

                await AdmitAsync([.. Plan.Databases.Where(database => ready.Contains(database.Name) && IsEligible(database))]).ConfigureAwait(false);
                filled.ForEach(one => _mirroring!.Start(one.Key));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what was not filled is told at the end.
        }
    }

    /// <summary>What those have left that have held one of the locks before.</summary>
    private IEnumerable<HeldClaims> FormerClaims =>
        from previous in _locks.Previous
        let folder = previous.Record.FindReportFolder(previous.Path)
        where folder is not null
        let held = HeldClaims.Read(folder)
        where held?.Writer == previous.Record.Writer
        select held;

    private GuardedStore OpenToWrite(ReplicaPlan replica, string? databasePath) => new(_stores.Open(replica, databasePath), () => WhileWriting(replica));

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
                    return RestartAsync(RestartReason.Credentials, "There were new credentials.");
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
            using var turn = _redacting.EnterScope();
            _secrets = _secrets.Replace(new SecretValues([.. credentials.Secrets], [credentials.AccessKeyId]), _log.LineCount, LitestreamLog.Capacity);
            _log.Redactor = _secrets.Redactor;
        }

        _credentials = credentials;
    }

    private async Task TakeLocksAsync()
    {
        var unusable = Plan.Databases.Where(database => !TryTakeLock(database)).ToList();
        if (unusable.Count > 0 && unusable.Count == Plan.Databases.Length && Others.Count == 0)
        {
            throw new ReplicationException(ReplicationSetup.Join([.. unusable.Select(database => _unusable[database.Name])]));
        }

        // Their mirrors begin when they can be replicated.
        unusable.ForEach(database => _mirroring?.Remove(database.Name));

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

    private void Record(int litestreamProcessId)
    {
        lock (_recording)
        {
            _litestream = ProcessIdentity.Of(litestreamProcessId);
            RecordInTurn();
        }

        _claims?.LeaveFromNowOn();
    }

    private void RecordInTurn()
    {
        var folder = ReportFolder;
        _locks.Record(new LockRecord(_self, _litestream, _socketFolder.Path)
        {
            ReportFolder = folder ?? "",
            ReportFolderInode = folder is null ? 0 : FileStatus.Look(folder).Status?.Inode ?? 0,
            Writer = _writer.Id,
        });
    }

    // Runs on the supervising task.
    private void LogStatusChange(DaemonStatus before, DaemonStatus after)
    {
        if (DaemonEvents.Describe(before, after) is { } told)
        {
            OperatorLog.Write(told.Level, told.Sentence);
        }
    }

    /// <summary>Does what somebody asks for by hand.</summary>
    public Task<ManualResult> DoAsync(ManualRequest request) => _steering.DoAsync(request);

    /// <inheritdoc/>
    Task<string?> ISteeredReplication.RestartAsync(string message) => RestartAsync(RestartReason.Manual, message);

    /// <inheritdoc/>
    async Task<string?> ISteeredReplication.PauseAsync(IReadOnlySet<string> names, string message)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        Task<string?> restarting;
        lock (_restarting)
        {
            restarting = _leftOut.Set(LeaveOutReason.Paused, names) ? _supervisor!.RestartAsync(Settings(), RestartReason.Manual, message) : Task.FromResult<string?>(null);
        }

        return await restarting.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    Task<IReadOnlyList<(ReplicaPlan Replica, DrillResult Result)>> ISteeredReplication.VerifyAsync(string name) => _drills.VerifyAsync(name);

    /// <inheritdoc/>
    string? ISteeredReplication.Accept(DatabasePlan database, string actor)
    {
        try
        {
            if (FileStatus.Look(database.Path).Status is not { } file)
            {
                return $"There is no file {database.Path}.";
            }

            MeantFile.Accepted(file, _host.Time.GetUtcNow(), actor).Write(database.Path);
            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"That cannot be noted beside {database.Path}: {ex.Message}";
        }
    }

    /// <summary>Restarts Litestream with the current settings; the last request counts, so nothing may come between the two.</summary>
    private async Task<string?> RestartAsync(RestartReason reason, string message)
    {
        await _isPrepared.Task.ConfigureAwait(false);
        Task<string?> restarting;
        lock (_restarting)
        {
            restarting = _supervisor!.RestartAsync(Settings(), reason, message);
        }

        return await restarting.ConfigureAwait(false);
    }

    private Dictionary<string, string> LitestreamVariables() => _host.ForLitestream(_credentials);

    private DaemonSettings Settings()
    {
        var (plan, leftOut) = (_plan, _leftOut.Names);
        return new DaemonSettings(
            _binary,
            plan with { Databases = [.. plan.Databases.Where(database => !leftOut.Contains(database.Name))] },
            _socketFolder.SocketPath,
            LitestreamVariables(),
            plan.Databases.Select(database => database.MonitorInterval ?? DefaultMonitorInterval).DefaultIfEmpty().Max() + OpeningMargin)
        {
            HoldLogs = _binary.Version.ReleaseLine == ReleaseLine.V05 ? HoldLogsAsync : null,
            KeepLogs = _binary.Version.ReleaseLine == ReleaseLine.V05 ? KeepLogsAsync : null,
        };
    }

    private async Task<ILogHold> KeepLogsAsync(IReadOnlyList<string> paths, CancellationToken cancellationToken) =>
        await Tools.SqliteProgram.KeepLogsAsync(paths, KeepLogsTimeout, cancellationToken).ConfigureAwait(false);

    private async Task<ILogHold> HoldLogsAsync(IReadOnlyList<DatabasePlan> databases, bool areSuspect, CancellationToken cancellationToken)
    {
        var hold = await Tools.SqliteProgram.HoldLogsAsync(
            [.. databases.Select(database => (database.Path, LitestreamFolder.Of(database)))], HoldLogsTimeout, MaxHold, areSuspect, cancellationToken).ConfigureAwait(false);
        foreach (var (path, error) in hold.Errors.Where(error => File.Exists(error.Key)))
        {
            _log.Add($"Error: {Path.GetFileName(path)}: {error}");
        }

        return hold.HasEnded
            ? throw new ReplicationException($"Write-ahead logs could not be kept as they are for Litestream's start: {hold.Errors.Values.FirstOrDefault("the program for it ended")}.")
            : hold;
    }
}
