namespace Datasette.Litestream.Credentials;

/// <summary>How the credentials stand at one moment.</summary>
/// <param name="Source">Where they come from, in words.</param>
/// <param name="ReadAt">When they were last read.</param>
/// <param name="ChangedAt">When they last changed; null where they never did.</param>
/// <param name="Failure">Why the last refresh failed; null where it did not.</param>
/// <param name="Unchanged">How many refreshes found the same credentials.</param>
/// <param name="Changed">How many found others.</param>
/// <param name="Failed">How many failed.</param>
internal sealed record CredentialStatus(
    string Source, DateTimeOffset ReadAt, DateTimeOffset? ChangedAt, string? Failure, int Unchanged = 0, int Changed = 0, int Failed = 0);
