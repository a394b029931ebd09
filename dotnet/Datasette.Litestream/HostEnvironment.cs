namespace Datasette.Litestream;

/// <summary>The environment of one Datasette.</summary>
/// <param name="Variables">Its environment variables.</param>
/// <param name="BundledBinary">The path of the binary in a wheel that contains Litestream; in other wheels it is null or the
/// file does not exist.</param>
/// <param name="ProgramFolder">The folder of the Python that runs Datasette, where pip installs programs; null if
/// unknown.</param>
/// <param name="Time">The clock.</param>
internal sealed record HostEnvironment(
    IReadOnlyDictionary<string, string> Variables, string? BundledBinary, string? ProgramFolder, TimeProvider Time)
{
    // The ToString that the compiler generates would print the variables, including secrets.
    public override string ToString() => nameof(HostEnvironment);
}
