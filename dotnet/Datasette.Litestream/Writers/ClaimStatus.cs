namespace Datasette.Litestream.Writers;

/// <summary>Why a database is not written to a destination now.</summary>
/// <param name="State">How the claim to the destination stands; not <see cref="ClaimState.Held"/>.</param>
/// <param name="Detail">
/// Who else it is about, or why that is not known, as a finished clause; null if it was not looked yet.
/// </param>
internal sealed record ClaimStatus(ClaimState State, string? Detail)
{
    /// <summary>The status of a claim that is not held.</summary>
    /// <param name="claim">The claim.</param>
    /// <param name="error">Why the last look at the file failed; null if it did not.</param>
    public static ClaimStatus Of(Claim claim, string? error) => claim.State switch
    {
        // Who waits and cannot look does not know any more whom for.
        ClaimState.Unproven or ClaimState.Waiting when error is not null => new(ClaimState.Unproven, error),
        ClaimState.Unproven => new(claim.State, null),
        ClaimState.Waiting => new(claim.State, $"{claim.Other} writes to {claim.Destination.Name}, and was asked to let go"),
        ClaimState.Yielding => new(claim.State, $"{claim.Other} takes over"),
        _ => new(claim.State, $"{claim.Other} took over"),
    };
}
