using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Follows one database from one look to the next. What was seen of it counts as safe where Litestream was asked to take it
/// after it was seen, and has brought to the replica what it took then. The sampling task owns the tracker; its history is for
/// everybody.
/// </summary>
internal sealed class DatabaseTracker
{
    /// <summary>Any shorter wait is how Litestream works: it syncs once a second, and a second later again.</summary>
    private static readonly TimeSpan MinBehind = TimeSpan.FromSeconds(5);

    /// <summary>Two writes within a tick of the clock that files are stamped by look like one; kernels tick every 1 to 10 ms.</summary>
    private static readonly TimeSpan FileClockTick = TimeSpan.FromMilliseconds(50);

    /// <summary>How long a question that was not answered is put off: the first time at all, and at most.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(2), MaxRetryDelay = TimeSpan.FromSeconds(16);

    private readonly TimeSpan _maxLag;
    private readonly TimeSpan _askInterval;
    private DatabaseObservation? _last;
    private DatabaseObservation? _lastRecorded;
    private TimeSpan? _maxLagSinceSample;
    private DateTimeOffset _replicatedUntil;
    private DateTimeOffset? _replicaSyncAt;
    private DateTimeOffset _nextAskAt = DateTimeOffset.MinValue;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;
    private TimeSpan _retryDelay = TimeSpan.Zero;
    private SyncAnswer? _answer;
    private SyncAnswer? _pending;
    private SyncAnswer? _confirmed;
    private LogEntry? _syncError;
    private long _uploadedBytes;

    /// <param name="plan">The database.</param>
    /// <param name="start">When replication started.</param>
    public DatabaseTracker(DatabasePlan plan, DateTimeOffset start)
    {
        Plan = plan;
        _replicatedUntil = start;
        _askInterval = plan.MonitorInterval ?? TimeSpan.Zero;
        _maxLag = plan.Replicas.Select(replica => replica.SyncInterval * 3 ?? MinBehind).Append(MinBehind).Max() + _askInterval;
    }

    public DatabasePlan Plan { get; }

    public History History { get; } = new();

    /// <summary>The last transaction that was known to be at the replica; null for unknown.</summary>
    public ulong? ReplicaTxid { get; private set; }

    /// <summary>
    /// Whether Litestream has to be asked: something may have happened that no answer covers, or what it took was not at the
    /// replica yet. What an owner wants to be looked at once an hour is not asked for every 2 s all the same, since asking
    /// makes Litestream take it.
    /// </summary>
    public bool NeedsSync(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        if (now < _retryAt && _retryAt - now <= MaxRetryDelay)
        {
            return false;
        }

        if (_answer is not { } answer || HasOpenSyncError(statistics) || (answer.Txid == 0 && files.DatabaseBytes is not null))
        {
            return true;
        }

        var isDue = now >= _nextAskAt || _nextAskAt - now > _askInterval;
        return isDue && (_pending is not null || files != answer.Files || (answer.AskedAt - files.ChangedAt).Duration() < FileClockTick);
    }

    /// <summary>
    /// Takes note of a question that Litestream did not answer: the next one is put off, longer each time, since each makes
    /// Litestream ask the destination, which may have refused the key.
    /// </summary>
    public void PutOffSync(DateTimeOffset now)
    {
        _retryDelay = _retryDelay == TimeSpan.Zero ? MinRetryDelay : _retryDelay * 2 < MaxRetryDelay ? _retryDelay * 2 : MaxRetryDelay;
        _retryAt = now + _retryDelay;
    }

    /// <summary>Whether all was at the replica when it was last looked at, and nothing tells of a change since.</summary>
    public bool IsUpToDate(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics) =>
        _last is { State: DatabaseState.Replicating, Lag.Ticks: 0 } last
        && files == _confirmed?.Files
        && statistics.Errors == last.SyncErrors
        && !NeedsSync(now, files, statistics);

