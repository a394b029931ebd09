using System.Collections.Immutable;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Figures from Litestream's log for each database since Datasette started, across restarts of Litestream: errors, and the
/// uploads of 0.3, which has no control socket.
/// </summary>
internal sealed class LogStatistics
{
    private readonly ImmutableDictionary<string, DatabaseLogStatistics> _databases;

    private LogStatistics(ImmutableDictionary<string, DatabaseLogStatistics> databases) => _databases = databases;

    public static LogStatistics Empty { get; } = new(ImmutableDictionary.Create<string, DatabaseLogStatistics>(StringComparer.Ordinal));

    /// <summary>A copy that includes one more line.</summary>
    public LogStatistics With(LogEntry entry)
    {
        if (entry.Database is not { } name)
        {
            return this;
        }

        var known = _databases.GetValueOrDefault(name);
        if (entry.UploadedBytes is not null || entry.IsError || (entry.IsCompacted && (entry.SnapshotTxid is not null || known is { FailedCompactions.IsEmpty: false })))
        {
            return new LogStatistics(_databases.SetItem(name, (known ?? DatabaseLogStatistics.Nothing).With(entry)));
        }

        // 0.5 names a database by its path only in this line, so this line does not resolve errors of 0.5.
        return entry.IsInitialized && known is not null
            ? new LogStatistics(_databases.SetItem(name, known.WithSyncErrorsResolved()))
            : this;
    }

    /// <summary>A copy without some databases.</summary>
    /// <param name="names">What the log calls them.</param>
    public LogStatistics Without(IEnumerable<string> names) => new(_databases.RemoveRange(names));

    /// <summary>The figures of one database, which Litestream 0.5 names by its file's name, and 0.3 by its path.</summary>
    public DatabaseLogStatistics Of(string databasePath) =>
        _databases.GetValueOrDefault(databasePath) ?? _databases.GetValueOrDefault(Path.GetFileName(databasePath)) ?? DatabaseLogStatistics.Nothing;
}

/// <param name="UploadedBytes">The bytes that 0.3 uploaded to the replica.</param>
/// <param name="Errors">The number of errors logged.</param>
/// <param name="LastError">The last error; null if there is none.</param>
/// <param name="LastUploadAt">When 0.3 last uploaded something to the replica; null if it never did.</param>
internal sealed record DatabaseLogStatistics(long UploadedBytes, int Errors, LogEntry? LastError, DateTimeOffset? LastUploadAt = null)
{
    /// <summary>Enough for databases that share a file name, of which Litestream tells nothing else.</summary>
    private const int MaxSnapshots = 20;

    public static DatabaseLogStatistics Nothing { get; } = new(0, 0, null);

    /// <summary>The last sync error; null if there is none.</summary>
    public LogEntry? LastSyncError { get; init; }

    /// <summary>The number of sync errors.</summary>
    public int SyncErrors { get; init; }

    /// <summary>The number of sync errors that are over according to the log of 0.3; for 0.5, the control socket tells.</summary>
    public int ResolvedSyncErrors { get; init; }

    /// <summary>
    /// The last failed compaction of each level that has not succeeded since. A level that is not compacted any more lets its
    /// files pile up, and the level above it has none of the changes.
    /// </summary>
    public ImmutableSortedDictionary<int, LogEntry> FailedCompactions { get; init; } = ImmutableSortedDictionary<int, LogEntry>.Empty;

    /// <summary>The last transactions of the last snapshots that Litestream wrote to the replica, oldest first.</summary>
    public ImmutableQueue<ulong> Snapshots { get; init; } = ImmutableQueue<ulong>.Empty;

    public DatabaseLogStatistics With(LogEntry entry)
    {
        if (entry.IsCompacted)
        {
            var snapshots = entry.SnapshotTxid is { } txid ? Snapshots.Enqueue(txid) : Snapshots;
            return this with
            {
                FailedCompactions = FailedCompactions.Remove(entry.CompactionLevel),
                Snapshots = snapshots.Count() > MaxSnapshots ? snapshots.Dequeue() : snapshots,
            };
        }

        if (entry.IsCompactionError)
        {
            return this with { Errors = Errors + 1, FailedCompactions = FailedCompactions.SetItem(entry.CompactionLevel, entry) };
        }

        if (entry.UploadedBytes is { } bytes)
        {
            // Litestream 0.3 does not log that a sync error is over, but an upload shows that it has synced.
            return WithSyncErrorsResolved() with { UploadedBytes = UploadedBytes + bytes, LastUploadAt = entry.Time };
        }

        var noted = this with { Errors = Errors + 1, LastError = entry };
        return entry.IsSyncError ? noted with { SyncErrors = SyncErrors + 1, LastSyncError = entry } : noted;
    }

    /// <summary>A copy after Litestream has synced the database again.</summary>
    public DatabaseLogStatistics WithSyncErrorsResolved() => this with { ResolvedSyncErrors = SyncErrors };
}
