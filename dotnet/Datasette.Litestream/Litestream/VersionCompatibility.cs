using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Finds the parts of a <see cref="ReplicationPlan"/> that a version of Litestream does not support. Litestream would ignore
/// most of them silently, and the backup would not be what its owner expects.
/// </summary>
internal static class VersionCompatibility
{
    /// <summary>Adds unsupported settings to <paramref name="problems"/>, and returns warnings about translated ones.</summary>
    public static IReadOnlyList<string> Check(ReplicationPlan plan, LitestreamVersion version, ICollection<Problem> problems)
    {
        var releaseLine = version.ReleaseLine ?? throw new ArgumentException("an unsupported version", nameof(version));
        FindUnsupported(plan, version, releaseLine, problems);
        if (releaseLine == ReleaseLine.V03)
        {
            FindSharedNames(plan, problems);
            return [];
        }

        FindUnmirrored(plan, version, problems);
        FindConflicts(plan, version, problems);
        return FindTranslated(plan, version);
    }

    private static List<string> FindTranslated(ReplicationPlan plan, LitestreamVersion version)
    {
        var warnings = new List<string>();
        foreach (var database in plan.Databases)
        {
            foreach (var (key, value) in database.Settings)
            {
                if (SettingsTable.Database[key].KeyIn05 is { } nearest)
                {
                    warnings.Add($"Litestream {version} has no {key}; the {value} of {database.Name} is passed as its nearest equivalent, {nearest}.");
                }
            }
        }

        return warnings;
    }

    private static void FindUnsupported(
        ReplicationPlan plan, LitestreamVersion version, ReleaseLine releaseLine, ICollection<Problem> problems)
    {
        FindUnknownSettings(key => $"{ReplicationPlanner.TopLevelKey}.{key}", plan.Settings, SettingsTable.Plugin, version, releaseLine, problems);
        foreach (var database in plan.Databases)
        {
            FindUnknownSettings(key => $"{database.Key}.{key}", database.Settings, SettingsTable.Database, version, releaseLine, problems);
        }

        // Report each key path once, however many databases it applies to.
        foreach (var replica in plan.Databases.SelectMany(database => database.Replicas).DistinctBy(replica => replica.Key))
        {
            var type = ReplicaType.ByName[replica.Type];
            if (!type.ReleaseLines.HasFlag(releaseLine))
            {
                var known = ReplicaType.ByName.Values.Where(other => other.ReleaseLines.HasFlag(releaseLine)).Select(other => other.Name).ToList();
                problems.Add(new Problem(
                    replica.Key,
                    $"Litestream {version} has no replica type \"{type.Name}\"; it has {string.Join(", ", known)}{Suggestion.For(type.Name, known)}"));
            }

            if (releaseLine == ReleaseLine.V03
                && replica.Settings["url"]?.GetValue<string>().Contains('?', StringComparison.Ordinal) == true)
            {
                problems.Add(new Problem(
                    replica.Key,
                    $"Litestream {version} would ignore the query after the ? of the URL; write its parts as keys beside url, or run Litestream 0.5"));
            }

            var own = new JsonObject(replica.Settings.Where(setting => !replica.Inherited.ContainsKey(setting.Key)).Select(setting => KeyValuePair.Create(setting.Key, setting.Value?.DeepClone())));
            FindUnknownSettings(replica.PathOf, own, SettingsTable.Replica, version, releaseLine, problems);
        }
    }

    private static void FindUnknownSettings(
        Func<string, string> pathOf, JsonObject settings, SettingsScope scope, LitestreamVersion version, ReleaseLine releaseLine, ICollection<Problem> problems)
    {
        foreach (var (key, _) in settings)
        {
            if (!scope[key].ReleaseLines.HasFlag(releaseLine))
            {
                problems.Add(new Problem(
                    pathOf(key),
                    key == "age"
                        ? $"Litestream {version} cannot encrypt; remove age, or run Litestream 0.3.13"
                        : $"Litestream {version} has no such setting and would ignore it; remove it, or run "
                            + (releaseLine == ReleaseLine.V03 ? "Litestream 0.5" : "Litestream 0.3.13")));
            }
        }
    }

    // 0.5 has one snapshot-interval and one retention for all of its databases.
    private static void FindConflicts(ReplicationPlan plan, LitestreamVersion version, ICollection<Problem> problems)
    {
        var replicas = plan.Databases.SelectMany(database => database.Replicas, (database, replica) => (Database: database, Replica: replica)).ToList();
        foreach (var key in Retention.Keys)
        {
            var topLevelKey = $"{ReplicationPlanner.TopLevelKey}.{key}";
            var own = replicas.Find(pair => pair.Replica.Settings.ContainsKey(key) && pair.Replica.PathOf(key) != topLevelKey);
            if (own.Replica is null)
            {
                continue;
            }

            var value = own.Replica.Settings[key]!.GetValue<string>();
            if (replicas.Find(pair => pair.Replica.Settings[key]?.GetValue<string>() != value) is { Replica: not null } other)
            {
                problems.Add(new Problem(
                    own.Replica.PathOf(key),
                    $"Litestream {version} has one {key} for all databases, and this is {value} for {own.Database.Name}, while {other.Database.Name} has "
                    + $"{other.Replica.Settings[key]?.GetValue<string>() ?? "none"}; write it once, as {topLevelKey}, or run Litestream 0.3.13, which has one for each replica"));
            }
        }

        foreach (var replica in replicas.Select(pair => pair.Replica).DistinctBy(replica => replica.PathOf(Retention.Key)))
        {
            if (Retention.FindFaultIn05(replica.Settings) is { } fault)
            {
                problems.Add(new Problem(replica.PathOf(Retention.Key), fault));
            }
        }
    }

    private static void FindSharedNames(ReplicationPlan plan, ICollection<Problem> problems)
    {
        // The same replicas in all-replicate are one mistake, however many databases there are.
        foreach (var database in plan.Databases.DistinctBy(database => string.Join('\n', database.Replicas.Select(replica => replica.Key))))
        {
            var shared = database.Replicas
                .Select((replica, i) => (replica.Key, Name: LitestreamConfiguration.ReplicaName(replica, i)))
                .GroupBy(replica => replica.Name, StringComparer.Ordinal)
                .FirstOrDefault(group => group.Count() > 1);
            if (shared is not null)
            {
                problems.Add(new Problem(
                    shared.Last().Key, $"{database.Name} has two replicas named \"{shared.Key}\"; give each a name of its own"));
            }
        }
    }

    // Report each key path once: a list in all-replicate is one mistake, however many databases there are.
    private static void FindUnmirrored(ReplicationPlan plan, LitestreamVersion version, ICollection<Problem> problems)
    {
        var unmirrored = plan.Databases
            .Where(database => database.Replicas.Length > 1)
            .SelectMany(database => database.Replicas, (database, replica) => (Database: database, Replica: replica))
            .Where(pair => !ReplicaType.ByName[pair.Replica.Type].CanBeMirrored)
            .DistinctBy(pair => pair.Replica.Key);
        foreach (var (database, replica) in unmirrored)
        {
            problems.Add(new Problem(
                replica.Key,
                $"Litestream {version} replicates a database to one place, the plugin copies that to other folders and to S3, and {database.Name} has "
                + $"{replica.Destination} beside others; keep it alone, or replicate to a folder and have another program, such as rclone, copy that folder there"));
        }
    }
}
