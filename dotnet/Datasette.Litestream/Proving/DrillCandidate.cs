using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Proving;

/// <summary>A destination that is to be proven.</summary>
/// <param name="Database">The database.</param>
/// <param name="Replica">The destination.</param>
/// <param name="IsReady">Whether its first copy is complete, and nothing else is known to be wrong with it.</param>
/// <param name="Bytes">The size of the backup, or of the database; null if neither is known.</param>
internal sealed record DrillCandidate(DatabasePlan Database, ReplicaPlan Replica, bool IsReady, long? Bytes)
{
    /// <summary>Whether the plugin keeps it equal to the one that Litestream writes.</summary>
    public bool IsMirror { get; init; }

    /// <summary>When the newest snapshot there was made; null if that is not known.</summary>
    public DateTimeOffset? NewestSnapshotAt { get; init; }

    /// <summary>Its key.</summary>
    public DrillKey Key { get; } = DrillKey.Of(Database, Replica);
}
