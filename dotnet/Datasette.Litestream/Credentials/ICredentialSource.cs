using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Where credentials come from.</summary>
internal interface ICredentialSource
{
    /// <summary>Its name on the status page, without secrets.</summary>
    string Description { get; }

    /// <summary>Reads the current credentials.</summary>
    /// <exception cref="ReplicationException">They cannot be read, or have expired.</exception>
    Task<IssuedCredentials> ReadAsync(CancellationToken cancellationToken);
}
