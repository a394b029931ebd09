using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>One place that one database is replicated to.</summary>
/// <param name="Key">The key path it came from.</param>
/// <param name="Type">Litestream's type, such as <c>file</c> or <c>s3</c>.</param>
/// <param name="Settings">Litestream's settings of it: scalars, lists of text and, for <c>age</c>, a mapping of lists.</param>
/// <param name="Destination">For people: a path or a URL, without secrets.</param>
/// <param name="Identity">Equal for two replicas that would write to one place, however each is spelled.</param>
internal sealed record ReplicaPlan(string Key, string Type, JsonObject Settings, string Destination, string Identity)
{
    /// <summary>How often changes are sent; null for Litestream's default.</summary>
    public TimeSpan? SyncInterval { get; init; }
}
