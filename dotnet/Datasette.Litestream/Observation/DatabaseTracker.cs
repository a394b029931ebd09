using System.Collections.Immutable;
using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Tracks one database from look to look. A change counts as safe if Litestream was asked to sync after the change was seen and
/// has uploaded what it synced then, the file was not overwritten from outside of SQLite until then, and the destination, where
/// it is looked at, has all of it. The sampling task owns the tracker; any thread may read its history.
/// </summary>
internal sealed class DatabaseTracker
{
    /// <summary>
    /// A shorter delay is normal: Litestream syncs the database once a second, and uploads up to a second later.
    /// </summary>
    private static readonly TimeSpan MinBehind = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Two writes within one tick of the clock that sets file times cannot be told apart; kernels tick every 1 to 10 ms.
    /// </summary>
    private static readonly TimeSpan FileClockTick = TimeSpan.FromMilliseconds(50);

    /// <summary>How long something may be wrong before the destination is asked about it.</summary>
    private static readonly TimeSpan SilenceTime = TimeSpan.FromSeconds(4);

    /// <summary>How long nothing may be sent before that is told: Litestream waits between tries.</summary>
    private static readonly TimeSpan MovingTime = TimeSpan.FromSeconds(15);

    /// <summary>How long Litestream may take after its start before its silence is told.</summary>
    private static readonly TimeSpan OpeningTime = TimeSpan.FromSeconds(8);

    /// <summary>The minimum and the maximum delay before a request that got no answer is repeated.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(2), MaxRetryDelay = TimeSpan.FromSeconds(16);

    private readonly WalProgress _walProgress = new();
    private readonly Backoff _retryDelay = new(MinRetryDelay, MaxRetryDelay);
    private readonly TimeSpan _maxLag;
    private readonly TimeSpan _askInterval;
    private DatabaseObservation? _last;
    private DatabaseObservation? _lastRecorded;
    private TimeSpan? _maxLagSinceSample;
    private DateTimeOffset _replicatedUntil;
    private DateTimeOffset? _replicaSyncAt;
    private DateTimeOffset _nextAskAt = DateTimeOffset.MinValue;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;
    private DateTimeOffset _wantedAt = DateTimeOffset.MinValue;
    private SyncAnswer? _answer;
    private SyncAnswer? _pending;
    private SyncAnswer? _confirmed;

    // Uploaded according to Litestream, but the file is not examined yet, or the destination does not have it yet: the oldest,
    // which is proven first, and the newest.
    private SyncAnswer? _oldestUnproven;
    private SyncAnswer? _newestUnproven;
    private LogEntry? _syncError;
    private LogEntry? _firstLogged;
    private Failure? _syncFailure;
    private DateTimeOffset? _uploadFailedAt;
    private long _uploadedBytes;
    private DateTimeOffset? _run;
    private bool _hasUploaded;
    private FileStatus? _replicatedFile;
    private FileStatus? _folder;
    private DateTimeOffset _runSeenAt;

    /// <summary>What Litestream could not merge before this time was of a backup that was replaced since.</summary>
    private DateTimeOffset _renewedAt = DateTimeOffset.MinValue;
    private DateTimeOffset _withdrawnAt = DateTimeOffset.MinValue;
    private DateTimeOffset? _badSince;
    private bool _hasBeenGood;
    private DateTimeOffset? _checkWantedAt;
    private DateTimeOffset? _wholeAt;
    private bool _isFirstCopy;
    private DateTimeOffset? _replicaKnownAt;
    private (StateReason Reason, string? Error)? _checkFault;
    private DateTimeOffset _checkSeenAt = DateTimeOffset.MinValue;
    private ulong? _snapshot;
    private ulong? _unannouncedSnapshot;

    /// <param name="plan">The database.</param>
    /// <param name="start">When replication started.</param>
    public DatabaseTracker(DatabasePlan plan, DateTimeOffset start)
    {
        Plan = plan;
        _replicatedUntil = start;
        _askInterval = plan.MonitorInterval ?? TimeSpan.Zero;
        _maxLag = plan.Replicas.Select(replica => replica.SyncInterval * 3 ?? MinBehind).Append(MinBehind).Max() + _askInterval;
    }

