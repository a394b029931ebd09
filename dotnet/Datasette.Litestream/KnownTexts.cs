using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream;

/// <summary>
/// What others say and everybody may read, so that it stays readable if a secret is a common word: paths and places, as they are
/// in the configuration and on the pages, and the fixed texts of Litestream and of the system.
/// </summary>
internal static class KnownTexts
{
    /// <summary>Those that may occur in what is said about the replication of a plan.</summary>
    public static IEnumerable<string> Of(ReplicationPlan plan) =>
    [
        .. plan.Databases.Select(LitestreamFolder.Of),
        .. plan.Databases.SelectMany(database => OfFile(database.Path).Concat(OfFile(database.ServedPath))),
        .. plan.Databases.SelectMany(database => database.Replicas).SelectMany(OfReplica),
        .. LogMessage.All.Select(message => message.Start),
        .. ErrorCauses.Texts,
    ];

    private static IEnumerable<string> OfFile(string path)
    {
        var folder = LitestreamFolder.Of(path);
        return [path, Path.GetFileName(path), $"db={Path.GetFileName(path)}", folder, Path.GetFileName(folder)];
    }

    // Litestream tells the parts of a place too. Source: s3/replica_client.go, v0.5.17.
    private static IEnumerable<string> OfReplica(ReplicaPlan replica) => replica.Place.Split('/', 2) is [{ Length: > 0 } bucket, var path]
        ? [replica.Place, replica.Destination, $"bucket={bucket}", $"path={path}", $"object {path}"]
        : [replica.Place];
}
