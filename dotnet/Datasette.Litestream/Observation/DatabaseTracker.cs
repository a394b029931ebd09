using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Tracks one database from sample to sample. A change counts as safe if Litestream was asked to sync after the change was
/// seen, and has uploaded what it synced then. The sampling task owns the tracker; any thread may read its history.
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

    /// <summary>The minimum and the maximum delay before a request that got no answer is repeated.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(2), MaxRetryDelay = TimeSpan.FromSeconds(16);

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

    /// <summary>The last transaction known to be at the replica; null if unknown.</summary>
    public ulong? ReplicaTxid { get; private set; }

    /// <summary>
    /// Whether Litestream must be asked to sync: the database may have changed since the last answer, or the last sync was not
    /// fully uploaded. A database with a longer monitor interval is asked for no more often than that, since the request itself
    /// makes Litestream sync.
    /// </summary>
    public bool NeedsSync(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        if (now < _retryAt && _retryAt - now <= MaxRetryDelay)
        {
            return false;
        }

        if (_answer is not { } answer || HasUnresolvedSyncError(statistics) || (answer.Txid == 0 && files.DatabaseBytes is not null))
        {
            return true;
        }

        var isDue = now >= _nextAskAt || _nextAskAt - now > _askInterval;
        return isDue && (_pending is not null || files != answer.Files || (answer.AskedAt - files.ChangedAt).Duration() < FileClockTick);
    }

    /// <summary>
    /// Delays the next request after one that Litestream did not answer, longer each time, since each request makes Litestream
    /// contact the destination, which may have refused the key.
    /// </summary>
    public void BackOff(DateTimeOffset now) => _retryAt = now + _retryDelay.Next();

    /// <summary>Whether every change was at the replica at the last sample, and nothing indicates a change since.</summary>
    public bool IsUpToDate(DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics) =>
        _last is { State: DatabaseState.Replicating, Lag.Ticks: 0 } last
        && files == _confirmed?.Files
        && statistics.Errors == last.SyncErrors
        && !NeedsSync(now, files, statistics);

    /// <summary>Derives the state from what was sampled.</summary>
    /// <param name="now">The time of the sample.</param>
    /// <param name="isRunning">Whether Litestream is running.</param>
    /// <param name="hasSocket">Whether it has a control socket.</param>
    /// <param name="listed">Its list entry for this database; null if there is none.</param>
    /// <param name="activity">What it is doing with this database; null if it does not report that.</param>
    /// <param name="answer">Its answer to a sync request since the last sample; null if there is none.</param>
    /// <param name="files">The database's files.</param>
    /// <param name="statistics">The figures from its log.</param>
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
            Apply(answer);
        }

        var isSafe = UpdateReplicatedUntil(now, files, statistics);
        var lag = !hasSocket ? (TimeSpan?)null : isSafe ? TimeSpan.Zero : now - _replicatedUntil;
        _maxLagSinceSample = lag > (_maxLagSinceSample ?? TimeSpan.MinValue) ? lag : _maxLagSinceSample;
        var logged = statistics.LastError is { IsSyncError: false } last && !(_replicaSyncAt > last.Time || statistics.LastUploadAt > last.Time) ? last : null;

        // A successful sync after the error shows that the error is over.
        var reported = activity is { Error.Length: > 0 } && !(_answer?.AskedAt > activity.StartedAt) ? activity.Error : null;
        var reason = !isRunning ? StateReason.LitestreamDown
            : _syncError is not null ? StateReason.SyncFailed
            : logged is not null ? StateReason.ErrorLogged
            : reported is not null ? StateReason.SyncFailed
            : !hasSocket ? StateReason.NotKnownToBeBehind
            : lag > _maxLag && _confirmed is not null ? StateReason.WaitingTooLong
            : listed is null ? StateReason.NoAnswer
            : listed.Status != "replicating" ? StateReason.ReplicationStopped
            : _confirmed is null ? StateReason.FirstCopy
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

    private void Apply(SyncAnswer answer)
    {
        _answer = answer;
        _retryAt = DateTimeOffset.MinValue;
        _retryDelay.Reset();
        _uploadedBytes += answer.UploadedBytes;
        ReplicaTxid = answer.ReplicatedTxid > 0 ? answer.ReplicatedTxid : ReplicaTxid;
        if (_pending is { } pending && answer.Confirms(pending))
        {
            Confirm(pending);
            _pending = null;
        }

        if (answer.IsAllReplicated)
        {
            Confirm(answer);
            _pending = null;
        }
        else if (answer.Txid > 0)
        {
            // Keep the oldest one: under constant load the newest is never uploaded yet.
            _pending ??= answer;
        }
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
        _syncError = HasUnresolvedSyncError(statistics) ? _syncError ?? statistics.LastSyncError : null;
        if (_syncError is { } error)
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

    /// <summary>
    /// When the replica was last known to have every change. While it has, Litestream keeps reporting successful syncs.
    /// </summary>
    private DateTimeOffset? LastSyncAt(bool isSafe) =>
        _confirmed is not { } confirmed ? null
        : !isSafe ? _replicatedUntil
        : _replicaSyncAt > confirmed.AskedAt ? _replicaSyncAt
        : confirmed.AskedAt;

    private static DatabaseState StateOf(StateReason reason) => reason switch
    {
        StateReason.AllReplicated or StateReason.OnTheWay => DatabaseState.Replicating,
        StateReason.NotKnownToBeBehind or StateReason.NotCheckedYet => DatabaseState.Unverified,
        StateReason.FirstCopy => DatabaseState.Starting,
        StateReason.WaitingTooLong => DatabaseState.Behind,
        StateReason.LitestreamDown or StateReason.ReplicationStopped => DatabaseState.Stopped,
        StateReason.NoAnswer => DatabaseState.Unknown,
        _ => DatabaseState.Failing,
    };
}
