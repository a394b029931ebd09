using System.Collections.Immutable;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// What Litestream's log has told of each database since Datasette's start, over all restarts of Litestream: errors and, of
/// 0.3 alone, which can't be asked, uploads.
/// </summary>
internal sealed class LogStatistics
{
    private readonly ImmutableDictionary<string, DatabaseLogStatistics> _databases;

    private LogStatistics(ImmutableDictionary<string, DatabaseLogStatistics> databases) => _databases = databases;

    public static LogStatistics Empty { get; } = new(ImmutableDictionary.Create<string, DatabaseLogStatistics>(StringComparer.Ordinal));

    /// <summary>The same after one line more.</summary>
    public LogStatistics With(LogEntry entry)
    {
        if (entry.Database is not { } name)
        {
            return this;
        }

        var known = _databases.GetValueOrDefault(name);
        if (entry.UploadedBytes is not null || entry.IsError)
        {
            return new LogStatistics(_databases.SetItem(name, (known ?? DatabaseLogStatistics.Nothing).With(entry)));
        }

        // 0.5 names a database by its path here alone: what it told before is not found, and not ended by it.
        return entry.IsInitialized && known is not null
            ? new LogStatistics(_databases.SetItem(name, known.WithSyncErrorsResolved()))
            : this;
    }

    /// <summary>What it told of one database; Litestream 0.5 names it by its file's name, 0.3 by its path.</summary>
    public DatabaseLogStatistics Of(string databasePath) =>
        _databases.GetValueOrDefault(databasePath) ?? _databases.GetValueOrDefault(Path.GetFileName(databasePath)) ?? DatabaseLogStatistics.Nothing;
}

/// <param name="UploadedBytes">What 0.3 brought to the replica.</param>
/// <param name="Errors">How many errors it logged.</param>
/// <param name="LastError">The last of them; null for none.</param>
/// <param name="LastUploadAt">When 0.3 last brought something to the replica; null for never.</param>
internal sealed record DatabaseLogStatistics(long UploadedBytes, int Errors, LogEntry? LastError, DateTimeOffset? LastUploadAt = null)
{
    public static DatabaseLogStatistics Nothing { get; } = new(0, 0, null);

    /// <summary>The last error for which what was written has not been taken; null for none.</summary>
    public LogEntry? LastSyncError { get; init; }

    /// <summary>How many of those there were.</summary>
    public int SyncErrors { get; init; }

    /// <summary>How many of those are over, as 0.3 has told; 0.5 is asked.</summary>
    public int ResolvedSyncErrors { get; init; }

    public DatabaseLogStatistics With(LogEntry entry)
    {
        if (entry.UploadedBytes is { } bytes)
        {
            // Litestream 0.3 does not say that it takes changes again; what it uploads it has taken.
            return WithSyncErrorsResolved() with { UploadedBytes = UploadedBytes + bytes, LastUploadAt = entry.Time };
        }

        var noted = this with { Errors = Errors + 1, LastError = entry };
        return entry.IsSyncError ? noted with { SyncErrors = SyncErrors + 1, LastSyncError = entry } : noted;
    }

    /// <summary>The same, after Litestream has taken what was written.</summary>
    public DatabaseLogStatistics WithSyncErrorsResolved() => this with { ResolvedSyncErrors = SyncErrors };
}
