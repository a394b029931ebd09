namespace Datasette.Litestream.Credentials;

/// <summary>Credentials from the configuration itself.</summary>
internal sealed class StaticCredentials(S3Credentials credentials) : ICredentialSource
{
    public string Description => "the configuration";

    public Task<IssuedCredentials> ReadAsync(CancellationToken cancellationToken) => Task.FromResult(new IssuedCredentials(credentials));
}