    /// <summary>The state of a database that cannot be replicated, which stays as it is.</summary>
    /// <param name="database">The database.</param>
    /// <param name="start">When replication started.</param>
    public static DatabaseObservation Unreplicable(UnreplicableDatabase database, DateTimeOffset start)
    {
        var reason = database.Reason switch
        {
            UnreplicableReason.SameFile => StateReason.SameFile,
            UnreplicableReason.SettingsRefused => StateReason.SettingsRefused,
            _ => StateReason.NameNotSupported,
        };
        return new DatabaseObservation(
            new DatabasePlan(database.Name, database.Path, database.Path, ReplicationPlanner.DatabaseKey(database.Name), [], [], null),
            reason.State(),
            start,
            database.Sentence,
            reason,
            new Evidence(null, null, null, null, null, null),
            null,
            null,
            null,
            0,
            0);
    }

    /// <summary>The database; its path changes when a symbolic link is pointed elsewhere.</summary>
    public DatabasePlan Plan { get; set; }

    /// <summary>
    /// Whether no other replicated file has the same name: Litestream 0.5 logs only that name, so otherwise its errors cannot be
    /// attributed.
    /// </summary>
    public bool HasUniqueFileName { get; set; } = true;

    public History History { get; } = new();

    /// <summary>What was asked before this time is about another file or another backup.</summary>
    public DateTimeOffset WithdrawnAt => _withdrawnAt;

    /// <summary>How long a change may wait before that is told.</summary>
    public TimeSpan MaxLag => _maxLag;

    /// <summary>The last transaction known to be at the replica; null if unknown.</summary>
    public ulong? ReplicaTxid { get; private set; }

    /// <summary>
    /// Whether Litestream must be asked to sync: the database may have changed since the last answer, or the last sync was not
    /// fully uploaded. A database with a longer monitor interval is asked for no more often than that, since the request itself
    /// makes Litestream sync.
    /// </summary>
    public bool NeedsSync(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        if ((now < _retryAt && _retryAt - now <= MaxRetryDelay) || !IsReplicatedFile(files.Database))
        {
            return false;
        }

        if (_answer is not { } answer || (_confirmed?.AskedAt ?? answer.AskedAt) < _wantedAt || HasUnresolvedSyncError(statistics) || (answer.Txid == 0 && files.Database is not null))
        {
            return true;
        }

        var isDue = now >= _nextAskAt || _nextAskAt - now > _askInterval;
        return isDue && (_pending is not null || files != answer.Files || (answer.AskedAt - files.ChangedAt).Duration() < FileClockTick);
    }

    /// <summary>
    /// The last transaction that must be at the destination by now; null if none must. Before the Litestream that begins a backup anew was
    /// seen, all that is known is of the backup before.
    /// </summary>
    /// <param name="answer">Litestream's answer since the last look; null if there is none.</param>
    /// <param name="run">When the Litestream that runs now was started; null if none runs.</param>
    /// <param name="renewal">How far the database is being replicated anew; null if it is not.</param>
    public ulong? ExpectedTxid(SyncAnswer? answer, DateTimeOffset? run, Renewal? renewal) =>
        renewal is not null && run != _run ? null
            : answer is { ReplicatedTxid: > 0 } && answer.AskedAt > _withdrawnAt && !(ReplicaTxid > answer.ReplicatedTxid) ? answer.ReplicatedTxid
            : ReplicaTxid;

    /// <summary>Whether a restore would begin with another snapshot than at the last look.</summary>
    public bool IsNewSnapshot(ReplicaFinding? finding) => finding is { Condition: ReplicaCondition.Whole } && finding.Snapshot > _snapshot;

    /// <summary>
    /// Delays the next request after one that Litestream did not answer, longer each time, since each request makes Litestream
    /// contact the destination, which may have refused the key.
    /// </summary>
    public void BackOff(DateTimeOffset now) => _retryAt = now + _retryDelay.Next();

    /// <summary>Has Litestream asked at the next look, if it was not asked since a time, whatever delays that.</summary>
    /// <param name="since">When somebody wanted that; the same for every look at which that is not over.</param>
    public void Want(DateTimeOffset since)
    {
        if (since != _wantedAt)
        {
            (_wantedAt, _retryAt) = (since, DateTimeOffset.MinValue);
        }
    }

    /// <summary>Whether every change was at the replica at the last sample, and nothing indicates a change since.</summary>
    public bool IsUpToDate(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics) =>
        _last is { State: DatabaseState.Replicating, Lag.Ticks: 0 } last
        && files == _confirmed?.Files
        && statistics.Errors == last.SyncErrors
        && !NeedsSync(now, files, statistics);

