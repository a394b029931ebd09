using static Datasette.Litestream.Configuration.ReleaseLine;
using static Datasette.Litestream.Configuration.SettingKind;

namespace Datasette.Litestream.Configuration;

/// <summary>What the value of a replica setting is.</summary>
internal enum SettingKind
{
    Text,

    /// <summary>Text that is never shown, and in which a variable is read only where it is the whole value.</summary>
    Secret,
    Duration,
    Count,
    Flag,

    /// <summary>Bytes: a number, or text with a unit such as <c>5MiB</c>.</summary>
    Size,
    TextList,

    /// <summary>The mapping <c>age: {identities: […], recipients: […]}</c>.</summary>
    Age,
}

/// <summary>
/// One of Litestream's own settings of a replica. Litestream ignores keys that it does not know, so this table is what
/// stands between a typo and a backup that is not what its owner thinks it is.
/// Source: <c>ReplicaConfig</c> and <c>ReplicaSettings</c> in Litestream's cmd/litestream/main.go, v0.3.13 and v0.5.17.
/// </summary>
internal sealed record ReplicaSetting(string Key, SettingKind Kind, ReleaseLine ReleaseLines)
{
    public static IReadOnlyDictionary<string, ReplicaSetting> ByKey { get; } = new ReplicaSetting[]
    {
        new("type", Text, Both),
        new("name", Text, Both),
        new("path", Text, Both),
        new("url", Text, Both),
        new("sync-interval", Duration, Both),
        new("validation-interval", Duration, Both),
        new("retention", Duration, V03),
        new("retention-check-interval", Duration, V03),
        new("snapshot-interval", Duration, V03),
        new("max-sync-ltx-files", Count, V05),
        new("auto-recover", Flag, V05),

        // S3
        new("access-key-id", Secret, Both),
        new("secret-access-key", Secret, Both),
        new("region", Text, Both),
        new("bucket", Text, Both),
        new("endpoint", Text, Both),
        new("force-path-style", Flag, Both),
        new("skip-verify", Flag, Both),
        new("sign-payload", Flag, V05),
        new("require-content-md5", Flag, V05),
        new("storage-class", Text, V05),
        new("part-size", Size, V05),
        new("concurrency", Count, V05),
        new("sse-customer-algorithm", Text, V05),
        new("sse-customer-key", Secret, V05),
        new("sse-customer-key-path", Text, V05),
        new("sse-kms-key-id", Text, V05),

        // Azure Blob Storage
        new("account-name", Text, Both),
        new("account-key", Secret, Both),
        new("sas-token", Secret, V05),

        // SFTP
        new("host", Text, Both),
        new("user", Text, Both),
        new("password", Secret, Both),
        new("key-path", Text, Both),
        new("concurrent-writes", Flag, V05),
        new("host-key", Text, V05),

        // WebDAV
        new("webdav-url", Text, V05),
        new("webdav-username", Text, V05),
        new("webdav-password", Secret, V05),

        // NATS
        new("jwt", Secret, V05),
        new("seed", Secret, V05),
        new("creds", Text, V05),
        new("nkey", Secret, V05),
        new("username", Text, V05),
        new("token", Secret, V05),
        new("tls", Flag, V05),
        new("root-cas", TextList, V05),
        new("client-cert", Text, V05),
        new("client-key", Text, V05),
        new("max-reconnects", Count, V05),
        new("reconnect-wait", Duration, V05),
        new("timeout", Duration, V05),

        new("age", Age, V03),
    }.ToDictionary(setting => setting.Key, StringComparer.Ordinal);
}

/// <summary>A kind of place that a replica can be in: <c>type</c> in a mapping, the scheme of a URL.</summary>
/// <param name="Name">The type's name.</param>
/// <param name="Schemes">The URL schemes that mean it.</param>
/// <param name="PlaceKey">What a mapping without a URL must name.</param>
/// <param name="ReleaseLines">Which generations know it.</param>
internal sealed record ReplicaType(string Name, string[] Schemes, string PlaceKey, ReleaseLine ReleaseLines)
{
    public static IReadOnlyDictionary<string, ReplicaType> ByName { get; } = new ReplicaType[]
    {
        new("file", ["file"], "path", Both),
        new("s3", ["s3"], "bucket", Both),
        new("gcs", ["gcs"], "bucket", V03),
        new("gs", ["gs"], "bucket", V05),
        new("abs", ["abs"], "bucket", Both),
        new("sftp", ["sftp"], "host", Both),
        new("nats", ["nats"], "bucket", V05),
        new("oss", ["oss"], "bucket", V05),
        new("webdav", ["webdav", "webdavs"], "webdav-url", V05),
    }.ToDictionary(type => type.Name, StringComparer.Ordinal);

    public static IReadOnlyDictionary<string, ReplicaType> ByScheme { get; } = ByName.Values
        .SelectMany(type => type.Schemes.Select(scheme => (scheme, type)))
        .ToDictionary(pair => pair.scheme, pair => pair.type, StringComparer.Ordinal);

    /// <summary>What an <c>s3:</c> URL may say after its question mark, to 0.5; no other URL has settings there.</summary>
    public static IReadOnlyList<string> S3QueryKeys { get; } =
    [
        "endpoint", "region", "forcePathStyle", "skipVerify", "signPayload", "sign-payload", "requireContentMD5",
        "require-content-md5", "storageClass", "storage-class", "partSize", "part-size", "concurrency",
    ];
}
