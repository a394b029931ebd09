using System.Buffers.Binary;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// What the beginning of an LTX file says. Source: the format of github.com/superfly/ltx, v0.5.2, as seen in files of Litestream 0.5.17.
/// </summary>
/// <param name="PageSize">The size of the database's pages in bytes.</param>
/// <param name="Pages">The size of the database after the file's last transaction, in pages.</param>
/// <param name="MadeAt">When the file was made, in whole milliseconds; of a merged one, when the first of those in it was.</param>
internal readonly record struct LtxHeader(int PageSize, long Pages, DateTimeOffset MadeAt)
{
    private const uint Magic = 0x4c545831;

    /// <summary>The size of the database after the file's last transaction, in bytes.</summary>
    public long DatabaseBytes => PageSize * Pages;

    /// <summary>Reads it.</summary>
    /// <param name="bytes">The first <see cref="LtxSeal.HeaderBytes"/> bytes.</param>
    /// <returns>Null if this is the beginning of no LTX file.</returns>
    public static LtxHeader? Parse(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= LtxSeal.HeaderBytes && BinaryPrimitives.ReadUInt32BigEndian(bytes) == Magic
            && BinaryPrimitives.ReadInt64BigEndian(bytes[32..]) is var milliseconds and > 0 and < 253_402_300_800_000
            ? new LtxHeader(
                BinaryPrimitives.ReadInt32BigEndian(bytes[8..]),
                BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]),
                DateTimeOffset.FromUnixTimeMilliseconds(milliseconds))
            : null;
}
