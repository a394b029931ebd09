using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class GeneratedConfigurationSpecs
{
    private const int Count = 10_000;

    // Every run sees the same configurations.
    private static readonly FSharpOption<Replay> Seed =
        FSharpOption<Replay>.Some(new Replay(new Rnd(20_250_101, 1_000_003), FSharpOption<int>.None));

    [TestMethod]
    public void A_plan_names_its_problems_or_becomes_YAML_that_reads_back_and_tells_no_secret()
    {
        var refused = 0;
        var written = 0;
        Prop.ForAll(Generated.Configuration.ToArbitrary(), json =>
        {
            var planned = Plans.Of(Plans.Read(json));
            AssertNoSecret(planned.Problems.Select(problem => problem.ToString()));
            AssertNoSecret(planned.Plan.Warnings);
            if (planned.Problems.Count > 0)
            {
                refused++;
                return;
            }

            foreach (var version in new[] { Planned.V03, Planned.V05 })
            {
                var fit = planned with { Problems = [] };
                AssertNoSecret(fit.Check(version));
                AssertNoSecret(fit.Problems.Select(problem => problem.ToString()));
                if (fit.Problems.Count == 0)
                {
                    written++;
                    var releaseLine = version.ReleaseLine!.Value;
                    AssertReadsBack(LitestreamConfiguration.Create(fit.Plan, releaseLine, "/run/litestream.sock"), fit.Yaml(releaseLine));
                    AssertIsOneOf(fit.Plan, releaseLine);
                }
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Count).WithReplay(Seed));

        Assert.IsGreaterThan(Count / 5, refused, "too few configurations have problems");
        Assert.IsGreaterThan(Count / 5, written, "too few configurations have none");
    }

    /// <summary>The configuration for one database alone has what the whole one has for it, and nothing of the running Litestream's.</summary>
    private static void AssertIsOneOf(ReplicationPlan plan, ReleaseLine releaseLine)
    {
        var whole = LitestreamConfiguration.Create(plan, releaseLine, "/run/litestream.sock");
        for (var i = 0; i < plan.Databases.Length; i++)
        {
            var expected = new JsonObject
            {
                ["logging"] = whole["logging"]!.DeepClone(),
                ["dbs"] = new JsonArray(whole["dbs"]![i]!.DeepClone()),
            };
            Assert.AreEqual(Yaml.Write(expected), LitestreamConfiguration.ForOne(plan.Databases[i], releaseLine));
        }
    }

    private static void AssertNoSecret(IEnumerable<string> messages)
    {
        foreach (var message in messages)
        {
            Assert.DoesNotContain(Generated.SecretMark, message, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static void AssertReadsBack(JsonObject document, string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        Assert.IsTrue(IsSame(document, stream.Documents.Single().RootNode), yaml);
    }

    // Text must be quoted; otherwise Litestream's parser might read it as a number, a date or a boolean.
    private static bool IsSame(JsonNode? json, YamlNode yaml) => (json, yaml) switch
    {
        (JsonObject mapping, YamlMappingNode node) => mapping.Count == node.Children.Count
            && mapping.All(pair => node.Children.TryGetValue(pair.Key, out var value) && IsSame(pair.Value, value)),
        (JsonArray list, YamlSequenceNode node) => list.Count == node.Children.Count
            && list.Zip(node.Children).All(pair => IsSame(pair.First, pair.Second)),
        (JsonValue value, YamlScalarNode node) when value.GetValueKind() == JsonValueKind.String =>
            node.Style == ScalarStyle.DoubleQuoted && node.Value == value.GetValue<string>(),
        (JsonValue value, YamlScalarNode node) => node.Style == ScalarStyle.Plain && node.Value == value.ToJsonString(),
        _ => false,
    };

    /// <summary>Configurations as JSON, about half of them with an error.</summary>
    private static class Generated
    {
        /// <summary>A marker that every secret contains, and nothing else does.</summary>
        public const string SecretMark = "hunter2";

        private static readonly Gen<string> Text =
            from length in Gen.Choose(1, 12)
            from runes in Gen.ArrayOf(Gen.OneOf(Gen.Choose(1, 0x7F), Gen.Choose(0x80, 0xD7FF), Gen.Choose(0xE000, 0x10FFFF)), length)
            select string.Concat(runes.Select(char.ConvertFromUtf32));

        private static readonly Gen<string> Name = Gen.Frequency(
            (8, Gen.Elements("parks", "roads", "a b?c#d%", "a b+c&d=e$f;g'h é 😀", "x/y", "~", "true", "0x1F", "- a: b", new string('x', 200), "\u2028")),
            (2, Text),
            (1, Gen.Elements("..", "a/../b", "", "line\nbreak")));

        private static readonly Gen<string> Secret =
            from before in Text
            from after in Text
            select $"{before}{SecretMark}{after}".Trim();

        // Sometimes the secret has a wrong place or type; it must not be shown there either.
        private static readonly Gen<JsonNode?> SecretValue = Gen.Frequency(
            (40, Json(Secret)), (1, Items(Json(Secret))), (1, Secret.Select(secret => (JsonNode?)new JsonObject { ["x"] = secret })));

        private static readonly Gen<string> Password = Gen.Frequency(
            (40, Secret.Select(Uri.EscapeDataString)), (1, Gen.Constant($"fake${SecretMark}")), (1, Secret.Where(secret => !secret.Contains('@', StringComparison.Ordinal))));

        private static readonly Gen<JsonNode?> Duration = Of<object>("10s", "1h30m", "500ms", 60, 0.25);

        // Each error is rare, so that not every configuration is invalid.
        private static readonly Gen<JsonNode?> Wrong = Of<object?>(
            null, 0, -1, 1.5, true, "", "soon", "1h30", "$NOWHERE", "a\0b", Array.Empty<int>(), new { sub = 1 });

        private static readonly Gen<JsonNode?> Url =
            from url in Gen.OneOf(
                Gen.Elements(
                    "file:///backup/$DB_NAME", "file://$PWD/${DB_NAME}.bak", "file://$DB_DIRECTORY/$DB_NAME/x", "s3://maps/$DB_NAME",
                    "s3://maps/p/$DB_NAME?endpoint=minio:9000", "gs://maps/$DB_NAME", "abs://rangers@maps/$DB_NAME", "oss://maps/$DB_NAME"),
                Password.Select(password => $"sftp://ranger:{password}@h:22/$DB_NAME"),
                Password.Select(password => $"webdavs://ranger:{password}@h/$DB_NAME"))
            from tail in Gen.Frequency((14, Gen.Constant("")), (1, Gen.Elements("%", "#x", "?sig=x", "/$", "/$NOWHERE", "/../..", "\t", "@")))
            select (JsonNode?)JsonValue.Create(url + tail);

        // The settings for the replica's destination; the others can be any.
        private static readonly HashSet<string> PlaceKeys = ["url", "type", "path", .. ReplicaType.ByName.Values.Select(type => type.PlaceKey)];

        // A source of credentials can be combined only with its own settings.
        private static readonly string[][] CredentialKeys =
        [
            ["access-key-id", "secret-access-key", "session-token"],
            ["credentials-file", "credentials-refresh-interval", "on-refresh-failure"],
            ["credentials-command", "credentials-refresh-interval"],
        ];

        private static readonly Gen<JsonNode?> Mapping =
            from releaseLine in Gen.Elements(ReleaseLine.V03, ReleaseLine.V05)
            from mapping in Join(
                Gen.OneOf(
                    Members(("path", Of("/backup/$DB_NAME", "mapped/$DB_NAME"))),
                    Members(("url", Url)),
                    Members(("type", Of("s3")), ("bucket", Of("maps", "$BUCKET")), ("path", Of("m/$DB_NAME"))),
                    Members(("type", Of("sftp")), ("host", Of("h", "h:22")), ("path", Of("/m/$DB_NAME")))),
                Some(SettingsTable.Replica.All.Where(setting => !PlaceKeys.Contains(setting.Key) && setting.ReleaseLines.HasFlag(releaseLine))))
            select mapping;

        private static readonly Gen<JsonNode?> Replicas = Gen.OneOf(Url, Mapping, Items(Gen.OneOf(Url, Mapping)));

        private static readonly Gen<JsonNode?> Settings = Join(
            Join(
                Members(("all-replicate", Replicas)),
                Some(SettingsTable.Plugin.All.Where(setting => setting.Key != "all-replicate" && !CredentialKeys.Any(keys => keys.Contains(setting.Key))))),
            Gen.OneOf([Members(), .. CredentialKeys.Select(keys => Members([.. keys.Select(key => (key, Value(SettingsTable.Plugin[key])))]))]));

        private static readonly Gen<JsonNode?> DatabaseSettings = Join(
            Members(("replicas", Gen.OneOf(Url, Mapping))), Some(SettingsTable.Database.All.Where(setting => setting.Key != "replicas")));

        private static readonly Gen<AttachedDatabase> Database =
            from name in Name
            from path in Text
            from isMutable in Gen.Frequency((9, Gen.Constant(true)), (1, Gen.Constant(false)))
            from isFile in Gen.Frequency((9, Gen.Constant(true)), (1, Gen.Constant(false)))
            select new AttachedDatabase(name, isFile ? $"/srv/data/{Uri.EscapeDataString(name).Replace('%', '_')}/{Uri.EscapeDataString(path).Replace('%', '_')}" : null, isMutable);

        public static readonly Gen<string> Configuration =
            from settings in Gen.Frequency((9, Settings), (1, Wrong))
            from count in Gen.Choose(1, 3)
            from databases in Gen.ListOf(Database, count)
            from own in Gen.ListOf(Gen.Frequency((2, Gen.Constant<JsonNode?>(null)), (1, DatabaseSettings)), count)
            from stray in Gen.Frequency((30, Gen.Constant<string?>(null)), (1, Name.Select(name => (string?)name)))
            select new JsonObject
            {
                ["workingDirectory"] = "/srv",
                ["settings"] = settings,
                ["databaseSettings"] = new JsonObject(
                    databases.Select(database => database.Name).Zip(own)
                        .Where(pair => pair.Second is not null)
                        .Concat(stray is null ? [] : [(stray, new JsonObject())])
                        .DistinctBy(pair => pair.First)
                        .Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.First, pair.Second))),
                ["databases"] = JsonSerializer.SerializeToNode(databases.DistinctBy(database => database.Name), Plans.Json),
            }.ToJsonString();

        private static Gen<JsonNode?> Of<T>(params T[] values) =>
            Gen.Elements(values).Select(value => JsonSerializer.SerializeToNode(value, Plans.Json));

        private static Gen<JsonNode?> Json(Gen<string> texts) => texts.Select(text => (JsonNode?)JsonValue.Create(text));

        private static Gen<JsonNode?> Items(Gen<JsonNode?> items) =>
            from count in Gen.Choose(1, 2)
            from list in Gen.ListOf(items, count)
            select (JsonNode?)new JsonArray([.. list]);

        private static Gen<JsonNode?> Value(Setting setting) => setting.Kind switch
        {
            SettingKind.Text => Gen.OneOf(Of("$BUCKET"), Json(Text.Where(text => !text.Contains('$', StringComparison.Ordinal)))),
            SettingKind.Secret => SecretValue,
            SettingKind.SecretUrl => Gen.OneOf(Json(Secret.Select(secret => $"https://chat.example/{Uri.EscapeDataString(secret)}")), SecretValue),
            SettingKind.Choice => Of(setting.Choices),
            SettingKind.Duration => Duration,
            SettingKind.Count => Gen.Choose((int)setting.Min, 9000).Select(count => (JsonNode?)count),
            SettingKind.Flag => Of(true, false),
            SettingKind.Size => Of<object>(5, "5MiB"),
            SettingKind.Address => Of(":9090", "127.0.0.1:9090", "[::1]:80"),
            SettingKind.DurationList => Items(Duration),
            SettingKind.TextList => Items(Of("age1fake", "$BUCKET")),
            SettingKind.SecretList => Items(SecretValue),
            SettingKind.Replicas => Of("file:///internal/$DB_NAME", "s3://internal"),
            SettingKind.Mapping => Members([.. setting.Members!.All.Select(member => (member.Key, Value(member)))]),
            _ => throw new ArgumentOutOfRangeException(nameof(setting)),
        };

        private static Gen<JsonNode?> Some(IEnumerable<Setting> settings)
        {
            var all = settings.ToArray();
            return
                from count in Gen.Choose(0, 3)
                from chosen in Gen.ListOf(Gen.Elements(all), count)
                from members in Members([.. chosen.Distinct().Select(setting => (setting.Key, Value(setting)))])
                select members;
        }

        private static Gen<JsonNode?> Join(Gen<JsonNode?> left, Gen<JsonNode?> right) =>
            from first in left
            from second in right
            select (JsonNode?)new JsonObject(first!.AsObject().Concat(second!.AsObject())
                .Select(member => KeyValuePair.Create(member.Key, member.Value?.DeepClone())));

        // One in fifty values is wrong, and one in a hundred keys has a typo.
        private static Gen<JsonNode?> Members(params (string Key, Gen<JsonNode?> Value)[] members) =>
            from values in Gen.CollectToList(members, member => Gen.Frequency((49, member.Value), (1, Wrong)))
            from typos in Gen.ListOf(Gen.Choose(0, 99), members.Length)
            select (JsonNode?)new JsonObject(members.Zip(values, typos).Select(member =>
                KeyValuePair.Create<string, JsonNode?>(member.Third == 0 ? $"{member.First.Key}s" : member.First.Key, member.Second)));
    }
}
