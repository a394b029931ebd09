using System.Text.Json;

namespace Datasette.Litestream.Configuration;

/// <summary>Whether a database is replicated, as somebody wants it by hand, whatever the configuration says.</summary>
/// <param name="isReplicated">Whether it is.</param>
/// <param name="replica">The destination, as an item of <c>replicas</c>; null for all that the configuration names for it.</param>
/// <remarks>This is not a record, since the ToString that the compiler generates would print secrets.</remarks>
internal sealed class ReplicationByHand(bool isReplicated, JsonElement? replica = null)
{
    public bool IsReplicated => isReplicated;

    public JsonElement? Replica => replica;
}
