using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Observation;

/// <summary>What can be seen of a database's files without opening them.</summary>
/// <param name="Database">The database file; null if there is none, or it cannot be looked at.</param>
/// <param name="Wal">The write-ahead log beside it; null if there is none, or it cannot be looked at.</param>
/// <param name="Error">Why either cannot be looked at, in the system's words; null if both can.</param>
internal readonly record struct DatabaseFiles(FileStatus? Database, FileStatus? Wal, string? Error)
{
    /// <summary>The size of the database file; null if there is none.</summary>
    public long? DatabaseBytes => Database?.Size;

    /// <summary>The size of the write-ahead log; null if there is none.</summary>
    public long? WalBytes => Wal?.Size;

    /// <summary>When either was last written to; long ago if there is neither.</summary>
    public DateTimeOffset ChangedAt
    {
        get
        {
            var database = Database?.ModifiedAt ?? DateTimeOffset.MinValue;
            return Wal is { Size: > 0 } wal && wal.ModifiedAt > database ? wal.ModifiedAt : database;
        }
    }

    /// <summary>Looks at a database's files. No error is an exception.</summary>
    /// <param name="servedPath">Where Datasette serves it; a link is followed.</param>
    /// <param name="path">The file that is replicated, beside which SQLite keeps the write-ahead log.</param>
    public static DatabaseFiles Read(string servedPath, string path)
    {
        var database = FileStatus.Look(servedPath);
        var wal = FileStatus.Look(path, suffix: "-wal");
        return new DatabaseFiles(database.Status, wal.Status, database.Error ?? wal.Error);
    }
}
