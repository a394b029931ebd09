namespace Datasette.Litestream.Replicas;

/// <summary>What Litestream says of a destination.</summary>
/// <param name="At">When it was asked.</param>
/// <param name="Finding">Its judgement.</param>
/// <param name="Inventory">What lies there; null if it was not listed.</param>
internal sealed record ReplicaCheck(DateTimeOffset At, ReplicaFinding Finding, LtxInventory? Inventory = null)
{
    /// <summary>The size of everything there when it was last listed; null if it never was.</summary>
    public long? Bytes { get; init; }

    /// <summary>How many files were there then; null if it never was.</summary>
    public int? Files { get; init; }

    /// <summary>How far back and how finely one could go when everything was last listed; null if it never was, or nothing can be restored.</summary>
    public RestorePoints? Points { get; init; }

    /// <summary>Whether the destination answered.</summary>
    public bool IsAnswered => Finding.Condition != ReplicaCondition.Unreadable;

    /// <summary>Whether a restore of the newest point gives everything that was replicated.</summary>
    public bool IsWhole => Finding.Condition == ReplicaCondition.Whole;

    /// <summary>Why it did not answer, in Litestream's words; null if it did.</summary>
    public string? Error => IsAnswered ? null : Finding.Problem;

    /// <summary>Why a restore fails or gives less, in a clause; null if it does not, or nothing is known.</summary>
    public string? Problem => IsAnswered ? Finding.Problem : null;

    /// <summary>The last transaction that a restore gives; null if none or unknown.</summary>
    public ulong? RestorableUpTo => Finding.UpTo > 0 ? Finding.UpTo : null;
}
