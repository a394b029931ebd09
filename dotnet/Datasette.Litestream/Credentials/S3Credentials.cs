namespace Datasette.Litestream.Credentials;

/// <summary>Credentials for S3, as Litestream finds them in its environment.</summary>
internal sealed record S3Credentials(string AccessKeyId, string SecretAccessKey, string? SessionToken)
{
    // Inherited credentials would override the configured ones, or mix with them.
    private static readonly string[] InheritedVariables =
    [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
        "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY",
    ];

    /// <summary>The values that must never be shown.</summary>
    public IEnumerable<string> Secrets => new[] { SecretAccessKey, SessionToken }.OfType<string>();

    /// <summary>An environment for Litestream: the inherited one with these credentials and no others.</summary>
    public Dictionary<string, string> ApplyTo(IReadOnlyDictionary<string, string> inherited)
    {
        var environment = inherited
            .Where(variable => !InheritedVariables.Contains(variable.Key))
            .ToDictionary(StringComparer.Ordinal);
        environment["AWS_ACCESS_KEY_ID"] = AccessKeyId;
        environment["AWS_SECRET_ACCESS_KEY"] = SecretAccessKey;
        if (SessionToken is not null)
        {
            environment["AWS_SESSION_TOKEN"] = SessionToken;
        }

        return environment;
    }

    // The ToString that the compiler generates would print the secret.
    public override string ToString() => nameof(S3Credentials);
}
