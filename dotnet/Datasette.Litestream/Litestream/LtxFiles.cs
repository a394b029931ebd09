using System.Globalization;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The files in which Litestream 0.5 keeps what it has taken from a database, one a transaction, and from which it brings
/// them to the replica as they are. They are not the database's own: looking at them touches none of SQLite's locks.
/// </summary>
internal static class LtxFiles
{
    /// <summary>
    /// How many bytes a range of transactions takes. It is walked from its end to the first that is not there, so that nothing
    /// has to be listed: Litestream removes the oldest first, after five minutes.
    /// </summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <param name="after">The transaction before the first.</param>
    /// <param name="upTo">The last transaction.</param>
    /// <param name="since">Older ones are another Datasette's.</param>
    public static long Measure(string databasePath, ulong after, ulong upTo, DateTimeOffset since)
    {
        var folder = Path.Combine(LitestreamFolder.Of(databasePath), "ltx", "0");
        var bytes = 0L;
        for (var txid = upTo; txid > after; txid--)
        {
            var file = new FileInfo(Path.Combine(folder, NameOf(txid)));
            if (!file.Exists || file.LastWriteTimeUtc < since)
            {
                break;
            }

            bytes += file.Length;
        }

        return bytes;
    }

    /// <summary>The name of the file of one transaction.</summary>
    public static string NameOf(ulong txid) => string.Create(CultureInfo.InvariantCulture, $"{txid:x16}-{txid:x16}.ltx");
}
