using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// What is done with a file that is not the one that was replicated, with the real Datasette and Litestream. Whatever that is, what could
/// be restored before still can.
/// </summary>
[TestClass]
public sealed class FileRuleSpecs
{
    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task An_empty_file_at_the_start_is_held_back_until_it_is_accepted(string litestream)
    {
        using var workspace = await ReplicatedAsync(litestream);
        var before = DateTimeOffset.UtcNow;
        Remove(workspace, "parks.db");
        await using var datasette = await StartAsync(workspace, litestream, "parks.db", "--create");
        await WaitForReasonAsync(datasette, "file_empty");
        await AssertHealthAsync(datasette, HttpStatusCode.ServiceUnavailable, "the file holds nothing, and its backup does");

        // Not even with tables, which a plugin may make.
        using (var parks = workspace.Open("parks.db"))
        {
            parks.Execute("create table rows (id integer primary key, text text not null)");
            parks.Insert("row 0 of parks");
        }

        await AssertRestoresAsync(workspace, litestream, before, "row 9 of parks");
        using var accepted = await datasette.Http.PostAsync("/-/litestream/accept", new StringContent("""{"database": "parks"}""", Encoding.UTF8, "application/json"));
        Assert.AreEqual(HttpStatusCode.OK, accepted.StatusCode, await accepted.Content.ReadAsStringAsync());
        await datasette.WaitForDatabaseAsync(Good(litestream));
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks", litestream: Binary(litestream));
        await AssertRestoresAsync(workspace, litestream, before, "row 9 of parks");
    }

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task An_older_file_with_its_folder_is_held_back_until_it_is_accepted(string litestream)
    {
        using var workspace = await ReplicatedAsync(litestream);
        Move(workspace, "parks.db", "older.db");
        File.Copy(workspace.Path("older.db"), workspace.Path("parks.db"));
        CopyFolder(workspace.Path(".older.db-litestream"), workspace.Path(".parks.db-litestream"));
        await using (var newer = await StartAsync(workspace, litestream, "parks.db"))
        {
            await newer.InsertAsync("parks", "newer");
            await newer.WaitForDatabaseAsync(Good(litestream));
            await newer.StopAsync();
        }

        var before = DateTimeOffset.UtcNow;
        Remove(workspace, "parks.db");
        Move(workspace, "older.db", "parks.db");
        await using (var datasette = await StartAsync(workspace, litestream, "parks.db"))
        {
            await WaitForReasonAsync(datasette, "file_older");
            await AssertHealthAsync(datasette, HttpStatusCode.ServiceUnavailable, "the file is older than its backup");
            await AssertRestoresAsync(workspace, litestream, before, "newer");
            Assert.Contains("accepted as it is", (await PluginCommand.RunAsync(workspace, Environment(litestream), ["accept", "parks.db", .. Settings.ReplicateAll()])).Succeeded().Output);
            await datasette.WaitForDatabaseAsync(Good(litestream));
            await datasette.StopAsync();
        }

        await workspace.AssertRestoredAsync("parks", litestream: Binary(litestream));
        await AssertRestoresAsync(workspace, litestream, before, "newer");
        Assert.Contains("is not held back", (await PluginCommand.RunAsync(workspace, Environment(litestream), ["accept", "parks.db", .. Settings.ReplicateAll()])).Succeeded().Output);
    }

    [TestMethod]
    [DataRow("0.5", true)]
    [DataRow("0.5", false)]
    [DataRow("0.3", true)]
    [DataRow("0.3", false)]
    public async Task Another_file_at_the_start_is_replicated_by_a_new_snapshot(string litestream, bool hasFolder)
    {
        using var workspace = await ReplicatedAsync(litestream);
        var before = DateTimeOffset.UtcNow;
        if (hasFolder)
        {
            workspace.Create("parks-new");
            File.Move(workspace.Path("parks-new.db"), workspace.Path("parks.db"), overwrite: true);
        }
        else
        {
            Remove(workspace, "parks.db");
            workspace.Create("parks");
        }

        using (var parks = workspace.Open("parks.db"))
        {
            parks.Execute("update rows set text = 'row 0 of parks' where id = 1");
            parks.Execute("delete from rows where id > 5");
        }

        await using var datasette = await StartAsync(workspace, litestream, "parks.db");
        await datasette.WaitForDatabaseAsync(Good(litestream));
        Assert.Contains("is replicated by a new snapshot", datasette.Output);
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks", litestream: Binary(litestream));
        await AssertRestoresAsync(workspace, litestream, before, "row 9 of parks");
    }

