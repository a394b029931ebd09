using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Moves what lies at a destination to a place beside it, so that Litestream can start over in an empty one: transaction ids that begin
/// again below those of a snapshot that was left would make every restore give that snapshot. What was moved can still be restored, and
/// is deleted after the time that snapshots are kept. One task at a time uses it.
/// </summary>
/// <param name="open">Opens the store of a replica, whose files get the rights of the database's.</param>
/// <param name="retention">That time.</param>
/// <param name="time">The clock.</param>
internal sealed class OldBackup(Func<ReplicaPlan, string?, IStore> open, TimeSpan retention, TimeProvider time)
{
    /// <summary>Where something was moved: no other bucket is asked for what has expired, since each request costs.</summary>
    private readonly HashSet<string> _moved = new(StringComparer.Ordinal);

    /// <summary>Whether the folder of a replica is there.</summary>
    public static bool IsFolder(ReplicaPlan replica) => Directory.Exists(StoreFactory.PathOf(replica));

    /// <summary>Moves what is at a replica, if anything is.</summary>
    /// <returns>Why it could not be moved, in a sentence; null if it was, or if there was nothing.</returns>
    public async Task<string?> MoveAsideAsync(DatabasePlan database, ReplicaPlan replica, CancellationToken cancellationToken)
    {
        var suffix = ReplacedBackup.SuffixAt(time.GetUtcNow());
        using var store = open(replica, database.Path);
        try
        {
            await store.MoveAsideAsync(suffix, cancellationToken).ConfigureAwait(false);
            _moved.Add(replica.Identity);
            return null;
        }
        catch (StoreException ex)
        {
            return $"What is left at {replica.Destination} could not be moved to {replica.Destination}{suffix}: {ex.Message}";
        }
    }

    /// <summary>Deletes what was moved aside longer ago than it is kept.</summary>
    public async Task DeleteExpiredAsync(DatabasePlan database, ReplicaPlan replica, CancellationToken cancellationToken)
    {
        if (replica.Type != "file" && !_moved.Contains(replica.Identity))
        {
            return;
        }

        using var store = open(replica, database.Path);
        try
        {
            await store.DeleteExpiredAsync(time.GetUtcNow(), retention, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // It is tried again an hour later.
        }
    }
}
