namespace Datasette.Litestream.SqliteFiles;

/// <summary>
/// Judges whether a database file was written to from outside of SQLite, as <c>cp other.db parks.db</c> does: the inode stays, and
/// Litestream, which reads the write-ahead log, notices nothing. With a write-ahead log, SQLite writes to the database file
/// only in a checkpoint, and a checkpoint leaves its marks in the log's index before and after it writes.
/// </summary>
internal static class FileOverwriting
{
    /// <summary>Why the file must have been overwritten between two looks; null if nothing indicates that.</summary>
    /// <param name="before">The earlier look.</param>
    /// <param name="after">The later look.</param>
    /// <param name="isOneRun">Whether Litestream, which keeps the database open, was not restarted between them.</param>
    /// <param name="comparesRuns">Whether the marks of checkpoints are compared if it was.</param>
    /// <remarks>
    /// A file that is overwritten between two looks that have a checkpoint between them, by a database of the same size and
    /// page size whose counters are not lower, is not found.
    /// </remarks>
    public static string? Judge(HeaderLook before, HeaderLook after, bool isOneRun = true, bool comparesRuns = true)
    {
        if (before.File is not { } then || after.File is not { } now || then.Inode != now.Inode || IsStillEmpty(then, now))
        {
            return null;
        }

        if (after.Header is not { } header)
        {
            return "it is not an SQLite database any more";
        }

        if (!header.IsWal)
        {
            // Until Litestream has switched it to one, SQLite writes to the file itself.
            return before.Header is { IsWal: true } ? "it is not a database with a write-ahead log any more" : null;
        }

        if (before.Header is { } earlier)
        {
            if (header.PageSize != earlier.PageSize)
            {
                return "its page size is another";
            }

            // Both are counters of 32 bits that begin again at zero.
            if ((int)(header.ChangeCounter - earlier.ChangeCounter) < 0 || (int)(header.SchemaCookie - earlier.SchemaCookie) < 0)
            {
                return "it is an older one than before";
            }
        }

        if (after.Index is not { IsCheckpointing: false } index)
        {
            return null;
        }

        if (then != now && before.Index is { IsCheckpointing: false } last && HasNoCheckpointSince(last, index) && (isOneRun || (comparesRuns && !index.IsAsRecovered)))
        {
            return "it was written to without a checkpoint";
        }

        // After a whole checkpoint both sizes are those of the last transaction.
        return index.Frames > 0 && index.Backfilled == index.Frames && (header.PageCount != index.PageCount || now.Size < (long)index.PageCount * header.PageSize)
            ? "its size is not what its write-ahead log says"
            : null;
    }

    // A new database is empty until its first table is created.
    private static bool IsStillEmpty(LookedAtFile then, LookedAtFile now) => then.Size == 0 && now.Size == 0;

    // Where no log has begun yet, one may have come and gone: who closes the database last takes it in, and removes it with its index.
    private static bool HasNoCheckpointSince(WalIndex before, WalIndex after) =>
        after.HasBegun && (before.Salt, before.Backfilled, before.Attempted) == (after.Salt, after.Backfilled, after.Attempted);
}
