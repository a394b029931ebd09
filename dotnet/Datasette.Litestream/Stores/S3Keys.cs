using System.Diagnostics.CodeAnalysis;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.SecurityToken;

namespace Datasette.Litestream.Stores;

/// <summary>
/// The key of each request, found where Litestream finds it: the replica's own, the environment's, and else what the AWS SDK finds
/// (a profile, the role of a container or a machine). New credentials are used from the next request on. Source: <c>Init</c> in
/// s3/replica_client.go and <c>applyLitestreamEnv</c> in cmd/litestream/main.go, v0.5.17, and the AWS SDK for Go
/// (https://pkg.go.dev/github.com/aws/aws-sdk-go-v2/config).
/// </summary>
/// <param name="settings">Says whether the replica has a key of its own.</param>
/// <param name="variables">Litestream's environment.</param>
internal sealed class S3Keys(S3Settings settings, Func<IReadOnlyDictionary<string, string>> variables) : AWSCredentials
{
    /// <inheritdoc/>
    public override ImmutableCredentials GetCredentials() =>
        Find() ?? Chain().GetAwaiter().GetResult().GetCredentials();

    /// <inheritdoc/>
    public override async Task<ImmutableCredentials> GetCredentialsAsync() =>
        Find() ?? await (await Chain().ConfigureAwait(false)).GetCredentialsAsync().ConfigureAwait(false);

    // For a role, of a profile or with a token as in EKS, the SDK makes these by reflection. It remembers what it has found.
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSecurityTokenServiceClient))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSecurityTokenServiceConfig))]
    private static Task<AWSCredentials> Chain() => DefaultAWSCredentialsIdentityResolver.GetCredentialsAsync();

    private ImmutableCredentials? Find()
    {
        if (settings is { AccessKeyId: { } own, SecretAccessKey: { } ownSecret })
        {
            return new ImmutableCredentials(own, ownSecret, null);
        }

        var environment = variables();
        return Value("AWS_ACCESS_KEY_ID", "LITESTREAM_ACCESS_KEY_ID", "AWS_ACCESS_KEY") is { } id
            && Value("AWS_SECRET_ACCESS_KEY", "LITESTREAM_SECRET_ACCESS_KEY", "AWS_SECRET_KEY") is { } secret
            ? new ImmutableCredentials(id, secret, environment.GetValueOrDefault("AWS_SESSION_TOKEN") is { Length: > 0 } token ? token : null)
            : null;

        // Litestream's own variable counts only where Amazon's is not set at all.
        string? Value(string name, string own, string older) =>
            (environment.GetValueOrDefault(name) ?? environment.GetValueOrDefault(own)) is { Length: > 0 } value ? value
            : environment.GetValueOrDefault(older) is { Length: > 0 } old ? old
            : null;
    }
}
