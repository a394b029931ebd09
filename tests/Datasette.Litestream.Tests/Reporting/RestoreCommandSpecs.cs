using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class RestoreCommandSpecs
{
    [TestMethod]
    [DataRow("litestream", "parks")]
    [DataRow("litestream", "a b+c&d=e$f;g'h é 😀")]
    [DataRow("litestream-0.3.13", "parks")]
    [DataRow("litestream-0.3.13", "a b+c&d=e$f;g'h é 😀")]
    public async Task What_it_says_brings_the_database_back(string program, string name)
    {
        var litestream = Programs.Require(program);
        var sqlite = Programs.Require("sqlite3");
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["restored"]);
        File.CreateSymbolicLink(folder["litestream"], litestream);
        var plan = Plans.Of(new DatasetteConfiguration(
            folder.Path,
            JsonElement.Parse(new Dictionary<string, string> { ["all-replicate"] = $"file://{folder.Path}/replica/$DB_NAME" }.ToJson()),
            new Dictionary<string, JsonElement>(),
            [new AttachedDatabase(name, folder[$"{name}.db"], IsMutable: true)])).Sound;
        var releaseLine = (await RunAsync(litestream, "version")).Contains("0.3.", StringComparison.Ordinal) ? ReleaseLine.V03 : ReleaseLine.V05;
        await RunAsync(sqlite, folder[$"{name}.db"], "pragma journal_mode = wal; create table t (x); insert into t values ('it is back')");
        var configuration = Yaml.Write(LitestreamConfiguration.Create(plan, releaseLine, folder["socket"]));
        using (var replicate = new StartedChild(litestream, ["replicate", "-no-expand-env", "-config", "/dev/stdin"], input: configuration))
        {
            var uploaded = Path.Combine(plan.Databases.Single().Replicas.Single().Destination, "ltx", "0", LtxFiles.NameOf(1));
            await Eventually.HoldsAsync(() => releaseLine == ReleaseLine.V05
                ? File.Exists(uploaded)
                : replicate.Errors.Contains("wal segment written", StringComparison.Ordinal));
            replicate.Process.Send(LibC.SIGTERM);
            await replicate.EndsAsync();
        }

        var command = Plans.RestoreCommand(plan.Databases.Single(), releaseLine);
        using var restore = StartedChild.Shell($"PATH={folder.Path}:$PATH; cd {folder["restored"]}\n{command}");
        Assert.AreEqual(0, (await restore.EndsAsync()).Code, $"{command}\n{restore.Errors}");
        Assert.AreEqual("it is back", (await RunAsync(sqlite, folder[$"restored/{name}-restored.db"], "select x from t")).Trim());
    }

    [TestMethod]
    public void A_URL_that_says_everything_is_all_there_is() =>
        Assert.AreEqual("litestream restore -o parks-restored.db s3://maps/parks", Command("\"s3://maps/$DB_NAME\""));

    [TestMethod]
    public void What_only_a_configuration_says_is_in_one_without_its_secrets()
    {
        var command = Command("""
            {"type": "s3", "bucket": "maps", "path": "it's", "region": "eu-west-1", "endpoint": "https://s3.example",
             "access-key-id": "AKIAFAKE", "secret-access-key": "fake-secret", "sse-customer-key": "fake-key"}
            """);
        Assert.StartsWith("printf %s '", command);
        Assert.EndsWith(" | litestream restore -o parks-restored.db -no-expand-env -config /dev/stdin /srv/data/parks.db", command);
        foreach (var part in new[] { "maps", "it'\\''s", "eu-west-1", "https://s3.example" })
        {
            Assert.Contains(part, command);
        }

        foreach (var secret in new[] { "AKIAFAKE", "fake-secret", "fake-key" })
        {
            Assert.DoesNotContain(secret, command);
        }
    }

    [TestMethod]
    public void Each_replica_has_a_command_of_its_own() =>
        CollectionAssert.AreEqual(
            new[] { "litestream restore -o parks-restored.db s3://a/parks", "litestream restore -o parks-restored.db file:///b/parks" },
            Plans.From("""{"all-replicate": ["s3://a/$DB_NAME", "file:///b/$DB_NAME"]}""").Sound.Databases
                .SelectMany(database => database.Replicas, (database, replica) => RestoreCommand.For(database, replica, ReleaseLine.V03)).ToList());

    private static string Command(string replica) =>
        Plans.RestoreCommand(Plans.FromReplica(replica.Trim('"')).Sound.Databases.Single(), ReleaseLine.V05);

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var child = new StartedChild(program, arguments);
        Assert.AreEqual(0, (await child.EndsAsync()).Code, child.Errors);
        return child.Output;
    }
}
