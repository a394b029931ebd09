using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Stores;

/// <summary>Opens the stores at which replicas lie.</summary>
/// <param name="time">The clock.</param>
internal sealed class StoreFactory(TimeProvider time)
{
    /// <summary>Whether replicas of a type can be opened.</summary>
    public static bool CanOpen(string type) => type is "file";

    /// <summary>Opens the store of a replica; nothing is asked of it yet.</summary>
    /// <param name="replica">The replica, of a type that can be opened.</param>
    /// <param name="databasePath">The file of the database whose rights the files of a folder get; null for files of the process's user alone.</param>
    public IStore Open(ReplicaPlan replica, string? databasePath) => OpenAt(replica, PathOf(replica), databasePath);

    /// <summary>Opens another place in the store of a replica.</summary>
    /// <param name="replica">The replica, which says how to get there.</param>
    /// <param name="path">The place, as <see cref="PathOf"/> has it.</param>
    /// <param name="databasePath">As for <see cref="Open"/>.</param>
    public IStore OpenAt(ReplicaPlan replica, string path, string? databasePath) => replica.Type switch
    {
        "file" => new FolderStore(path, databasePath is null ? FileRights.Private : FileRights.OfDatabase(databasePath), time),
        _ => throw new NotSupportedException(replica.Type),
    };

    /// <summary>Where a replica lies in its store: a folder of this machine, absolute; in a bucket the prefix, without a slash at either end.</summary>
    public static string PathOf(ReplicaPlan replica) => Path.TrimEndingDirectorySeparator(replica.Settings["path"]!.GetValue<string>());
}
