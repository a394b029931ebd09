using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Creates Litestream's configuration, <c>litestream.yml</c>, from a <see cref="ReplicationPlan"/>. Source: <c>Config</c> in
/// Litestream's cmd/litestream/main.go, v0.3.13 and v0.5.17.
/// </summary>
internal static class LitestreamConfiguration
{
    /// <summary>The document as data: mappings, lists, text, whole numbers, true and false.</summary>
    /// <param name="plan">A plan that passed <see cref="VersionCompatibility"/>.</param>
    /// <param name="releaseLine">The release line that will read it.</param>
    /// <param name="socketPath">The path for the control socket; 0.3 has none.</param>
    public static JsonObject Create(ReplicationPlan plan, ReleaseLine releaseLine, string socketPath)
    {
        var document = new JsonObject();
        if (plan.Metrics is { } metrics)
        {
            document["addr"] = metrics.ToString();
        }

        document["logging"] = Logging();
        if (releaseLine == ReleaseLine.V05)
        {
            document["socket"] = new JsonObject { ["enabled"] = true, ["path"] = socketPath, ["permissions"] = 0b110_000_000 };

            // Litestream must give up its final sync before it would be killed; the plugin uses up to a third of the time
            // before that sync.
            document["shutdown-sync-timeout"] = GoDuration.Format(plan.ShutdownTimeout * 0.6);
            Retention.AddTo(document, plan);
        }

        document["dbs"] = new JsonArray([.. plan.Databases.Select(database => (JsonNode)Database(database, releaseLine))]);
        return document;
    }

    /// <summary>
    /// The content of litestream.yml for a child process that works on one database beside the Litestream that replicates: with
    /// neither a control socket nor an address for metrics, which belong to that one.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="releaseLine">The release line that will read it.</param>
    public static string ForOne(DatabasePlan database, ReleaseLine releaseLine) => Yaml.Write(new JsonObject
    {
        ["logging"] = Logging(),
        ["dbs"] = new JsonArray(Database(database, releaseLine)),
    });

    /// <summary>The content of litestream.yml for display: only some of the databases, and without secrets.</summary>
    /// <param name="document">What <see cref="Create"/> made.</param>
    /// <param name="databasePaths">The files of the databases to show.</param>
    /// <param name="redactor">Knows what is shown of an access key id.</param>
    public static string Show(JsonObject document, IReadOnlySet<string> databasePaths, Redactor redactor)
    {
        var shown = new JsonObject();
        foreach (var (key, value) in document)
        {
            shown[key] = key == "dbs" && value is JsonArray databases
                ? new JsonArray([.. databases.Where(database => databasePaths.Contains(database!["path"]!.GetValue<string>())).Select(database => database!.DeepClone())])
                : value?.DeepClone();
        }

        HideSecrets(shown, redactor);
        return Yaml.Write(shown);
    }

    /// <summary>Masks the secrets in a document.</summary>
    /// <param name="document">What <see cref="Create"/> made; it is changed.</param>
    /// <param name="redactor">Knows what is shown of an access key id.</param>
    public static void HideSecrets(JsonObject document, Redactor redactor) =>
        SecretMask.Apply(document, (key, value) => !SettingsTable.IsSecret(key) ? null
            : SettingsTable.IsAccessKeyId(key) && value is JsonValue id ? redactor.ShowAccessKeyId(id.ToString())
            : Redactor.Mask);

    /// <summary>
    /// The name of a replica. 0.3 stores its position under that name, which is the type by default, so two file replicas of a
    /// database would share one position.
    /// </summary>
    public static string ReplicaName(ReplicaPlan replica, int index) =>
        replica.Settings["name"]?.GetValue<string>() ?? $"replica-{index}";

    /// <summary>The settings of the only replica of a database that Litestream 0.5 has.</summary>
    public static JsonObject PrimaryOf(DatabasePlan database)
    {
        var replica = database.Primary.Settings.DeepClone().AsObject();
        foreach (var key in Retention.Keys.Append("name"))
        {
            replica.Remove(key);
        }

        return replica;
    }

    private static JsonObject Logging() => new() { ["level"] = "info", ["type"] = "json", ["stderr"] = true };

    private static JsonObject Database(DatabasePlan database, ReleaseLine releaseLine)
    {
        var mapping = new JsonObject { ["path"] = database.Path };
        foreach (var (key, value) in database.Settings)
        {
            mapping[SettingsTable.Database[key].KeyIn(releaseLine)] = value!.DeepClone();
        }

        if (releaseLine == ReleaseLine.V03)
        {
            mapping["replicas"] = new JsonArray([.. database.Replicas.Select((replica, i) => (JsonNode)NamedReplica(replica, i))]);
        }
        else
        {
            mapping["replica"] = PrimaryOf(database);
        }

        return mapping;
    }

    private static JsonObject NamedReplica(ReplicaPlan replica, int index)
    {
        var settings = replica.Settings.DeepClone().AsObject();
        settings["name"] = ReplicaName(replica, index);
        return settings;
    }
}
