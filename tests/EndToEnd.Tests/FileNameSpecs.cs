using System.Text.Json.Nodes;
using CliWrap;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A file may have several names, or one that SQLite takes for another file's.</summary>
[TestClass]
public sealed class FileNameSpecs
{
    [TestMethod]
    public async Task A_name_that_cannot_be_replicated_does_not_keep_others_from_it()
    {
        using var workspace = new Workspace();
        string[] files = [workspace.Create("parks"), workspace.Create("a#b")];
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [.. files, .. Settings.ReplicateAll()]);

        Assert.IsFalse(Directory.Exists(workspace.Path(".a#b.db-litestream")));
        await datasette.AssertReplicatesAsync("parks");
    }

    // Nothing is written here: SQLite itself fails with a disk I/O error where one process has a file open by two hard links.
    [TestMethod]
    public async Task A_second_name_of_a_file_is_left_out_and_warned_of()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        await LinkAsync(workspace, file, "trails.db");
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, "trails.db", .. Settings.ReplicateAll()]);

        StringAssert.Contains(datasette.Output, $"parks: its file {workspace.Path(file)} has 2 names (hard links).");
        Assert.IsFalse(Directory.Exists(workspace.Path(".trails.db-litestream")));
        var status = await datasette.WaitForStatusAsync(status => (string?)Database(status, "parks")["state"] == "replicating", "the first name is replicated");
        Assert.AreEqual("failing", (string?)Database(status, "trails")["state"]);
        StringAssert.Contains((string?)Database(status, "trails")["reason"]!["sentence"], "is the same file");

        static JsonNode Database(JsonNode status, string name) =>
            status["databases"]!.AsArray().Single(database => (string?)database!["name"] == name)!;
    }

    [TestMethod]
    public async Task A_second_Datasette_on_another_name_of_a_file_is_refused()
    {
        using var workspace = new Workspace();
        workspace.Create("parks");
        Directory.CreateDirectory(workspace.Path("elsewhere"));
        await LinkAsync(workspace, "parks.db", "elsewhere/trails.db");
        await using var first = await DatasetteProcess.StartAsync(workspace, ["parks.db", .. Settings.ReplicateAll()]);
        var litestream = await workspace.WaitForLitestreamAsync();

        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, ["elsewhere/trails.db", .. Settings.ReplicateAll()]);

        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(output, $"trails: another Datasette replicates {workspace.Path("elsewhere/trails.db")} already by another of its names (hard links)");
        Assert.AreEqual(litestream, workspace.Litestreams.Single());
        await first.AssertReplicatesAsync("parks");
    }

    private static async Task LinkAsync(Workspace workspace, string file, string other) =>
        await Cli.Wrap("ln").WithArguments([workspace.Path(file), workspace.Path(other)]).ExecuteAsync();
}
