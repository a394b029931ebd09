using System.Globalization;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// A file that Litestream 0.3 wrote at a destination: a snapshot, <c>generations/GENERATION/snapshots/INDEX.snapshot.lz4</c>, or a part
/// of a write-ahead log, <c>generations/GENERATION/wal/INDEX_OFFSET.wal.lz4</c>. Source: litestream.go, v0.3.13, and v3.go, v0.5.17.
/// </summary>
/// <param name="Generation">16 hexadecimal digits: a new one begins where the log could not be followed.</param>
/// <param name="IsSnapshot">Whether it is a snapshot.</param>
/// <param name="Index">The number of the log; of a snapshot, of the log that goes on from it.</param>
/// <param name="Offset">Where in the log it begins, in bytes.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="At">When it was written.</param>
internal sealed record WalSegment(string Generation, bool IsSnapshot, int Index, long Offset, long Size, DateTimeOffset At)
{
    /// <summary>The folder of all of them.</summary>
    public const string Folder = "generations";

    private const string SnapshotEnd = ".snapshot.lz4", SegmentEnd = ".wal.lz4";

    /// <summary>Its place in the order of a generation, in Litestream's words: <c>INDEX:OFFSET</c>.</summary>
    public string Position => string.Create(CultureInfo.InvariantCulture, $"{Index:x8}:{Offset:x8}");

    /// <summary>Reads what a file's name says.</summary>
    /// <param name="file">The file, as a store lists it.</param>
    /// <returns>Null if Litestream 0.3 does not name its files so.</returns>
    public static WalSegment? Parse(StoredFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Name.Split('/') is not [Folder, { Length: 16 } generation, var kind, var name])
        {
            return null;
        }

        if (kind == "snapshots" && name.EndsWith(SnapshotEnd, StringComparison.Ordinal) && TryParse(name[..^SnapshotEnd.Length], out var index))
        {
            return new WalSegment(generation, true, (int)index, 0, file.Size, file.At);
        }

        return kind == "wal" && name.EndsWith(SegmentEnd, StringComparison.Ordinal)
            && name[..^SegmentEnd.Length].Split('_') is [var first, var second] && TryParse(first, out index) && TryParse(second, out var offset)
            ? new WalSegment(generation, false, (int)index, offset, file.Size, file.At)
            : null;
    }

    private static bool TryParse(string digits, out long number) =>
        long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number) && number <= int.MaxValue;
}