    /// <summary>Derives the state from what was seen.</summary>
    public DatabaseObservation Observe(in DatabaseLook look)
    {
        var (now, files, statistics) = (look.At, look.Files, look.Statistics);
        BeginRun(look);
        _replicaSyncAt = look.Listed?.LastSyncAt ?? _replicaSyncAt;
        var fault = FindFault(look);
        if (look.Forbidden is null && fault is { Reason: not (StateReason.FileUnreadable or StateReason.DestinationRefused or StateReason.LogBlocked or StateReason.Paused) })
        {
            Withdraw(now);
        }

        if (look.Answer is { } answer && answer.AskedAt > _withdrawnAt)
        {
            Apply(answer);
        }

        Prove(look);
        if (look.WalPosition is { } position && _walProgress.Advance(now, files, position) is { } progress && progress.AskedAt > _withdrawnAt)
        {
            Confirm(progress);
        }

        // What another one may write over is no longer known to be there.
        var isSafe = look.Forbidden is null && UpdateReplicatedUntil(now, files, statistics) && fault is null;

        // No figure is made up: without a control socket and without metrics, no lag is known.
        var lag = !look.HasSocket && look.WalPosition is null ? (TimeSpan?)null : isSafe ? TimeSpan.Zero : Evidence.LagSince(_replicatedUntil, now);
        _maxLagSinceSample = lag > (_maxLagSinceSample ?? TimeSpan.MinValue) ? lag : _maxLagSinceSample;
        var (reason, error) = fault ?? (look.Detaching is { Error: { } detaching } ? (StateReason.NotDetached, detaching) : Conclude(look, isSafe, lag));
        WantCheck(look, reason);
        if (look.Drills is { } drills && DrillJudgement.Of([.. drills.Values], isMirror: false, now) is { } drilled && DrillJudgement.Outweighs(drilled, reason))
        {
            (reason, error) = drilled;
        }

        // What a renewal brought to the replica is promised only after it was seen to be whole.
        var isDestinationKnown = _unannouncedSnapshot is null && look.Finding?.Condition != ReplicaCondition.Unreadable;
        var replicatedUntil = _confirmed is null || look.Renewal is not null || !isDestinationKnown ? (DateTimeOffset?)null : _replicatedUntil;
        var state = reason.State();
        var since = _last?.State == state ? _last.Since : now;
        return _last = new DatabaseObservation(
            Plan,
            state,
            since,
            error,
            reason,
            new Evidence(
                files.Database is null ? null : files.ChangedAt,
                _answer?.AskedAt,
                _answer is { Txid: > 0 } asked ? asked.Txid : null,
                ReplicaTxid,
                replicatedUntil,
                lag,
                look.Activity,
                _wholeAt,
                look.Fill?.FilledBytes ?? look.CopiedBytes,
                look.MovedAt is { } moved && now - moved < MovingTime,
                look.MovedAt),
            replicatedUntil,
            files.DatabaseBytes,
            files.WalBytes,
            _uploadedBytes + statistics.UploadedBytes,
            statistics.Errors)
        {
            ConfirmedAt = _confirmed?.AskedAt,
            Listed = look.Check,
            Drills = look.Drills ?? ImmutableDictionary<string, DrillStatus>.Empty,
        };
    }

    /// <summary>Whether Litestream should judge the destination now; true once for each occasion.</summary>
    public bool TakeCheckRequest(DateTimeOffset now)
    {
        if (_checkWantedAt is not { } wanted || now < wanted)
        {
            return false;
        }

        _checkWantedAt = null;
        return true;
    }

    /// <summary>The state of a database about which nothing can be concluded, so that the others still are.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="error">Why.</param>
    public DatabaseObservation Fail(DateTimeOffset now, string error)
    {
        Withdraw(now);
        return _last = new DatabaseObservation(
            Plan,
            StateReason.NoAnswer.State(),
            _last?.Reason == StateReason.NoAnswer ? _last.Since : now,
            error,
            StateReason.NoAnswer,
            new Evidence(null, null, null, ReplicaTxid, null, now - _replicatedUntil),
            null,
            null,
            null,
            _uploadedBytes,
            _last?.SyncErrors ?? 0);
    }

