using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Stores;

/// <summary>
/// How an S3 bucket is reached, as Litestream finds it in a replica's settings and its URL. Equal for the replicas that one client can
/// serve. Source: <c>NewS3ReplicaClientFromConfig</c> in cmd/litestream/main.go, v0.5.17, and the functions on endpoints in
/// its replica_url.go.
/// </summary>
/// <param name="Bucket">The bucket, or the ARN of an access point.</param>
internal sealed record S3Settings(string Bucket)
{
    /// <summary>The region of a server that is not Amazon's. Source: <c>DefaultRegion</c> in s3/replica_client.go.</summary>
    public const string DefaultRegion = "us-east-1";

    /// <summary>The servers that want the bucket in the path.</summary>
    private static readonly string[] PathStyleDomains = ["s3.filebase.com", ".backblazeb2.com", ".supabase.co"];

    /// <summary>The providers that do without it although their address has a port.</summary>
    private static readonly string[] KnownDomains =
    [
        ".amazonaws.com", ".digitaloceanspaces.com", ".backblazeb2.com", ".filebase.com", ".scw.cloud", ".r2.cloudflarestorage.com", "tigris.dev",
        "t3.storage.dev", ".supabase.co",
    ];

    /// <summary>The server, a URL; null for Amazon's.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The region; null to ask Amazon for it.</summary>
    public string? Region { get; init; }

    /// <summary>Whether the bucket goes into the path instead of the host name.</summary>
    public bool UsesPathStyle { get; init; }

    /// <summary>Whether any TLS certificate is accepted.</summary>
    public bool SkipsVerification { get; init; }

    /// <summary>Whether the bodies of requests are signed.</summary>
    public bool SignsPayload { get; init; } = true;

    /// <summary>The storage class of new objects; null for the bucket's own.</summary>
    public string? StorageClass { get; init; }

    /// <summary>The replica's own access key; null to find one in the environment.</summary>
    public string? AccessKeyId { get; init; }

    /// <summary>The secret key that belongs to it.</summary>
    public string? SecretAccessKey { get; init; }

    /// <summary>The key for server-side encryption, in Base64; null if the replica has none.</summary>
    public string? CustomerKey { get; init; }

    /// <summary>A file with that key; it is read when the store is used first.</summary>
    public string? CustomerKeyPath { get; init; }

    /// <summary>The KMS key for server-side encryption; null if the replica has none.</summary>
    public string? KmsKeyId { get; init; }

    /// <summary>The settings of a replica.</summary>
    public static S3Settings Of(ReplicaPlan replica)
    {
        var settings = replica.Settings;
        var url = Text(settings, "url") is { } text ? ReplicaUrl.Parse(text, out _) : null;
        var query = url?.QueryParts.GroupBy(part => part.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First().Value, StringComparer.Ordinal) ?? [];
        var (bucket, service) = url is null ? (Text(settings, "bucket")!, null)
            : S3Host.IsAccessPoint(url.Host) ? ($"{url.Host}/{SplitAccessPoint(url.Path).Name}", null)
            : S3Host.Parse(url.Host);
        var inQuery = InUrl("endpoint");
        var endpoint = Text(settings, "endpoint") is { } own ? WithScheme(own, isSecure: true)
            : inQuery is not null ? WithScheme(inQuery, isSecure: !IsLocal(inQuery))
            : service is null ? null
            : WithScheme(service, isSecure: !service.Contains(':', StringComparison.Ordinal));
        return new S3Settings(bucket)
        {
            Endpoint = endpoint,
            Region = Text(settings, "region") ?? InUrl("region") ?? (url is null ? null : S3Host.RegionOf(url.Host)) ?? (endpoint is null ? null : DefaultRegion),
            UsesPathStyle = FindPathStyle(),
            SkipsVerification = InUrl("skipVerify") is { } skips ? skips == "true" : Flag(settings, "skip-verify") ?? false,
            SignsPayload = Flag(settings, "sign-payload") ?? IsTrue(InUrl("signPayload") ?? InUrl("sign-payload")) ?? true,
            StorageClass = Text(settings, "storage-class") ?? InUrl("storageClass") ?? InUrl("storage-class"),
            AccessKeyId = Text(settings, "access-key-id"),
            SecretAccessKey = Text(settings, "secret-access-key"),
            CustomerKey = Text(settings, "sse-customer-key"),
            CustomerKeyPath = Text(settings, "sse-customer-key-path"),
            KmsKeyId = Text(settings, "sse-kms-key-id"),
        };

        string? InUrl(string key) => query.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;

        bool FindPathStyle()
        {
            var setting = Flag(settings, "force-path-style");
            var ofUrl = InUrl("forcePathStyle") is { } asked ? asked == "true"
                : inQuery is not null || service?.EndsWith(".backblazeb2.com", StringComparison.Ordinal) == true || service?.Contains(':', StringComparison.Ordinal) == true;
            return (setting ?? settings.ContainsKey("endpoint")) || ofUrl || (setting is null && endpoint is not null && WantsPathStyle(endpoint));
        }
    }

