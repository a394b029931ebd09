namespace Datasette.Litestream.Replicas;

/// <summary>What lies at a destination, as far as a restore of the newest point is concerned.</summary>
internal enum ReplicaCondition
{
    /// <summary>A snapshot and an unbroken chain of files up to what was replicated.</summary>
    Whole,

    /// <summary>Nothing that could be restored, as before the first copy.</summary>
    Missing,

    /// <summary>Something is there, and a restore of the newest point fails or gives less than what was replicated.</summary>
    Damaged,

    /// <summary>Somebody else writes there, so that a restore may give their rows.</summary>
    OtherWriter,

    /// <summary>It could not be looked at, so nothing is known.</summary>
    Unreadable,
}

/// <summary>The result of a look at a destination.</summary>
/// <param name="Condition">What was found.</param>
/// <param name="UpTo">The last transaction that a restore gives, as far as is known; 0 if none.</param>
/// <param name="Problem">What is wrong, in a clause without a full stop that may go after a colon; null if nothing is.</param>
/// <param name="Since">When the file was made that shows the problem; null where no file does.</param>
/// <param name="Snapshot">The last transaction of the snapshot that a restore begins with; 0 if there is none.</param>
internal sealed record ReplicaFinding(ReplicaCondition Condition, ulong UpTo, string? Problem = null, DateTimeOffset? Since = null, ulong Snapshot = 0);