    /// <summary>Adds the last observation to the history.</summary>
    public void Record(DateTimeOffset now)
    {
        if (_last is not { } last)
        {
            return;
        }

        History.Add(now, new Sample(
            last.Evidence.TakenTxid ?? 0,
            last.Evidence is { TakenTxid: { } here, ReplicatedTxid: { } there } ? (uint)Math.Min(here > there ? here - there : 0, uint.MaxValue - 1) : uint.MaxValue,
            (float?)_maxLagSinceSample?.TotalSeconds ?? float.NaN,
            last.WalBytes ?? float.NaN,
            last.DatabaseBytes ?? float.NaN,
            last.UploadedBytes - (_lastRecorded?.UploadedBytes ?? 0),
            (Half)(last.SyncErrors - (_lastRecorded?.SyncErrors ?? 0))));
        _lastRecorded = last;
        _maxLagSinceSample = null;
    }

    /// <summary>Forgets what was known of the last run of Litestream, which opens the file anew.</summary>
    private void BeginRun(in DatabaseLook look)
    {
        if (look.Run is null || look.Run == _run)
        {
            return;
        }

        _run = look.Run;
        _hasUploaded = false;
        (_syncFailure, _uploadFailedAt) = (null, null);

        // What the last one did not answer is no reason not to ask this one.
        _retryAt = DateTimeOffset.MinValue;
        _retryDelay.Reset();
        (_replicatedFile, _folder) = (look.Files.Database, look.Folder);
        _runSeenAt = look.At;
        if (look.Renewal is not null)
        {
            // Its backup begins anew, possibly with the first transaction.
            _renewedAt = look.Run.Value;
            (ReplicaTxid, _replicaKnownAt, _snapshot, _unannouncedSnapshot, _checkFault) = (null, null, null, null, null);
            Withdraw(look.At);
        }
    }

    /// <summary>What is wrong with the file itself, whatever Litestream says; null if nothing is.</summary>
    private (StateReason Reason, string? Error)? FindFault(in DatabaseLook look)
    {
        if (look.Pause is not null)
        {
            return (StateReason.Paused, null);
        }

        if (look.Forbidden is { } forbidden)
        {
            return (ReasonOf(forbidden), forbidden.Detail);
        }

        if (look.Unusable is { } unusable)
        {
            return (StateReason.FolderUnusable, unusable);
        }

        if (look.HeldOut is { } heldOut)
        {
            return (heldOut.Cause == HeldOutCause.LogBlocked ? StateReason.LogBlocked : StateReason.DestinationRefused, heldOut.Reason);
        }

        if (look is { Renewal: null, Fill: { } fill })
        {
            return (StateReason.Filling, fill.Error);
        }

        if (look.Files.Error is { } error)
        {
            return (StateReason.FileUnreadable, error);
        }

        if (look.Files.Database is not { } file)
        {
            return (StateReason.FileMissing, null);
        }

        if (look.Admission is { } admission)
        {
            return Judge(admission);
        }

        if (look.Renewal is { RenewedAt: null } renewal)
        {
            return (StateReason.ReplicatedAnew, renewal.Error);
        }

        // A file that appears after Litestream's start is opened by Litestream then.
        _replicatedFile ??= file;
        return !IsReplicatedFile(file) ? (StateReason.FileReplaced, null)
            : _folder is { } folder && look.Folder?.IsSameFile(folder) != true ? (StateReason.FolderRemoved, null)
            : look.Examination is { Problem: { } problem } ? (StateReason.FileOverwritten, problem)
            : _syncFailure is { IsLocalStateLost: true, Error: var failed } ? (StateReason.FolderRemoved, failed)
            : FindLostFile(look) is { } lost ? (StateReason.FolderRemoved, lost)
            : JudgeDestination(look);
    }

    private static (StateReason Reason, string? Error) Judge(PendingAdmission admission) => admission switch
    {
        { HeldBack: { } hold } => (hold.IsEmpty ? StateReason.FileEmpty : StateReason.FileOlder, hold.Detail),
        { Renewal: { } why } => (StateReason.ReplicatedAnew, admission.Error ?? why),
        { Error: { } error } => (StateReason.DestinationUnknown, error),
        _ => (StateReason.Admitting, null),
    };

