using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Status;

/// <summary>Follows one database from one look to the next. The sampling task owns it; its history is for everybody.</summary>
internal sealed class DatabaseTracker
{
    /// <summary>Any shorter wait is how Litestream works: it syncs once a second, and a second later again.</summary>
    private static readonly TimeSpan LeastBehind = TimeSpan.FromSeconds(5);

    /// <summary>Litestream takes a change a tick after it was written; for this time the transaction id may still move.</summary>
    private static readonly TimeSpan TakingTime = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _mostLag;
    private DatabaseObservation? _last;
    private DatabaseTally _tallyOfLastSample = DatabaseTally.Nothing;
    private TimeSpan? _mostLagSinceSample;
    private DateTimeOffset _allSafeAt;
    private DateTimeOffset _txidOf;
    private DateTimeOffset _changedAt = DateTimeOffset.MinValue;
    private DateTimeOffset _writtenAt = DateTimeOffset.MinValue;
    private (ulong Txid, DateTimeOffset SeenAt)? _awaited;

    /// <param name="plan">The database.</param>
    /// <param name="start">When replication started.</param>
    public DatabaseTracker(DatabasePlan plan, DateTimeOffset start)
    {
        Plan = plan;
        _allSafeAt = start;
        var syncIntervals = plan.Replicas.Select(replica => GoDuration.Parse(replica.Settings["sync-interval"]?.GetValue<string>() ?? "0"));
        _mostLag = syncIntervals.OfType<TimeSpan>().Select(interval => interval * 3).Append(LeastBehind).Max();
    }

    public DatabasePlan Plan { get; }

    public History History { get; } = new();

    /// <summary>Whether the transaction id that was last read may be out of date.</summary>
    public bool NeedsTxid(DatabaseFiles files) => _last?.Txid is null || _txidOf - files.ChangedAt < TakingTime;

    /// <summary>Whether all was at the replica when it was last looked at, and nothing tells of a change since.</summary>
    public bool IsSettled(DatabaseFiles files, DatabaseTally tally) =>
        _last is { State: DatabaseState.Replicating, Lag.Ticks: 0 } last
        && files.ChangedAt == _writtenAt
        && tally.Errors == last.SyncErrors
        && !NeedsTxid(files);

    /// <summary>Takes in what was seen.</summary>
    /// <param name="now">When.</param>
    /// <param name="isRunning">Whether Litestream runs.</param>
    /// <param name="hasSocket">Whether it can be asked.</param>
    /// <param name="listed">What it answered of this database; null for nothing.</param>
    /// <param name="txid">The transaction id, where it was read now.</param>
    /// <param name="files">The database's files.</param>
    /// <param name="tally">What its log has told.</param>
    public DatabaseObservation Observe(
        DateTimeOffset now, bool isRunning, bool hasSocket, ListedDatabase? listed, ulong? txid, DatabaseFiles files, DatabaseTally tally)
    {
        var lastSyncAt = listed?.LastSyncAt ?? _last?.LastSyncAt;
        if (txid is not null)
        {
            _txidOf = now;
        }

        var current = txid ?? _last?.Txid;
        NoteChange(now, files);
        var isSafe = Settle(now, current, lastSyncAt, tally);

        // Only a Litestream with a control socket says when it synced.
        var lag = lastSyncAt is null && !hasSocket ? (TimeSpan?)null : isSafe ? TimeSpan.Zero : now - _allSafeAt;
        _mostLagSinceSample = lag > (_mostLagSinceSample ?? TimeSpan.MinValue) ? lag : _mostLagSinceSample;
        var error = tally.TakingError ?? (tally.LastError is { IsTakingError: false } logged && !(lastSyncAt > logged.Time || tally.LastUploadAt > logged.Time) ? logged : null);
        var replicaTxid = isSafe ? current : tally.ReplicaTxid > 0 ? tally.ReplicaTxid : _last?.ReplicaTxid;
        var state = StateOf(isRunning, hasSocket, listed, error, lastSyncAt, lag);
        var since = _last?.State == state ? _last.Since : now;
        return _last = new DatabaseObservation(
            Plan,
            state,
            since,
            error?.ToString(),
            current,
            replicaTxid,
            lag,
            lastSyncAt,
            files.DatabaseBytes,
            files.WalBytes,
            tally.UploadedBytes,
            tally.Errors);
    }

    /// <summary>Adds the last observation to the history.</summary>
    public void Record(DateTimeOffset now, DatabaseTally tally)
    {
        if (_last is not { } last)
        {
            return;
        }

        var before = _tallyOfLastSample;
        _tallyOfLastSample = tally;
        History.Add(now, new Sample(
            last.Txid ?? 0,
            last is { Txid: { } here, ReplicaTxid: { } there } ? (uint)Math.Min(here > there ? here - there : 0, uint.MaxValue - 1) : uint.MaxValue,
            (float?)_mostLagSinceSample?.TotalSeconds ?? float.NaN,
            last.WalBytes ?? float.NaN,
            last.DatabaseBytes ?? float.NaN,
            tally.UploadedBytes - before.UploadedBytes,
            (Half)(tally.Errors - before.Errors)));
        _mostLagSinceSample = null;
    }

    /// <summary>When the database last changed: a file that is gone has not, and one of the future did when that was first seen.</summary>
    private void NoteChange(DateTimeOffset now, DatabaseFiles files)
    {
        if (files.DatabaseBytes is not null && files.ChangedAt != _writtenAt)
        {
            _writtenAt = files.ChangedAt;
            _changedAt = _writtenAt < now ? _writtenAt : now;
        }
    }

    /// <summary>Whether all is at the replica; moves the time until which it surely was.</summary>
    private bool Settle(DateTimeOffset now, ulong? txid, DateTimeOffset? lastSyncAt, DatabaseTally tally)
    {
        // After a clock was set back.
        _allSafeAt = _allSafeAt > now ? now : _allSafeAt;
        if (tally.TakingError is { } fault)
        {
            // Litestream goes on to report that its replica has all that it has taken, which is not all.
            _allSafeAt = fault.Time < _allSafeAt ? fault.Time : _allSafeAt;
            return false;
        }

        // Litestream reports success also of a sync that was cut off by max-sync-ltx-files.
        if (_awaited is { } awaited && tally.ReplicaTxid >= awaited.Txid)
        {
            _allSafeAt = awaited.SeenAt > _allSafeAt ? awaited.SeenAt : _allSafeAt;
            _awaited = null;
        }

        if (tally.ReplicaTxid > 0 && txid > tally.ReplicaTxid)
        {
            _awaited ??= (txid.Value, now);
            return false;
        }

        _awaited = null;
        if (lastSyncAt >= _changedAt)
        {
            _allSafeAt = now;
            return true;
        }

        _allSafeAt = lastSyncAt > _allSafeAt && lastSyncAt <= now ? lastSyncAt.Value : _allSafeAt;
        return false;
    }

    private DatabaseState StateOf(
        bool isRunning, bool hasSocket, ListedDatabase? listed, LogEntry? error, DateTimeOffset? lastSyncAt, TimeSpan? lag) =>
        !isRunning ? DatabaseState.Stopped
        : error is not null ? DatabaseState.Failing
        : !hasSocket ? DatabaseState.Replicating
        : lag > _mostLag && lastSyncAt is not null ? DatabaseState.Behind
        : listed is null ? DatabaseState.Unknown
        : listed.Status != "replicating" ? DatabaseState.Stopped
        : lastSyncAt is null ? DatabaseState.Starting
        : DatabaseState.Replicating;
}
