namespace Datasette.Litestream.EndToEnd;

/// <summary>A way in which a file of a backup can go wrong. Times stay as they were, and sizes where that is possible.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Make">Makes it of a file; it also gets the one that a restore reads before, and another database's of the same kind.</param>
internal sealed record BackupFault(string Name, Action<string, string, string> Make)
{
    /// <summary>A bit that is flipped in the middle of a file.</summary>
    public static BackupFault Flip { get; } = new("flipped", (file, _, _) => FlipBit(file));

    /// <summary>The others.</summary>
    public static IReadOnlyList<BackupFault> Others { get; } =
    [
        new("flipped-first", (file, _, _) => Change(file, bytes => Flipped(bytes, 0))),
        new("flipped-last", (file, _, _) => Change(file, bytes => Flipped(bytes, bytes.Length - 1))),
        new("truncated", (file, _, _) => Change(file, bytes => bytes[..(bytes.Length / 2)])),
        new("emptied", (file, _, _) => Change(file, _ => [])),
        new("exchanged", (file, _, other) => Change(file, _ => File.ReadAllBytes(other))),
        new("older", (file, before, _) => Change(file, _ => File.ReadAllBytes(before))),
        new("missing", (file, _, _) => BackupChain.WithSubstitutes(file).ToList().ForEach(File.Delete)),
    ];

    /// <summary>Flips a bit in the middle of a file.</summary>
    public static void FlipBit(string file) => Change(file, bytes => Flipped(bytes, bytes.Length / 2));

    private static byte[] Flipped(byte[] bytes, int at)
    {
        bytes[at] ^= 0x10;
        return bytes;
    }

    private static void Change(string file, Func<byte[], byte[]> change)
    {
        var modified = File.GetLastWriteTimeUtc(file);
        File.WriteAllBytes(file, change(File.ReadAllBytes(file)));
        File.SetLastWriteTimeUtc(file, modified);
    }
}
