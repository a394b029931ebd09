using System.Globalization;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Stores;

/// <summary>
/// How Litestream names its LTX files at a store. Source: <c>LTXFilePath</c> in litestream.go and <c>WriteLTXFile</c> in
/// s3/replica_client.go, v0.5.17.
/// </summary>
internal sealed class LtxLayout
{
    private readonly string[] _folders;

    private LtxLayout(Func<int, string> folderOf) => _folders = [.. Enumerable.Range(0, LtxName.LevelCount).Select(folderOf)];

    /// <summary>In a folder: <c>ltx/LEVEL/MIN-MAX.ltx</c>.</summary>
    public static LtxLayout Folder { get; } = new(level => string.Create(CultureInfo.InvariantCulture, $"ltx/{level}"));

    /// <summary>At S3: <c>LEVEL/MIN-MAX.ltx</c>, the level as four hexadecimal digits.</summary>
    public static LtxLayout S3 { get; } = new(level => string.Create(CultureInfo.InvariantCulture, $"{level:x4}"));

    /// <summary>The folder of a level.</summary>
    public string FolderOf(int level) => _folders[level];

    /// <summary>The name of a file below the destination.</summary>
    public string NameOf(LtxName name) => $"{_folders[name.Level]}/{name.FileName}";

    /// <summary>Reads the name of a file below the destination.</summary>
    /// <returns>False if it is no name of an LTX file.</returns>
    public bool TryParse(string text, out LtxName name)
    {
        var slash = text.LastIndexOf('/');
        var level = slash < 0 ? -1 : Array.FindIndex(_folders, folder => text.AsSpan(0, slash).SequenceEqual(folder));
        if (level >= 0)
        {
            return LtxName.TryParse(level, text.AsSpan(slash + 1), out name);
        }

        name = default;
        return false;
    }
}
