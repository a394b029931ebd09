namespace Datasette.Litestream.Credentials;

/// <summary>
/// The secrets that Litestream finds in Datasette's own environment. Source: Litestream's main.go and its replica clients, v0.3.13
/// and v0.5.17, and the AWS SDK for Go (https://pkg.go.dev/github.com/aws/aws-sdk-go-v2/config).
/// </summary>
internal static class InheritedSecrets
{
    private static readonly string[] SecretVariables =
    [
        "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "LITESTREAM_SECRET_ACCESS_KEY", "LITESTREAM_AZURE_ACCOUNT_KEY", "LITESTREAM_AZURE_SAS_TOKEN",
    ];

    private static readonly string[] AccessKeyIdVariables = ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "LITESTREAM_ACCESS_KEY_ID"];

    /// <summary>The values that must never be shown.</summary>
    public static IEnumerable<string> SecretsIn(IReadOnlyDictionary<string, string> environment) => Values(SecretVariables, environment);

    /// <summary>The access key ids.</summary>
    public static IEnumerable<string> AccessKeyIdsIn(IReadOnlyDictionary<string, string> environment) => Values(AccessKeyIdVariables, environment);

    private static IEnumerable<string> Values(string[] names, IReadOnlyDictionary<string, string> environment) =>
        names.Select(name => environment.GetValueOrDefault(name, "").Trim()).Where(value => value.Length > 0);
}