    private (StateReason Reason, string? Error)? JudgeDestination(in DatabaseLook look)
    {
        if (_run is null)
        {
            // Before Litestream runs, a snapshot may be written that its log does not tell of.
            return null;
        }

        if (look.Finding is { } finding)
        {
            return Judge(finding) ?? JudgeSnapshot(finding, look.LaterStatistics ?? look.Statistics, mayBeAnnouncedLater: true);
        }

        // What was found before the first upload, or before Litestream opened the database anew, says nothing.
        if (look.Check is { } check && check.At != _checkSeenAt && check.At > _replicaKnownAt && check.At > _runSeenAt)
        {
            _checkSeenAt = check.At;
            _checkFault = Judge(check.Finding) ?? JudgeSnapshot(check.Finding, look.Statistics, mayBeAnnouncedLater: false);
        }

        return _checkFault;
    }

    /// <summary>
    /// A restore begins with the newest snapshot, whoever wrote it. Litestream logs each of its own, a moment after it is there.
    /// </summary>
    private (StateReason Reason, string? Error)? JudgeSnapshot(ReplicaFinding finding, DatabaseLogStatistics statistics, bool mayBeAnnouncedLater)
    {
        if (finding.Condition != ReplicaCondition.Whole)
        {
            return null;
        }

        _snapshot ??= finding.Snapshot;

        // Where the newest was deleted, an older one is used.
        if (finding.Snapshot <= _snapshot || statistics.Snapshots.Contains(finding.Snapshot))
        {
            (_snapshot, _unannouncedSnapshot) = (finding.Snapshot, null);
            return null;
        }

        if (mayBeAnnouncedLater && _unannouncedSnapshot != finding.Snapshot)
        {
            _unannouncedSnapshot = finding.Snapshot;
            return null;
        }

        return (StateReason.OtherWriter, string.Create(CultureInfo.InvariantCulture, $"the snapshot up to transaction {finding.Snapshot} was not written from here"));
    }

    /// <summary>What is wrong at the destination; null if nothing is known to be.</summary>
    private (StateReason Reason, string? Error)? Judge(ReplicaFinding finding) => finding.Condition switch
    {
        ReplicaCondition.OtherWriter => (StateReason.OtherWriter, finding.Problem),
        ReplicaCondition.Damaged => (StateReason.BackupDamaged, finding.Problem),

        // Before anything was uploaded, nothing is there.
        ReplicaCondition.Missing when ReplicaTxid is not null => (StateReason.BackupDamaged, finding.Problem),
        _ => null,
    };

    /// <summary>Litestream's error where a local file is gone that it has not uploaded yet, and tries to upload for ever; null if there is none.</summary>
    private string? FindLostFile(in DatabaseLook look) =>
        look.Statistics.LastError is { IsUploadError: true } last && last.Time >= _run && !IsOver(last, look)
            && $"{last}" is var error && ControlSocket.IsLocalStateLost(error) && error.Contains(LitestreamFolder.Of(Plan), StringComparison.Ordinal) ? error : null;

    private bool IsOver(LogEntry error, in DatabaseLook look) => _replicaSyncAt > error.Time || look.Statistics.LastUploadAt > error.Time;

    private bool IsReplicatedFile(FileStatus? file) => file is { } served && _replicatedFile?.IsSameFile(served) != false;