    /// <summary>Where a replica lies in its bucket, exactly as Litestream has it.</summary>
    public static string PathOf(ReplicaPlan replica)
    {
        if (Text(replica.Settings, "url") is not { } text)
        {
            return Text(replica.Settings, "path") ?? "";
        }

        // As Go's path.Clean makes it, of which Litestream removes the first slash.
        var url = ReplicaUrl.Parse(text, out _)!;
        var path = url.Path;
        if (S3Host.IsAccessPoint(url.Host))
        {
            return Path.GetFullPath('/' + SplitAccessPoint(path).Path).Trim('/');
        }

        return path.Length == 0 ? "." : Path.GetFullPath('/' + path).Trim('/');
    }

    /// <summary>The name of an access point comes after the first slash of its ARN.</summary>
    private static (string Name, string Path) SplitAccessPoint(string path) =>
        path.TrimStart('/').Split('/', 2) is [var name, var rest] ? (name, rest) : (path.TrimStart('/'), "");

    private static bool WantsPathStyle(string endpoint)
    {
        var host = new Uri(endpoint).Authority;
        return Array.Exists(PathStyleDomains, domain => host.EndsWith(domain, StringComparison.Ordinal))
            || (host.Contains(':', StringComparison.Ordinal) && !Array.Exists(KnownDomains, domain => host.Contains(domain, StringComparison.Ordinal)));
    }

    private static string WithScheme(string address, bool isSecure) =>
        address.StartsWith("http://", StringComparison.Ordinal) || address.StartsWith("https://", StringComparison.Ordinal) ? address
        : isSecure ? $"https://{address}"
        : $"http://{address}";

    /// <summary>Whether a server without a scheme is spoken to in the clear.</summary>
    private static bool IsLocal(string address)
    {
        var colon = address.LastIndexOf(':');
        var host = (colon < 0 ? address : address[..colon]).ToLowerInvariant();
        return host is "localhost" or "127.0.0.1"
            || Array.Exists(["192.168.", "10.", "172.16.", "172.17.", "172.18.", "172.19.", "172.2", "172.30.", "172.31."], part => host.StartsWith(part, StringComparison.Ordinal))
            || Array.Exists([".local", ".localhost"], part => host.EndsWith(part, StringComparison.Ordinal));
    }

    private static bool? IsTrue(string? text) => text?.ToLowerInvariant() switch
    {
        null => null,
        "true" or "1" or "t" or "yes" => true,
        _ => false,
    };

    private static string? Text(JsonObject settings, string key) => settings[key]?.ToString() is { Length: > 0 } text ? text : null;

    private static bool? Flag(JsonObject settings, string key) => settings[key]?.GetValue<bool>();

    // The ToString that the compiler generates would print the secrets.
    public override string ToString() => nameof(S3Settings);
}
