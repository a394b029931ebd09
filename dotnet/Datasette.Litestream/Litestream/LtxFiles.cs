using System.Globalization;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The LTX files in which Litestream 0.5 stores what it has synced, one per transaction, and which it uploads to the replica
/// unchanged. They are not files of SQLite, so reading their sizes does not touch SQLite's locks.
/// </summary>
internal static class LtxFiles
{
    /// <summary>
    /// The size in bytes of a range of transactions. The files are checked from the last one back to the first missing one, so
    /// that no folder must be listed: Litestream removes the oldest first, after five minutes.
    /// </summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="after">The transaction before the first.</param>
    /// <param name="upTo">The last transaction.</param>
    /// <param name="since">Older files are ignored, since an earlier Datasette uploaded them.</param>
    public static long Measure(string stateFolder, ulong after, ulong upTo, DateTimeOffset since)
    {
        var folder = Path.Combine(stateFolder, "ltx", "0");
        var bytes = 0L;
        for (var txid = upTo; txid > after; txid--)
        {
            if (FileStatus.Look(Path.Combine(folder, NameOf(txid))).Status is not { } file || file.ModifiedAt < since)
            {
                break;
            }

            bytes += file.Size;
        }

        return bytes;
    }

    /// <summary>The name of the file of one transaction.</summary>
    public static string NameOf(ulong txid) => string.Create(CultureInfo.InvariantCulture, $"{txid:x16}-{txid:x16}.ltx");
}
