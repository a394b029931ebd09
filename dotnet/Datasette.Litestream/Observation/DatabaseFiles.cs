namespace Datasette.Litestream.Observation;

/// <summary>What can be read from a database's files without opening them.</summary>
/// <param name="DatabaseBytes">The size of the database file; null if there is none.</param>
/// <param name="WalBytes">The size of the write-ahead log; null if there is none.</param>
/// <param name="ChangedAt">When either was last written to.</param>
internal readonly record struct DatabaseFiles(long? DatabaseBytes, long? WalBytes, DateTimeOffset ChangedAt)
{
    public static DatabaseFiles Read(string path)
    {
        var database = new FileInfo(path);
        var wal = new FileInfo(path + "-wal");
        var databaseBytes = database.Exists ? database.Length : (long?)null;
        var walBytes = wal.Exists ? wal.Length : (long?)null;
        var changedAt = walBytes > 0 && wal.LastWriteTimeUtc > database.LastWriteTimeUtc ? wal.LastWriteTimeUtc : database.LastWriteTimeUtc;
        return new DatabaseFiles(databaseBytes, walBytes, changedAt);
    }
}
