namespace Datasette.Litestream.Writers;

/// <summary>How it stands with what a Datasette wants to write to.</summary>
internal enum ClaimState
{
    /// <summary>
    /// It is not known whether another one writes there: the file has not been read yet, or not for so long that another one may
    /// have taken over.
    /// </summary>
    Unproven,

    /// <summary>It is this one's to write to.</summary>
    Held,

    /// <summary>Another one has asked for it and gets it when Litestream has ended here.</summary>
    Yielding,

    /// <summary>Another one writes there, and was asked for it.</summary>
    Waiting,

    /// <summary>Another one has it. It is not asked for again until a new start.</summary>
    Lost,
}

/// <summary>The claim of this Datasette to one destination.</summary>
/// <param name="Destination">The destination.</param>
internal sealed record Claim(ClaimedDestination Destination)
{
    /// <summary>How it stands.</summary>
    public ClaimState State { get; init; }

    /// <summary>Whether the file has said so at the last look.</summary>
    public bool IsInFile { get; init; }

    /// <summary>The other one, for people; null if there is none.</summary>
    public string? Other { get; init; }

    /// <summary>From whom it was taken with its last change to <see cref="ClaimState.Held"/>; null if from nobody.</summary>
    public string? TakenFrom { get; init; }

    /// <summary>Whether that one did not answer.</summary>
    public bool IsForced { get; init; }

    /// <summary>What was last seen of whoever holds it, and since when; null if it is not waited for.</summary>
    public Sight? Seen { get; init; }

    /// <summary>Whether it may be written to.</summary>
    public bool IsHeld => State == ClaimState.Held;

    /// <summary>What was seen of the holder of a prefix.</summary>
    /// <param name="Holder">Who it is.</param>
    /// <param name="Answers">Its <see cref="WriterRecord.Answers"/>.</param>
    /// <param name="Since">Since when, as a timestamp of the clock.</param>
    public sealed record Sight(Guid Holder, long Answers, long Since);
}
