using System.Buffers.Binary;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>LTX files whose pages say nothing: mirrors read the beginning and the end alone.</summary>
internal static class MadeLtx
{
    private const ulong ChecksumBit = 1UL << 63;

    /// <summary>The content of a file.</summary>
    /// <param name="name">Its transactions.</param>
    /// <param name="madeAt">When it was made.</param>
    /// <param name="history">Files of two histories have different content.</param>
    /// <param name="size">Its size in bytes.</param>
    public static byte[] Content(LtxName name, DateTimeOffset madeAt, int history = 1, int size = 300)
    {
        var content = new byte[size];
        BinaryPrimitives.WriteUInt32BigEndian(content, 0x4c545831);
        BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(16), name.Min);
        BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(24), name.Max);
        BinaryPrimitives.WriteInt64BigEndian(content.AsSpan(32), madeAt.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(size - 8), ChecksumBit | (uint)HashCode.Combine(name, madeAt, history));
        BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(size - 16), ChecksumBit);
        return content;
    }

    /// <summary>Writes a file as Litestream does.</summary>
    public static void Write(string folder, LtxName name, DateTimeOffset madeAt, int history = 1, int size = 300)
    {
        var path = Path.Combine(folder, name.ToString());
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes($"{path}.tmp", Content(name, madeAt, history, size));
        File.Move($"{path}.tmp", path, overwrite: true);
        File.SetLastWriteTimeUtc(path, madeAt.UtcDateTime);
    }
}
