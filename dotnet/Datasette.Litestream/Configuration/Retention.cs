using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// How far and how finely one can go back. Litestream 0.3 has that at each replica; 0.5 has one value for all databases, in
/// <c>snapshot</c> and <c>levels</c> (source: <c>Config</c> in cmd/litestream/main.go, v0.5.17).
/// </summary>
internal static class Retention
{
    public const string Key = "retention", IntervalKey = "snapshot-interval", LevelsKey = "levels", L0Key = "l0-retention";

    /// <summary>Litestream 0.5 has levels 1 to 8 for them.</summary>
    private const int MaxLevels = 8;

    /// <summary>Litestream's own, of both release lines.</summary>
    private static readonly TimeSpan Default = (TimeSpan)SettingsTable.Plugin[Key].Default!;

    /// <summary>Litestream 0.5's own.</summary>
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromHours(24);

    /// <summary>Litestream 0.5's own.</summary>
    private static readonly TimeSpan[] DefaultLevels = [TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5), TimeSpan.FromHours(1)];

    /// <summary>The settings that can be written for several replicas, and are each replica's.</summary>
    public static IReadOnlyList<string> Keys { get; } = [Key, IntervalKey];

    /// <summary>What is wrong with a replica's settings with every Litestream: the setting, and a message; null if nothing is.</summary>
    public static (string Key, string Message)? FindFault(JsonObject settings)
    {
        if (Read(settings, IntervalKey) is not { } interval || (Read(settings, Key) ?? Default) is var retention && retention >= interval)
        {
            return null;
        }

        return settings.ContainsKey(Key)
            ? (Key, TooShort(retention, interval, "the"))
            : (IntervalKey, $"is longer than retention, which is {GoDuration.Format(Default)} if nothing is set; set retention as well, or lower this");
    }

    /// <summary>What is wrong with a replica's retention with Litestream 0.5 alone; null if nothing is.</summary>
    public static string? FindFaultIn05(JsonObject settings) =>
        !settings.ContainsKey(IntervalKey) && Read(settings, Key) is { } retention && retention < DefaultInterval
            ? TooShort(retention, DefaultInterval, "Litestream 0.5's")
            : null;

    /// <summary>What is wrong with the time steps of <c>levels</c>; null if nothing is.</summary>
    public static string? FindFault(JsonArray levels)
    {
        var steps = levels.Select(level => GoDuration.Parse(level!.GetValue<string>())!.Value).ToList();
        return steps.Count > MaxLevels ? $"has {steps.Count} time steps, and Litestream has at most {MaxLevels}"
            : steps.Zip(steps.Skip(1)).FirstOrDefault(pair => pair.First >= pair.Second) is { First.Ticks: > 0 } pair
                ? $"has {GoDuration.Format(pair.Second)} after {GoDuration.Format(pair.First)}, and each time step must be longer than the one before"
            : null;
    }

    /// <summary>How far one can go back with 0.5.</summary>
    /// <param name="plan">A plan whose replicas agree.</param>
    public static TimeSpan Of(ReplicationPlan plan) => Read(SettingsOf(plan), Key) ?? Default;

    /// <summary>How long the files of level 0 stay with 0.5.</summary>
    public static TimeSpan L0Of(ReplicationPlan plan) => Read(plan.Settings, L0Key) ?? (TimeSpan)SettingsTable.Plugin[L0Key].Default!;

    /// <summary>The time between two points to which one can go back with the files of a level, while there are changes; null if unknown.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="database">The database.</param>
    /// <param name="level">The level: 0 for the files of single syncs, 1 to 8 for merged ones.</param>
    public static TimeSpan? StepOf(ReplicationPlan plan, DatabasePlan database, int level) =>
        level == 0 ? database.MonitorInterval ?? (TimeSpan)SettingsTable.Database["monitor-interval"].Default!
            : plan.Settings[LevelsKey] is JsonArray levels ? level <= levels.Count ? GoDuration.Parse(levels[level - 1]!.GetValue<string>()) : null
            : level <= DefaultLevels.Length ? DefaultLevels[level - 1]
            : null;

    /// <summary>Adds the settings to the configuration for 0.5.</summary>
    /// <param name="document">The configuration, which is added to.</param>
    /// <param name="plan">A plan whose replicas agree.</param>
    public static void AddTo(JsonObject document, ReplicationPlan plan)
    {
        var settings = SettingsOf(plan);
        var snapshot = new JsonObject();
        foreach (var key in Keys.Where(settings.ContainsKey))
        {
            snapshot[SettingsTable.Plugin[key].KeyIn05!.Split('.')[1]] = settings[key]!.DeepClone();
        }

        if (snapshot.Count > 0)
        {
            document["snapshot"] = snapshot;
        }

        if (plan.Settings[L0Key] is { } l0)
        {
            document[L0Key] = l0.DeepClone();
        }

        if (plan.Settings[LevelsKey] is JsonArray levels)
        {
            document[LevelsKey] = new JsonArray([.. levels.Select(level => new JsonObject { ["interval"] = level!.DeepClone() })]);
        }
    }

    private static JsonObject SettingsOf(ReplicationPlan plan) => plan.Databases is [{ Replicas: [var replica, ..] }, ..] ? replica.Settings : plan.Settings;

    private static TimeSpan? Read(JsonObject settings, string key) => settings[key] is { } value ? GoDuration.Parse(value.GetValue<string>()) : null;

    private static string TooShort(TimeSpan retention, TimeSpan interval, string whose) =>
        $"{GoDuration.Format(retention)} is shorter than {whose} snapshot-interval, {GoDuration.Format(interval)}; lower snapshot-interval to it, or raise it";
}