    /// <summary>The reason for the state, from what Litestream says, and its error; the gravest first.</summary>
    private (StateReason Reason, string? Error) Conclude(in DatabaseLook look, bool isSafe, TimeSpan? lag)
    {
        if (look.Renewal is { } renewal)
        {
            return (StateReason.ReplicatedAnew, renewal.Error);
        }

        var hasWaitedTooLong = lag > _maxLag && (_confirmed is not null || ReplicaTxid is not null);
        if (look.Run is null)
        {
            return (!look.IsStarting ? StateReason.LitestreamDown : hasWaitedTooLong ? StateReason.WaitingTooLong : StateReason.Starting, null);
        }

        if (_syncError is not null)
        {
            return (StateReason.SyncFailed, _syncError.ToString());
        }

        if (_syncFailure is { } sync && look.At - sync.Since >= MinBehind)
        {
            return (StateReason.SyncFailed, sync.Error);
        }

        // A successful sync after the error shows that the error is over.
        if (look.Activity is { Error.Length: > 0 } activity && !(_answer?.AskedAt > activity.StartedAt))
        {
            return (StateReason.SyncFailed, activity.Error);
        }

        var logged = HasUniqueFileName && look.Statistics.LastError is { IsSyncError: false } last && !IsOver(last, look) ? last : null;

        // What comes later is often a consequence, so the first error is told until all are over.
        _firstLogged = logged is null ? null : _firstLogged ?? logged;
        if (_firstLogged is not null)
        {
            return (_firstLogged.IsUploadError && look.HasSocket ? StateReason.UploadFailed : StateReason.ErrorLogged, _firstLogged.ToString());
        }

        if (look.At - _uploadFailedAt >= MinBehind)
        {
            return (StateReason.UploadFailed, look.Check?.Error);
        }

        if (_unannouncedSnapshot is not null || look.Finding?.Condition == ReplicaCondition.Unreadable)
        {
            return (StateReason.NotCheckedYet, look.Finding?.Problem);
        }

        if (_isFirstCopy && lag > _maxLag && look.MovedAt is { } moved && look.At - moved < MovingTime)
        {
            return (StateReason.FirstCopy, null);
        }

        if (hasWaitedTooLong)
        {
            return (StateReason.WaitingTooLong, look.Check?.Error);
        }

        if (!look.HasSocket)
        {
            return (StateReason.NotKnownToBeBehind, null);
        }

        // The list can be held up by another database; what it is doing is always told.
        if (look.Listed is null && look.Activity is null)
        {
            return _confirmed is null && look.At - _runSeenAt < OpeningTime ? (StateReason.Starting, null)
                : look.Check is { IsAnswered: false } check ? (StateReason.UploadFailed, check.Error)
                : (StateReason.NoAnswer, null);
        }

        if (look.Listed is { Status: not "replicating" })
        {
            return (StateReason.ReplicationStopped, null);
        }

        if (HasUniqueFileName && look.Statistics.FailedCompactions.Values.FirstOrDefault(failed => failed.Time >= _renewedAt) is { } failed)
        {
            // In a folder, the backup can be begun anew, with the old one beside it.
            return (failed.IsGap && Plan.IsReplicatedToFolder ? StateReason.BackupDamaged : StateReason.CompactionFailed, failed.ToString());
        }

        if (_confirmed is null)
        {
            // Litestream knows of no transaction at the destination, or the folder is empty.
            _isFirstCopy |= look.Finding?.Condition == ReplicaCondition.Missing || (_answer is { Txid: > 0 } && ReplicaTxid is null);
            return _isFirstCopy ? (StateReason.FirstCopy, null)
                : _answer is not null || look.At - _runSeenAt < OpeningTime ? (StateReason.Starting, null)
                : look.Check is { IsAnswered: false } silent ? (StateReason.UploadFailed, silent.Error)
                : (StateReason.NoAnswer, null);
        }

        _isFirstCopy = false;
        return !isSafe ? (StateReason.OnTheWay, null)
            : look.Examination is { Error: { } unexamined } ? (StateReason.NotCheckedYet, unexamined)
            : _wholeAt is null && (look.Finding is not null || look.IsChecked) ? (StateReason.NotCheckedYet, look.Finding?.Problem ?? look.Check?.Error)
            : (StateReason.AllReplicated, null);
    }

    /// <summary>Takes over when the destination was last seen to be whole, and confirms what is proven by now.</summary>
    private void Prove(in DatabaseLook look)
    {
        if (look.Finding is { Condition: ReplicaCondition.Whole })
        {
            _wholeAt = look.At;
        }
        else if (look.Finding is null && look.Check is { IsWhole: true } check && check.At > _withdrawnAt)
        {
            _wholeAt = check.At;
        }

        foreach (var answer in (ReadOnlySpan<SyncAnswer?>)[_newestUnproven, _oldestUnproven])
        {
            if (answer is not null && IsProven(look, answer))
            {
                Confirm(answer);
                _oldestUnproven = answer == _newestUnproven ? null : _newestUnproven;
                _newestUnproven = _oldestUnproven;
                return;
            }
        }
    }

    private static bool IsProven(in DatabaseLook look, SyncAnswer answer) =>
        (look.Examination is not { Error: null } examination || examination.Covers(answer.Files.Database, answer.AskedAt))
        && (look.Finding is not { } finding || finding.UpTo >= answer.Txid);

