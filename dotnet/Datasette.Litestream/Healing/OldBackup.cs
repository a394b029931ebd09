using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Moves what lies in a destination folder to a folder beside it, so that Litestream can start over in an empty one: transaction
/// ids that begin again below those of a snapshot that was left would make every restore give that snapshot. What was moved can
/// still be restored, and is deleted after the time that snapshots are kept.
/// </summary>
/// <param name="retention">That time.</param>
/// <param name="time">The clock.</param>
internal sealed class OldBackup(TimeSpan retention, TimeProvider time)
{
    /// <summary>Whether the folder of a replica is there.</summary>
    public static bool IsFolder(ReplicaPlan replica) => Directory.Exists(FolderOf(replica));

    /// <summary>Moves what is in the folder of a replica, if anything is.</summary>
    /// <returns>Why it could not be moved, in a sentence; null if it was, or if there was nothing.</returns>
    public string? MoveAside(ReplicaPlan replica)
    {
        if (!IsFolder(replica))
        {
            return null;
        }

        var folder = FolderOf(replica);

        var to = folder + ReplacedBackup.SuffixAt(time.GetUtcNow());
        try
        {
            Directory.Move(folder, to);
            return null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"What is left in {folder} could not be moved to {to}: {ex.Message}";
        }
    }

    /// <summary>Deletes what was moved aside longer ago than it is kept.</summary>
    public void DeleteExpired(ReplicaPlan replica)
    {
        var folder = FolderOf(replica);
        var name = Path.GetFileName(folder);
        try
        {
            foreach (var old in Directory.EnumerateDirectories(Path.GetDirectoryName(folder)!, $"{name}{ReplacedBackup.Mark}*"))
            {
                if (ReplacedBackup.HasExpired(Path.GetFileName(old)[name.Length..], time.GetUtcNow(), retention))
                {
                    Directory.Delete(old, recursive: true);
                }
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // It is tried again an hour later.
        }
    }

    private static string FolderOf(ReplicaPlan replica) => Path.TrimEndingDirectorySeparator(replica.Settings["path"]!.GetValue<string>());
}
