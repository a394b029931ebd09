using Datasette.Litestream.Credentials;

namespace Datasette.Litestream;

/// <summary>The environment of one Datasette.</summary>
/// <param name="Variables">Its environment variables.</param>
/// <param name="BundledBinary">The path of the binary in a wheel that contains Litestream; in other wheels it is null or the
/// file does not exist.</param>
/// <param name="SqliteProgram">The command line of a program that works on SQLite files, for this process must not open
/// them; empty if there is none.</param>
/// <param name="Time">The clock.</param>
internal sealed record HostEnvironment(
    IReadOnlyDictionary<string, string> Variables, string? BundledBinary, IReadOnlyList<string> SqliteProgram, TimeProvider Time)
{
    /// <summary>The folder of the program that runs Datasette, where pip installs programs; null if unknown.</summary>
    public string? ProgramFolder => SqliteProgram is [{ } program, ..] ? Path.GetDirectoryName(program) : null;

    /// <summary>The environment of a Litestream.</summary>
    /// <param name="credentials">The credentials of the moment; null for those that Datasette's environment has.</param>
    public Dictionary<string, string> ForLitestream(S3Credentials? credentials) => (credentials?.ApplyTo(Variables) ?? Variables)

        // An inherited log level could hide errors, and the lines that show that Litestream 0.3 is ready.
        .Where(variable => variable.Key != "LOG_LEVEL")
        .ToDictionary(StringComparer.Ordinal);

    // The ToString that the compiler generates would print the variables, including secrets.
    public override string ToString() => nameof(HostEnvironment);
}
