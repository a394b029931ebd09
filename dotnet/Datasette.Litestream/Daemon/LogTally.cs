using System.Collections.Concurrent;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// What Litestream's log has told of each database since Datasette's start, over all restarts of Litestream. Written by the
/// threads that read its output, read by anybody.
/// </summary>
internal sealed class LogTally
{
    private readonly ConcurrentDictionary<string, DatabaseTally> _databases = new(StringComparer.Ordinal);

    public void Note(LogEntry entry)
    {
        if (entry.Database is not { } name)
        {
            return;
        }

        if (entry.Upload is not null || entry.IsError)
        {
            _databases.AddOrUpdate(name, _ => DatabaseTally.Nothing.With(entry), (_, tally) => tally.With(entry));
        }
        else if (entry.IsTakingAgain)
        {
            // Only "initialized db" has the path in 0.5; what came before has the file's name.
            foreach (var known in new[] { name, Path.GetFileName(name) })
            {
                if (_databases.TryGetValue(known, out var tally) && tally.TakingError is not null)
                {
                    _databases.AddOrUpdate(known, tally, (_, latest) => latest with { TakingError = null });
                }
            }
        }
    }

    /// <summary>What it told of one database; Litestream 0.5 names it by its file's name, 0.3 by its path.</summary>
    public DatabaseTally Of(string databasePath) =>
        _databases.GetValueOrDefault(databasePath) ?? _databases.GetValueOrDefault(Path.GetFileName(databasePath)) ?? DatabaseTally.Nothing;
}

/// <param name="UploadedBytes">What went to the replica.</param>
/// <param name="ReplicaTxid">The last transaction that did; 0 for none yet.</param>
/// <param name="Errors">How many errors it logged.</param>
/// <param name="LastError">The last of them; null for none.</param>
/// <param name="LastUploadAt">When something last went to the replica; null for never.</param>
/// <param name="TakingError">Since when Litestream has not taken what was written; null where it does.</param>
internal sealed record DatabaseTally(
    long UploadedBytes,
    ulong ReplicaTxid,
    int Errors,
    LogEntry? LastError,
    DateTimeOffset? LastUploadAt = null,
    LogEntry? TakingError = null)
{
    public static DatabaseTally Nothing { get; } = new(0, 0, 0, null);

    public DatabaseTally With(LogEntry entry)
    {
        if (entry.Upload is { } upload)
        {
            // Litestream 0.3 does not say that it takes changes again; what it uploads it has taken.
            return this with
            {
                UploadedBytes = UploadedBytes + upload.Bytes,
                ReplicaTxid = upload.Txid ?? ReplicaTxid,
                LastUploadAt = entry.Time,
                TakingError = upload.Txid is null ? null : TakingError,
            };
        }

        return entry.IsError
            ? this with { Errors = Errors + 1, LastError = entry, TakingError = TakingError ?? (entry.IsTakingError ? entry : null) }
            : this;
    }
}
