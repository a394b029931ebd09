using System.Runtime.CompilerServices;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Stores;

/// <summary>Opens the stores at which replicas lie. For any number of tasks at once. Disposed after all of its stores.</summary>
/// <param name="variables">Litestream's environment, which is asked for S3's keys at each request, since they can change.</param>
/// <param name="time">The clock.</param>
internal sealed class StoreFactory(Func<IReadOnlyDictionary<string, string>> variables, TimeProvider time) : IDisposable
{
    /// <summary>The clients of S3, behind a type that names none of Amazon's: its assemblies are only loaded where there is one.</summary>
    private readonly Dictionary<S3Settings, IDisposable> _connections = [];

    /// <summary>Whether replicas of a type can be opened.</summary>
    public static bool CanOpen(string type) => type is "file" or "s3";

    /// <summary>Opens the store of a replica; nothing is asked of it yet.</summary>
    /// <param name="replica">The replica, of a type that can be opened.</param>
    /// <param name="databasePath">The file of the database whose rights the files of a folder get; null for files of the process's user alone.</param>
    public IStore Open(ReplicaPlan replica, string? databasePath) => replica.Type == "s3"
        ? OpenS3(replica, PathOf(replica), hasSlash: true)
        : OpenAt(replica, PathOf(replica), databasePath);

    /// <summary>Opens another place in the store of a replica.</summary>
    /// <param name="replica">The replica, which says how to get there.</param>
    /// <param name="path">The place, as <see cref="PathOf"/> has it; empty for all of a bucket.</param>
    /// <param name="databasePath">As for <see cref="Open"/>.</param>
    public IStore OpenAt(ReplicaPlan replica, string path, string? databasePath) => replica.Type switch
    {
        "file" => new FolderStore(path, databasePath is null ? FileRights.Private : FileRights.OfDatabase(databasePath), time),
        "s3" => OpenS3(replica, path, hasSlash: path.Length > 0),
        _ => throw new NotSupportedException(replica.Type),
    };

    /// <summary>
    /// Where a replica lies in its store: a folder of this machine, absolute; in a bucket the prefix of its objects up to the last slash,
    /// which is not in it.
    /// </summary>
    public static string PathOf(ReplicaPlan replica) => replica.Type == "s3"
        ? S3Settings.PathOf(replica)
        : Path.TrimEndingDirectorySeparator(replica.Settings["path"]!.GetValue<string>());

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var connection in _connections.Values)
        {
            connection.Dispose();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private S3Store OpenS3(ReplicaPlan replica, string path, bool hasSlash)
    {
        var settings = S3Settings.Of(replica);
        lock (_connections)
        {
            if (!_connections.TryGetValue(settings, out var connection))
            {
                _connections[settings] = connection = new S3Connection(settings, variables, time);
            }

            return new S3Store((S3Connection)connection, path, hasSlash);
        }
    }
}
