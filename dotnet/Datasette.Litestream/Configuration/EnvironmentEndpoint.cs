namespace Datasette.Litestream.Configuration;

/// <summary>
/// The S3 server that the environment names. Litestream 0.5 obeys Amazon's two variables, but 0.3 does not, and neither obeys its
/// own in a configuration (tried with 0.5.17 and 0.3.13). So Litestream gets the address as a setting: then every release line, the
/// page and the restore command mean the same server.
/// </summary>
/// <param name="Variable">The variable.</param>
/// <param name="Address">Its value.</param>
/// <param name="Region">The region that the environment names for it; null if it names none.</param>
internal sealed record EnvironmentEndpoint(string Variable, string Address, string? Region)
{
    /// <summary>Finds it; null if the environment names none.</summary>
    /// <param name="environment">Returns an environment variable by name; null if it is not set.</param>
    public static EnvironmentEndpoint? Find(Func<string, string?> environment)
    {
        string[] names = string.Equals(environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true", StringComparison.OrdinalIgnoreCase)
            ? ["LITESTREAM_S3_ENDPOINT"]
            : ["LITESTREAM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        return Array.Find(names, name => Value(name) is not null) is { } variable
            ? new EnvironmentEndpoint(variable, Value(variable)!, Value("AWS_REGION") ?? Value("AWS_DEFAULT_REGION"))
            : null;

        string? Value(string name) => environment(name) is { Length: > 0 } value ? value : null;
    }
}
