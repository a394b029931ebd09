namespace Datasette.Litestream.SqliteFiles;

/// <summary>What a child process read of a database's files.</summary>
/// <param name="Path">The database file.</param>
/// <param name="File">The file as the system sees it; null if it cannot be read.</param>
/// <param name="Header">The database's header; null if the file is not an SQLite database, or cannot be read.</param>
/// <param name="Index">The index of its write-ahead log; null if there is none.</param>
/// <param name="Error">Why it cannot be read, such as <c>Permission denied</c>; null if it was.</param>
internal sealed record HeaderLook(string Path, LookedAtFile? File, DatabaseHeader? Header, WalIndex? Index, string? Error);

/// <summary>The file that a header was read from.</summary>
/// <param name="Inode">Its number in its file system.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Modified">When its content was last changed, in nanoseconds since 1970.</param>
internal sealed record LookedAtFile(ulong Inode, long Size, long Modified);

/// <summary>The header of a database file: https://sqlite.org/fileformat.html, 1.3.</summary>
/// <param name="PageSize">In bytes.</param>
/// <param name="IsWal">Whether the file is to be used with a write-ahead log.</param>
/// <param name="ChangeCounter">Raised by each transaction that changes the first page.</param>
/// <param name="PageCount">The size of the database in pages.</param>
/// <param name="SchemaCookie">Raised by each change of the schema.</param>
internal sealed record DatabaseHeader(int PageSize, bool IsWal, uint ChangeCounter, uint PageCount, uint SchemaCookie);

/// <summary>The index of a write-ahead log, in the <c>-shm</c> file: https://sqlite.org/walformat.html, 2.1 and 2.2.</summary>
/// <param name="Frames">The pages in the log that are valid.</param>
/// <param name="PageCount">The size of the database in pages, with those in the log.</param>
/// <param name="Salt">Another one each time that the log begins again.</param>
/// <param name="Backfilled">How many of the frames are in the database file.</param>
/// <param name="Attempted">How many a checkpoint has begun to write there.</param>
/// <param name="IsCheckpointing">Whether a process holds the lock of a checkpoint.</param>
internal sealed record WalIndex(uint Frames, uint PageCount, string Salt, uint Backfilled, uint Attempted, bool IsCheckpointing)
{
    /// <summary>Whether anything was ever written to the log: only then it has a salt.</summary>
    public bool HasBegun => Salt.AsSpan().ContainsAnyExcept('0');

    /// <summary>
    /// Whether SQLite can have made it from the log, without the marks of checkpoints, since the last checkpoint: it does so when the
    /// first one opens a database whose log was left behind. Litestream leaves the log when it closes a database last.
    /// </summary>
    public bool IsAsRecovered => Backfilled == 0;
}
