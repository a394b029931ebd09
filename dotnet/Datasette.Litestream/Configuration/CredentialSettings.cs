namespace Datasette.Litestream.Configuration;

/// <summary>Where the S3 credentials of all replicas come from, as configured.</summary>
internal abstract record CredentialSettings
{
    /// <summary>Keys in the configuration itself.</summary>
    public sealed record Static(string AccessKeyId, string SecretAccessKey, string? SessionToken) : CredentialSettings
    {
        // The ToString that the compiler generates would print the secret.
        public override string ToString() => nameof(Static);
    }

    /// <summary>JSON in a file, read again every <paramref name="RefreshInterval"/>.</summary>
    public sealed record File(string Path, TimeSpan RefreshInterval, bool KeepsOnFailure) : CredentialSettings;

    /// <summary>JSON that a command prints, run again every <paramref name="RefreshInterval"/>.</summary>
    public sealed record Command(string CommandLine, TimeSpan RefreshInterval, bool KeepsOnFailure) : CredentialSettings;
}