    /// <summary>Takes in what was seen.</summary>
    /// <param name="now">When.</param>
    /// <param name="isRunning">Whether Litestream runs.</param>
    /// <param name="hasSocket">Whether it can be asked.</param>
    /// <param name="listed">What it answered of this database; null for nothing.</param>
    /// <param name="activity">What it is doing with this database; null where it does not say.</param>
    /// <param name="answer">What it answered to a sync since the last look; null for nothing.</param>
    /// <param name="files">The database's files.</param>
    /// <param name="statistics">What its log has told.</param>
    public DatabaseObservation Observe(
        DateTimeOffset now,
        bool isRunning,
        bool hasSocket,
        ListedDatabase? listed,
        SyncActivity? activity,
        SyncAnswer? answer,
        DatabaseFiles files,
        DatabaseLogStatistics statistics)
    {
        _replicaSyncAt = listed?.LastSyncAt ?? _replicaSyncAt;
        if (answer is not null)
        {
            Take(answer);
        }

        var isSafe = UpdateReplicatedUntil(now, files, statistics);
        var lag = !hasSocket ? (TimeSpan?)null : isSafe ? TimeSpan.Zero : now - _replicatedUntil;
        _maxLagSinceSample = lag > (_maxLagSinceSample ?? TimeSpan.MinValue) ? lag : _maxLagSinceSample;
        var logged = statistics.LastError is { IsSyncError: false } last && !(_replicaSyncAt > last.Time || statistics.LastUploadAt > last.Time) ? last : null;

        // What Litestream has taken since then shows that it is over.
        var reported = activity is { Error.Length: > 0 } && !(_answer?.AskedAt > activity.StartedAt) ? activity.Error : null;
        var reason = !isRunning ? StateReason.LitestreamDown
            : _syncError is not null ? StateReason.SyncFailed
            : logged is not null ? StateReason.ErrorLogged
            : reported is not null ? StateReason.ErrorReported
            : !hasSocket ? StateReason.NoErrorLogged
            : lag > _maxLag && _confirmed is not null ? StateReason.WaitingTooLong
            : listed is null ? StateReason.NoAnswer
            : listed.Status != "replicating" ? StateReason.ReplicationStopped
            : _confirmed is null ? StateReason.NothingReplicatedYet
            : isSafe ? StateReason.AllReplicated
            : StateReason.OnTheWay;
        var state = StateOf(reason);
        var since = _last?.State == state ? _last.Since : now;
        return _last = new DatabaseObservation(
            Plan,
            state,
            since,
            (_syncError ?? logged)?.ToString() ?? reported,
            reason,
            new Evidence(
                files.DatabaseBytes is null ? null : files.ChangedAt,
                _answer?.AskedAt,
                _answer is { Txid: > 0 } known ? known.Txid : null,
                ReplicaTxid,
                _confirmed is null ? null : _replicatedUntil,
                lag,
                activity),
            LastSyncAt(isSafe),
            files.DatabaseBytes,
            files.WalBytes,
            _uploadedBytes + statistics.UploadedBytes,
            statistics.Errors);
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

    private void Take(SyncAnswer answer)
    {
        _answer = answer;
        (_retryAt, _retryDelay) = (DateTimeOffset.MinValue, TimeSpan.Zero);
        _uploadedBytes += answer.UploadedBytes;
        ReplicaTxid = answer.ReplicatedTxid > 0 ? answer.ReplicatedTxid : ReplicaTxid;
        if (_pending is { } awaited && answer.Confirms(awaited))
        {
            Confirm(awaited);
            _pending = null;
        }

        if (answer.IsAllReplicated)
        {
            Confirm(answer);
            _pending = null;
        }
        else if (answer.Txid > 0)
        {
            // The oldest one: under a constant load the newest is never there yet.
            _pending ??= answer;
        }
    }

    private void Confirm(SyncAnswer answer)
    {
        _confirmed = answer;
        _replicatedUntil = answer.AskedAt > _replicatedUntil ? answer.AskedAt : _replicatedUntil;
        _nextAskAt = answer.AskedAt + _askInterval;
    }

    /// <summary>Whether all is at the replica; moves the time until which it surely was.</summary>
    private bool UpdateReplicatedUntil(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        // After a clock was set back.
        _replicatedUntil = _replicatedUntil > now ? now : _replicatedUntil;
        _syncError = HasOpenSyncError(statistics) ? _syncError ?? statistics.LastSyncError : null;
        if (_syncError is { } error)
        {
            // Litestream goes on to report that its replica has all that it has taken, which is not all.
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

    private bool HasOpenSyncError(DatabaseLogStatistics statistics) => statistics.SyncErrors > Math.Max(statistics.ResolvedSyncErrors, _answer?.SyncErrors ?? 0);

    /// <summary>When the replica was last known to have all: where it has, Litestream goes on to tell that its sync succeeds.</summary>
    private DateTimeOffset? LastSyncAt(bool isSafe) =>
        _confirmed is not { } confirmed ? null
        : !isSafe ? _replicatedUntil
        : _replicaSyncAt > confirmed.AskedAt ? _replicaSyncAt
        : confirmed.AskedAt;

    private static DatabaseState StateOf(StateReason reason) => reason switch
    {
        StateReason.AllReplicated or StateReason.OnTheWay or StateReason.NoErrorLogged => DatabaseState.Replicating,
        StateReason.NothingReplicatedYet => DatabaseState.Starting,
        StateReason.WaitingTooLong => DatabaseState.Behind,
        StateReason.SyncFailed or StateReason.ErrorLogged or StateReason.ErrorReported => DatabaseState.Failing,
        StateReason.LitestreamDown or StateReason.ReplicationStopped => DatabaseState.Stopped,
        _ => DatabaseState.Unknown,
    };
}
