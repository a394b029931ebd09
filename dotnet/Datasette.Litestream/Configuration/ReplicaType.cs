using static Datasette.Litestream.Configuration.ReleaseLine;

namespace Datasette.Litestream.Configuration;

/// <summary>A kind of destination: <c>type</c> in a mapping, the scheme in a URL.</summary>
/// <param name="Name">The type's name.</param>
/// <param name="Schemes">Its URL schemes.</param>
/// <param name="PlaceKey">The setting that a mapping without a URL requires.</param>
/// <param name="ReleaseLines">The release lines that support it.</param>
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

    /// <summary>Whether the plugin can read and write what lies there, so that a database can have other replicas beside it in 0.5.</summary>
    public bool CanBeMirrored => Name is "file" or "s3";

    /// <summary>The query keys of an <c>s3:</c> URL in 0.5; no other URL has settings in its query.</summary>
    public static IReadOnlyList<string> S3QueryKeys { get; } =
    [
        "endpoint", "region", "forcePathStyle", "skipVerify", "signPayload", "sign-payload", "requireContentMD5",
        "require-content-md5", "storageClass", "storage-class", "partSize", "part-size", "concurrency",
    ];
}
