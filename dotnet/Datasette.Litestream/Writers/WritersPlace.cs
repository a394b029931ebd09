using System.Collections.Immutable;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Writers;

/// <summary>
/// Where one <see cref="WritersFile"/> lies. At S3 that is the prefix above the destinations, so that a thousand databases have
/// one file; for a folder it is the destination itself, since another container or machine may have nothing but that folder in
/// common with this one.
/// </summary>
/// <param name="Key">Equal for two places with the same file.</param>
/// <param name="Replica">A replica there, which says how to get there.</param>
/// <param name="Path">The folder or the prefix, as <see cref="StoreFactory"/> has it.</param>
/// <param name="Destinations">The destinations there that this Datasette writes to.</param>
internal sealed record WritersPlace(string Key, ReplicaPlan Replica, string Path, ImmutableArray<ClaimedDestination> Destinations)
{
    /// <summary>The places for all destinations of some databases that can have such a file.</summary>
    public static ImmutableArray<WritersPlace> Of(IEnumerable<DatabasePlan> databases) =>
    [
        .. from database in databases
           from replica in database.Replicas
           where StoreFactory.CanOpen(replica.Type)
           let bucket = replica.Type == "s3" ? S3Settings.Of(replica) : null
           let own = StoreFactory.PathOf(replica).TrimEnd('/')
           let path = bucket is null ? own : Above(own)
           let prefix = path.Length == 0 ? own : own[path.Length..].TrimStart('/')
           group (database, replica, path, prefix) by (bucket?.Endpoint, bucket?.Bucket, path) into place
           let first = place.First()
           select new WritersPlace(
               string.Join('\n', place.Key.Endpoint, place.Key.Bucket, place.Key.path),
               first.replica,
               first.path,
               [.. place.Select(one => new ClaimedDestination(one.replica.Identity, one.prefix, one.database.Name, one.database.Path, one.replica.Destination))]),
    ];

    private static string Above(string prefix) => prefix.LastIndexOf('/') is > 0 and var slash ? prefix[..slash] : "";
}

/// <summary>One destination that this Datasette writes to.</summary>
/// <param name="Identity">That of its <see cref="ReplicaPlan"/>.</param>
/// <param name="Prefix">What it is called in the file.</param>
/// <param name="Database">Datasette's name of the database.</param>
/// <param name="DatabasePath">The database's file.</param>
/// <param name="Name">The destination for people.</param>
internal sealed record ClaimedDestination(string Identity, string Prefix, string Database, string DatabasePath, string Name);
