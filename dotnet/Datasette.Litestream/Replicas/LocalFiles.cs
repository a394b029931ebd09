namespace Datasette.Litestream.Replicas;

/// <summary>The LTX files that this machine's Litestream made itself, in its folder of the database.</summary>
internal static class LocalFiles
{
    /// <summary>The folder of level 0: one file for each transaction that was not deleted yet.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    public static string FolderOf(string stateFolder) => Path.Combine(stateFolder, "ltx", "0");

    /// <summary>The highest transaction in such a folder; 0 if there is none, or no folder.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static ulong FindHighest(string folder)
    {
        try
        {
            using var files = new LtxFolder(folder, 0, _ => { });
            var highest = 0UL;
            while (files.MoveNext())
            {
                highest = Math.Max(highest, files.Current.Max);
            }

            return highest;
        }
        catch (DirectoryNotFoundException)
        {
            return 0;
        }
    }
}
