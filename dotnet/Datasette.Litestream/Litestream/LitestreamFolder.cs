using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The folder in which Litestream keeps its state of a database: beside it, unless <c>meta-path</c> names another one. The lock on the
/// database stays beside it, since two Datasettes with different settings must find the same one.
/// </summary>
internal static class LitestreamFolder
{
    /// <summary>The folder of a database that is replicated.</summary>
    public static string Of(DatabasePlan database) => database.MetaPath ?? Of(database.Path);

    /// <summary>The folder beside a database.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    public static string Of(string databasePath) =>
        Path.Combine(Path.GetDirectoryName(databasePath)!, $".{Path.GetFileName(databasePath)}-litestream");
}
