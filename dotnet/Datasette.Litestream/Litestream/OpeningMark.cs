namespace Datasette.Litestream.Litestream;

/// <summary>
/// Tells whether Litestream 0.3 has opened a database, which it does not say itself: it then deletes from its folder all generations but
/// its own, and this mark with them (<c>DB.init</c> and <c>DB.cleanGenerations</c> in db.go, v0.3.13).
/// </summary>
internal static class OpeningMark
{
    private const string Name = "not-opened";

    /// <summary>Sets the mark before Litestream is started. Where there are no generations yet, the first one tells.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    public static void Set(string stateFolder)
    {
        try
        {
            // Litestream creates that folder with the rights of the database's.
            if (Directory.Exists(GenerationsOf(stateFolder)))
            {
                File.WriteAllBytes(PathOf(stateFolder), []);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Litestream cannot write there either, and says so.
        }
    }

    /// <summary>Whether Litestream has opened the database.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    public static bool IsOpened(string stateFolder) => Directory.Exists(GenerationsOf(stateFolder)) && !File.Exists(PathOf(stateFolder));

    /// <summary>Deletes a mark that Litestream has left.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    public static void Remove(string stateFolder)
    {
        try
        {
            if (File.Exists(PathOf(stateFolder)))
            {
                File.Delete(PathOf(stateFolder));
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next Litestream deletes it.
        }
    }

    private static string GenerationsOf(string stateFolder) => Path.Combine(stateFolder, "generations");

    private static string PathOf(string stateFolder) => Path.Combine(GenerationsOf(stateFolder), Name);
}
