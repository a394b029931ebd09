using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Where credentials come from.</summary>
internal interface ICredentialSource
{
    /// <summary>What to call it on the status page, without secrets.</summary>
    string Description { get; }

    /// <summary>Reads the credentials as they are now.</summary>
    /// <exception cref="ReplicationException">They cannot be had.</exception>
    Task<S3Credentials> ReadAsync(CancellationToken cancellationToken);
}
