namespace Datasette.Litestream.Litestream;

/// <summary>The folder beside a database in which Litestream keeps its state.</summary>
internal static class LitestreamFolder
{
    /// <param name="databasePath">The database's file, absolute.</param>
    public static string Of(string databasePath) =>
        Path.Combine(Path.GetDirectoryName(databasePath)!, $".{Path.GetFileName(databasePath)}-litestream");
}
