namespace Datasette.Litestream.Credentials;

/// <summary>The status of the credentials at one moment.</summary>
/// <param name="Source">Where they come from, in words.</param>
/// <param name="ReadAt">When they were last read.</param>
/// <param name="ChangedAt">When they last changed; null if they never did.</param>
/// <param name="Failure">Why the last refresh failed; null if it succeeded.</param>
/// <param name="Unchanged">How many refreshes found the same credentials.</param>
/// <param name="Changed">How many refreshes found new credentials.</param>
/// <param name="Failed">How many refreshes failed.</param>
internal sealed record CredentialStatus(
    string Source, DateTimeOffset ReadAt, DateTimeOffset? ChangedAt, string? Failure, int Unchanged = 0, int Changed = 0, int Failed = 0)
{
    /// <summary>Since when refreshes have failed; null if the last one succeeded.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>Until when the credentials in use are valid; null if their source does not say.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}
