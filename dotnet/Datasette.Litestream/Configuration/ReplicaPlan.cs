using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>One destination of one database.</summary>
/// <param name="Key">The key path of its setting.</param>
/// <param name="Type">Litestream's type, such as <c>file</c> or <c>s3</c>.</param>
/// <param name="Settings">Its settings for Litestream: scalars, lists of text and, for <c>age</c>, a mapping of lists.</param>
/// <param name="Destination">The destination for people: a path or a URL, without secrets.</param>
/// <param name="Identity">Equal for two replicas with the same destination, however each is written.</param>
internal sealed record ReplicaPlan(string Key, string Type, JsonObject Settings, string Destination, string Identity)
{
    /// <summary>The bucket or host and the path in it, as Litestream's own words have them; for a file the folder.</summary>
    public required string Place { get; init; }

    /// <summary>Where the server of the destination listens; null for a folder, and where its settings do not say.</summary>
    public DnsEndPoint? Server { get; init; }

    /// <summary>How often changes are uploaded; null for Litestream's default.</summary>
    public TimeSpan? SyncInterval { get; init; }

    /// <summary>The key paths of those of its settings that are written elsewhere, for several replicas, by their keys.</summary>
    public ImmutableDictionary<string, string> Inherited { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The key path of one of its settings.</summary>
    public string PathOf(string key) => Inherited.GetValueOrDefault(key) ?? $"{Key}.{key}";
}
