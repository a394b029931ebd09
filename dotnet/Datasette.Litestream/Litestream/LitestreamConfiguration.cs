using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Litestream's own configuration, <c>litestream.yml</c>, made from a <see cref="ReplicationPlan"/>.
/// Source: <c>Config</c> in Litestream's cmd/litestream/main.go, v0.3.13 and v0.5.17.
/// </summary>
internal static class LitestreamConfiguration
{
    /// <summary>The document as data: mappings, lists, text, whole numbers, true and false.</summary>
    /// <param name="plan">A plan that passed <see cref="VersionCompatibility"/>.</param>
    /// <param name="releaseLine">The release line that will read it.</param>
    /// <param name="socketPath">Where the control socket is to be; 0.3 has none.</param>
    public static JsonObject Create(ReplicationPlan plan, ReleaseLine releaseLine, string socketPath)
    {
        var document = new JsonObject();
        if (plan.Metrics is { } metrics)
        {
            document["addr"] = metrics.ToString();
        }

        document["logging"] = new JsonObject { ["level"] = "info", ["type"] = "json", ["stderr"] = true };
        if (releaseLine == ReleaseLine.V05)
        {
            document["socket"] = new JsonObject { ["enabled"] = true, ["path"] = socketPath, ["permissions"] = 0b110_000_000 };

            // Litestream gives up on its final sync before it would be killed; a third of the time is spent before it starts.
            document["shutdown-sync-timeout"] = GoDuration.Format(plan.ShutdownTimeout * 0.6);
        }

        document["dbs"] = new JsonArray([.. plan.Databases.Select(database => (JsonNode)Database(database, releaseLine))]);
        return document;
    }

    /// <summary>
    /// The name of one of a database's replicas: 0.3 keeps its position by name, and would take the type for one, so
    /// that two file replicas would share it.
    /// </summary>
    public static string ReplicaName(ReplicaPlan replica, int index) =>
        replica.Settings["name"]?.GetValue<string>() ?? $"replica-{index}";

    private static JsonObject Database(DatabasePlan database, ReleaseLine releaseLine)
    {
        var mapping = new JsonObject { ["path"] = database.Path };
        Add("monitor-interval", Text(database.MonitorInterval));
        Add("checkpoint-interval", Text(database.CheckpointInterval));
        Add("min-checkpoint-page-count", database.MinCheckpointPageCount);
        Add(
            releaseLine == ReleaseLine.V03 ? "max-checkpoint-page-count" : "truncate-page-n",
            database.MaxCheckpointPageCount);
        if (releaseLine == ReleaseLine.V03)
        {
            mapping["replicas"] = new JsonArray([.. database.Replicas.Select((replica, i) => (JsonNode)NamedReplica(replica, i))]);
        }
        else
        {
            var replica = database.Replicas[0].Settings.DeepClone().AsObject();
            replica.Remove("name");
            mapping["replica"] = replica;
        }

        return mapping;

        void Add(string key, JsonNode? value)
        {
            if (value is not null)
            {
                mapping[key] = value;
            }
        }
    }

    private static JsonObject NamedReplica(ReplicaPlan replica, int index)
    {
        var settings = replica.Settings.DeepClone().AsObject();
        settings["name"] = ReplicaName(replica, index);
        return settings;
    }

    private static JsonNode? Text(TimeSpan? duration) => duration is { } value ? GoDuration.Format(value) : null;
}
