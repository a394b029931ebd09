namespace Datasette.Litestream.Litestream;

/// <summary>Where Litestream keeps what it needs of a database: a folder beside it.</summary>
internal static class LitestreamFolder
{
    /// <param name="databasePath">The database's file, absolute.</param>
    public static string Of(string databasePath) =>
        Path.Combine(Path.GetDirectoryName(databasePath)!, $".{Path.GetFileName(databasePath)}-litestream");
}
