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
        if (entry.Database is { } name && (entry.Upload is not null || entry.IsError))
        {
            _databases.AddOrUpdate(name, _ => DatabaseTally.Nothing.With(entry), (_, tally) => tally.With(entry));
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
internal sealed record DatabaseTally(long UploadedBytes, ulong ReplicaTxid, int Errors, LogEntry? LastError)
{
    public static DatabaseTally Nothing { get; } = new(0, 0, 0, null);

    public DatabaseTally With(LogEntry entry)
    {
        var counted = entry.Upload is { } upload
            ? this with { UploadedBytes = UploadedBytes + upload.Bytes, ReplicaTxid = upload.Txid }
            : this;
        return entry.IsError ? counted with { Errors = counted.Errors + 1, LastError = entry } : counted;
    }
}