    [TestMethod]
    public async Task One_that_is_replaced_by_an_empty_file_while_it_is_served_is_held_back()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks", "trees");
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        var before = DateTimeOffset.UtcNow;
        workspace.Write("empty.db", "");
        File.Move(workspace.Path("empty.db"), workspace.Path("parks.db"), overwrite: true);
        await WaitForReasonAsync(datasette, "file_empty", "parks");
        await datasette.InsertAsync("trees", "goes on");
        await datasette.WaitForDatabaseAsync("replicating", "trees");
        await AssertRestoresAsync(workspace, "0.5", before, "row 9 of parks");
        await workspace.AssertRestoredAsync("trees");
    }

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task An_empty_file_that_is_attached_is_held_back_and_another_one_is_replicated_by_a_new_snapshot(string litestream)
    {
        using var workspace = await ReplicatedAsync(litestream, "parks", "trees");
        var before = DateTimeOffset.UtcNow;
        Remove(workspace, "parks.db");
        Remove(workspace, "trees.db");
        workspace.Write("parks.db", "");
        workspace.Create("trees", rows: 3);
        await using var datasette = await StartAsync(workspace, litestream, [workspace.Create("lakes"), .. AttachingPlugin.Options(workspace)]);
        await datasette.WaitForDatabaseAsync(Good(litestream), "lakes");
        await datasette.AttachAsync(("parks", "parks.db"), ("trees", "trees.db"));
        await WaitForReasonAsync(datasette, "file_empty", "parks");
        await datasette.WaitForDatabaseAsync(Good(litestream), "trees");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("trees", litestream: Binary(litestream));
        await AssertRestoresAsync(workspace, litestream, before, "row 9 of parks");
        await AssertRestoresAsync(workspace, litestream, before, "row 9 of trees", "trees");
    }

    /// <summary>An empty database that was replicated so is the same one at the next start.</summary>
    [TestMethod]
    public async Task A_database_that_is_new_and_empty_is_replicated_and_so_it_is_at_the_next_start()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        for (var i = 0; i < 2; i++)
        {
            await using var datasette = await StartAsync(workspace, "0.5", "parks.db", "--create");
            await datasette.WaitForDatabaseAsync("replicating");
            Assert.DoesNotContain("new snapshot", datasette.Output);
            await datasette.StopAsync();
        }
    }

    private static string Good(string litestream) => litestream == "0.5" ? "replicating" : "unverified";

    private static string Binary(string litestream) => litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03;

    private static Dictionary<string, string?> Environment(string litestream) => new() { ["DATASETTE_LITESTREAM_BINARY"] = Binary(litestream) };

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, string litestream, params string[] arguments) =>
        DatasetteProcess.StartAsync(workspace, [.. arguments, .. Settings.ReplicateAll()], Environment(litestream));

    private static async Task<Workspace> ReplicatedAsync(string litestream, params string[] names)
    {
        var workspace = new Workspace();
        names = names.Length == 0 ? ["parks"] : names;
        await using var datasette = await StartAsync(workspace, litestream, [.. names.Select(name => workspace.Create(name))]);
        foreach (var name in names)
        {
            await datasette.WaitForDatabaseAsync(Good(litestream), name);
        }

        await datasette.StopAsync();
        return workspace;
    }

    private static Task<JsonNode> WaitForReasonAsync(DatasetteProcess datasette, string reason, string name = "parks") => datasette.WaitForStatusAsync(
        status => status["databases"]!.AsArray().Any(database => (string?)database!["name"] == name && (string?)database["reason"]!["code"] == reason), $"{name} is {reason}");

    private static async Task AssertHealthAsync(DatasetteProcess datasette, HttpStatusCode expected, string words)
    {
        using var answer = await datasette.Http.GetAsync("/-/litestream/health");
        Assert.AreEqual(expected, answer.StatusCode);
        Assert.Contains(words, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>What the backup had at a time can still be restored.</summary>
    private static async Task AssertRestoresAsync(Workspace workspace, string litestream, DateTimeOffset time, string row, string name = "parks")
    {
        var file = $"then-{Guid.NewGuid():n}.db";
        (await PluginCommand.RunAsync(
            workspace,
            Environment(litestream),
            ["restore", $"{name}={workspace.Path(name)}.db", "--at", time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture), "-o", file, .. Settings.ReplicateAll()])).Succeeded();
        using var restored = workspace.Open(file);
        DumpComparison.AssertContains(restored.Dump(), row);
    }

    private static void Remove(Workspace workspace, string file)
    {
        foreach (var left in new[] { file, $"{file}-wal", $"{file}-shm" })
        {
            File.Delete(workspace.Path(left));
        }

        Directory.Delete(workspace.Path($".{file}-litestream"), recursive: true);
    }

    private static void Move(Workspace workspace, string file, string to)
    {
        foreach (var suffix in new[] { "", "-wal", "-shm" }.Where(suffix => File.Exists(workspace.Path(file + suffix))))
        {
            File.Move(workspace.Path(file + suffix), workspace.Path(to + suffix));
        }

        Directory.Move(workspace.Path($".{file}-litestream"), workspace.Path($".{to}-litestream"));
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
