using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// The beginning and the end of an LTX file: which transactions it holds, when it was made, and its checksums. Two files with one
/// seal have the same content. Source: the format of github.com/superfly/ltx, v0.5.2, as seen in files of Litestream 0.5.17.
/// </summary>
/// <param name="Name">What the file itself says of its transactions, with the level of the name that it was read from.</param>
/// <param name="MadeAt">When it was made, in whole milliseconds. In a folder this is the file's time too, as soon as Litestream is
/// done with it.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Checksums">The checksums of the database and of the file.</param>
internal readonly record struct LtxSeal(LtxName Name, DateTimeOffset MadeAt, long Size, UInt128 Checksums)
{
    private const int TrailerBytes = 16, IndexSizeBytes = 8;
    private const uint Magic = 0x4c545831;

    /// <summary>What is to be read of a file for its seal: its first bytes, and its last.</summary>
    public const int HeaderBytes = 100, EndBytes = IndexSizeBytes + TrailerBytes;

    /// <summary>Every checksum has this bit.</summary>
    private const ulong ChecksumBit = 1UL << 63;

    /// <summary>Reads the seal of a file; this takes about 20 µs.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Its name.</param>
    /// <returns>Null if it is not a complete file of that name.</returns>
    /// <exception cref="IOException">It cannot be read; <see cref="FileNotFoundException"/> if there is none.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static LtxSeal? Read(string path, LtxName name)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var size = RandomAccess.GetLength(file);
        Span<byte> header = stackalloc byte[HeaderBytes];
        Span<byte> end = stackalloc byte[EndBytes];
        return size >= header.Length + end.Length && Fill(file, header, 0) && Fill(file, end, size - end.Length) ? Parse(name, size, header, end) : null;
    }

    /// <summary>Reads the seal of a file from its first and its last bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="header">Its first <see cref="HeaderBytes"/> bytes.</param>
    /// <param name="end">Its last <see cref="EndBytes"/> bytes.</param>
    /// <returns>Null if it is not a complete file of that name.</returns>
    public static LtxSeal? Parse(LtxName name, long size, ReadOnlySpan<byte> header, ReadOnlySpan<byte> end)
    {
        if (header.Length < HeaderBytes || end.Length < EndBytes)
        {
            return null;
        }

        var indexSize = BinaryPrimitives.ReadUInt64BigEndian(end);
        var seal = new LtxSeal(
            new LtxName(name.Level, BinaryPrimitives.ReadUInt64BigEndian(header[16..]), BinaryPrimitives.ReadUInt64BigEndian(header[24..])),
            ReadTime(BinaryPrimitives.ReadInt64BigEndian(header[32..])),
            size,
            BinaryPrimitives.ReadUInt128BigEndian(end[IndexSizeBytes..]));

        // A file that was cut ends in the midst of compressed pages. They hardly look like this.
        return BinaryPrimitives.ReadUInt32BigEndian(header) == Magic
            && seal.Name == name
            && size >= HeaderBytes + EndBytes
            && indexSize <= (ulong)(size - HeaderBytes - EndBytes)
            && ((ulong)seal.Checksums & ChecksumBit) != 0
            ? seal
            : null;
    }

    private static bool Fill(SafeFileHandle file, Span<byte> bytes, long offset) => RandomAccess.Read(file, bytes, offset) == bytes.Length;

    private static DateTimeOffset ReadTime(long milliseconds) =>
        milliseconds is > 0 and < 253_402_300_800_000 ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : DateTimeOffset.MinValue;
}
