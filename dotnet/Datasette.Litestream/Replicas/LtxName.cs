using System.Globalization;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// What the name of one LTX file at a destination says: the file <c>ltx/LEVEL/MIN-MAX.ltx</c> holds what a range of transactions
/// changed. A file of <see cref="SnapshotLevel"/> begins at the first transaction and so holds the whole database.
/// </summary>
/// <param name="Level">Its level: 0 as uploaded, 1 to 8 merged, 9 a snapshot.</param>
/// <param name="Min">The first transaction.</param>
/// <param name="Max">The last transaction.</param>
internal readonly record struct LtxName(int Level, ulong Min, ulong Max)
{
    /// <summary>The level of snapshots.</summary>
    public const int SnapshotLevel = 9;

    /// <summary>How many levels there are.</summary>
    public const int LevelCount = SnapshotLevel + 1;

    private const int Digits = 16;
    private const string Extension = ".ltx";

    /// <summary>The name of the file in the folder of its level.</summary>
    public string FileName => string.Create(CultureInfo.InvariantCulture, $"{Min:x16}-{Max:x16}{Extension}");

    /// <summary>Reads a file's name.</summary>
    /// <param name="level">The level of the folder that it is in.</param>
    /// <param name="fileName">The name in that folder.</param>
    /// <param name="name">What it says.</param>
    /// <returns>False if it is no name of an LTX file.</returns>
    public static bool TryParse(int level, ReadOnlySpan<char> fileName, out LtxName name)
    {
        var isName = fileName.Length == (2 * Digits) + 1 + Extension.Length && fileName[Digits] == '-' && fileName.EndsWith(Extension, StringComparison.Ordinal);
        ulong min = 0, max = 0;
        isName = isName && TryParse(fileName[..Digits], out min) && TryParse(fileName.Slice(Digits + 1, Digits), out max);
        name = new LtxName(level, min, max);
        return isName;
    }

    /// <summary>Reads a transaction id: 16 hexadecimal digits.</summary>
    public static bool TryParse(ReadOnlySpan<char> digits, out ulong txid) =>
        ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out txid);

    /// <summary>The path of the file below the destination.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"ltx/{Level}/{FileName}");
}