    /// <summary>
    /// Wants the destination to be judged when a database is replicated for the first time, when it has been bad for a while,
    /// and when that is over.
    /// </summary>
    private void WantCheck(in DatabaseLook look, StateReason reason)
    {
        if (reason.State() is not (DatabaseState.Replicating or DatabaseState.Unverified))
        {
            if (_badSince is null)
            {
                (_badSince, _checkWantedAt) = (look.At, look.At + SilenceTime);
            }
        }
        else if (_badSince is not null || !_hasBeenGood)
        {
            (_badSince, _hasBeenGood, _checkWantedAt) = (null, true, look.At);
        }
    }

    /// <summary>Takes back all that was confirmed: it was about another file or another replica.</summary>
    private void Withdraw(DateTimeOffset now)
    {
        _withdrawnAt = now;
        (_answer, _pending, _confirmed) = (null, null, null);
        (_oldestUnproven, _newestUnproven, _wholeAt) = (null, null, null);
        _retryAt = DateTimeOffset.MinValue;
    }

    private void Apply(SyncAnswer answer)
    {
        if (answer.Error is { } error)
        {
            _syncFailure = new Failure(_syncFailure?.Since ?? answer.AskedAt, error, answer.IsLocalStateLost);
            return;
        }

        _answer = answer;
        _syncFailure = null;
        _retryAt = DateTimeOffset.MinValue;
        _retryDelay.Reset();
        _uploadedBytes += answer.UploadedBytes;
        if (answer.ReplicatedTxid > 0)
        {
            ReplicaTxid = answer.ReplicatedTxid;
            _replicaKnownAt ??= answer.AskedAt;
        }

        // Litestream forgets the position after a failed upload, which is a surer sign than its log: it logs an error at most
        // every 30 s.
        _hasUploaded |= answer.ReplicatedTxid > 0;
        _uploadFailedAt = answer is { Txid: > 0, ReplicatedTxid: 0 } && _hasUploaded ? _uploadFailedAt ?? answer.AskedAt : null;
        if (_pending is { } pending && answer.Confirms(pending))
        {
            Uploaded(pending);
            _pending = null;
        }

        if (answer.IsAllReplicated)
        {
            Uploaded(answer);
            _pending = null;
        }
        else if (answer.Txid > 0)
        {
            // Keep the oldest one: under constant load the newest is never uploaded yet.
            _pending ??= answer;
        }
    }

    private void Uploaded(SyncAnswer answer)
    {
        _oldestUnproven ??= answer;
        _newestUnproven = answer;
    }

    private void Confirm(SyncAnswer answer)
    {
        _confirmed = answer;
        _replicatedUntil = answer.AskedAt > _replicatedUntil ? answer.AskedAt : _replicatedUntil;
        _nextAskAt = answer.AskedAt + _askInterval;
    }

    /// <summary>Whether every change is at the replica; updates the time up to which that is certain.</summary>
    private bool UpdateReplicatedUntil(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        // The clock may have been set back.
        _replicatedUntil = _replicatedUntil > now ? now : _replicatedUntil;
        var unresolved = HasUnresolvedSyncError(statistics) ? _syncError ?? statistics.LastSyncError : null;

        // An error of another database of that file name is a reason to ask again, but none to call this one failing.
        _syncError = HasUniqueFileName ? unresolved : null;
        if (unresolved is { } error)
        {
            // Litestream still reports that the replica has everything it has synced, but it has not synced everything.
            _replicatedUntil = error.Time < _replicatedUntil ? error.Time : _replicatedUntil;
            return false;
        }

        if (files != _confirmed?.Files)
        {
            return false;
        }

        _replicatedUntil = now;
        return true;
    }

    private bool HasUnresolvedSyncError(DatabaseLogStatistics statistics) => statistics.SyncErrors > Math.Max(statistics.ResolvedSyncErrors, _answer?.SyncErrors ?? 0);

    private static StateReason ReasonOf(ClaimStatus forbidden) => forbidden.State switch
    {
        ClaimState.Unproven => forbidden.Detail is null ? StateReason.Starting : StateReason.WriterUnknown,
        ClaimState.Waiting => StateReason.WaitingForWriter,
        _ => StateReason.TakenOver,
    };

    /// <param name="Since">When it was first seen.</param>
    /// <param name="Error">Litestream's words.</param>
    /// <param name="IsLocalStateLost">See <see cref="ControlSocket.IsLocalStateLost"/>.</param>
    private sealed record Failure(DateTimeOffset Since, string Error, bool IsLocalStateLost);
}
