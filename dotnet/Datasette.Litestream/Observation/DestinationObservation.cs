using Datasette.Litestream.Configuration;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>How one of several destinations of a database stands.</summary>
/// <param name="Replica">The destination.</param>
/// <param name="IsMirror">Whether the plugin writes it; otherwise Litestream does.</param>
/// <param name="State">Its state.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Reason">Why it is in this state.</param>
/// <param name="Error">What is wrong, in the words of who found it; null if nothing is known to be.</param>
/// <param name="Evidence">The figures from which the state was derived.</param>
internal sealed record DestinationObservation(
    ReplicaPlan Replica, bool IsMirror, DatabaseState State, DateTimeOffset Since, StateReason Reason, string? Error, Evidence Evidence)
{
    /// <summary>The size of everything there, when it was last listed; null if it was not listed yet.</summary>
    public long? Bytes { get; init; }

    /// <summary>How many files were there then; null if it was not listed yet.</summary>
    public int? Files { get; init; }

    /// <summary>How far back and how finely it can be restored; null if that is not known.</summary>
    public RestorePoints? Points { get; init; }

    /// <summary>How far it is proven; null if that is not known yet.</summary>
    public DrillStatus? Drill { get; init; }

    /// <summary>What was found there and mended, in a sentence; null if nothing was.</summary>
    public string? Notice { get; init; }

    /// <summary>Whether it can be proven: its first copy is complete, and nothing else is known to be wrong with it.</summary>
    public bool CanBeProven => State is DatabaseState.Replicating or DatabaseState.Unverified
        || Reason is StateReason.DrillFailed or StateReason.NotProvenAgain or StateReason.DatabaseDamaged or StateReason.DrillOverdue or StateReason.MirrorDrillFailed or StateReason.MirrorDrillOverdue;
}
