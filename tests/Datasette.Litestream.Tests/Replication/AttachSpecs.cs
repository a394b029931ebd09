using System.Text.Json.Nodes;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>Databases that come and go while Datasette serves, as the bridge is told of them.</summary>
[TestClass]
public sealed class AttachSpecs
{
    [TestMethod]
    public async Task What_is_attached_is_replicated_and_what_is_detached_is_forgotten()
    {
        using var datasette = new TestDatasette();
        var (bridge, _) = datasette.Start();
        datasette.Databases = ["parks", "trees"];
        Serve(bridge, datasette);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") is not null && bridge.Snapshot!.Attaching.IsEmpty);
        Assert.IsTrue(File.Exists(datasette.RecordPath("trees")), "its lock has a record");
        datasette.Databases = ["parks"];
        Serve(bridge, datasette);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") is null);
        await Eventually.HoldsAsync(() => !File.Exists(datasette.RecordPath("trees")), "its lock was released");
        Assert.AreEqual("parks", bridge.Snapshot!.Plan.Databases.Single().Name);
    }

    [TestMethod]
    public async Task Without_a_database_at_the_start_the_first_one_starts_Litestream()
    {
        using var datasette = CreateDatasette([]);
        var (bridge, warnings) = datasette.Start();
        StringAssert.Contains(warnings, "No database is replicated");
        datasette.Databases = ["parks", "trees", ":memory:"];
        Serve(bridge, datasette);
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Daemon is { State: DaemonState.Running } && bridge.Snapshot.Plan.Databases.Length == 2);
        Assert.HasCount(1, datasette.Started);
        Assert.DoesNotContain("No database is replicated", string.Concat(bridge.Snapshot!.Warnings));
        Assert.AreEqual("it is in memory", bridge.Snapshot.Plan.Skipped.Single().Reason);
    }

    [TestMethod]
    public async Task One_that_Litestream_leaves_alone_with_an_error_is_red_and_tried_again()
    {
        using var datasette = CreateDatasette(["parks", "trees"]);
        var fails = datasette.Folder["fails"];
        datasette.Words = $"unregister-fails={fails}";
        File.WriteAllText(fails, "");
        var (bridge, _) = datasette.Start();
        datasette.Databases = ["parks"];
        Serve(bridge, datasette, "parks");
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Detaching.GetValueOrDefault("trees")?.Error?.Contains("told to fail", StringComparison.Ordinal) == true);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") == "failing");
        File.Delete(fails);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") is null);
    }

    [TestMethod]
    public async Task One_whose_file_is_gone_is_told_with_the_time_up_to_which_it_is_safe()
    {
        using var datasette = CreateDatasette(["parks", "trees"]);
        var (bridge, _) = datasette.Start();
        File.Delete(datasette.Folder["trees.db"]);
        bridge.Serve(Served(datasette, ["parks"]));
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Plan.Skipped.Any(skipped => skipped.Name == "trees" && skipped.Reason.Contains("its file was gone", StringComparison.Ordinal)));
        Assert.Contains(line => line.Contains("trees", StringComparison.Ordinal) && line.Contains("its file was gone", StringComparison.Ordinal), datasette.OperatorLines);
        Assert.AreEqual("parks", bridge.Snapshot!.Plan.Databases.Single().Name);
    }

    /// <summary>Its destination is the same, so the old one goes first.</summary>
    [TestMethod]
    public async Task Another_file_under_the_same_name_is_one_that_goes_and_one_that_comes()
    {
        using var datasette = CreateDatasette(["parks", "trees"]);
        datasette.Words = $"registered={datasette.Folder["registered"]}";
        var (bridge, _) = datasette.Start();
        File.WriteAllText(datasette.Folder["other.db"], "content");
        Serve(bridge, datasette, "parks", "trees=other.db");
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Plan.Databases.Any(database => database.Path == datasette.Folder["other.db"]) && bridge.Snapshot.Attaching.IsEmpty);
        Assert.HasCount(2, bridge.Snapshot!.Plan.Databases);
        CollectionAssert.AreEqual(
            new[] { ("/unregister", "trees.db"), ("/register", "other.db") },
            File.ReadAllLines(datasette.Folder["registered"]).Select(line => (line.Split(' ')[0], Path.GetFileName((string)JsonNode.Parse(line.Split(' ', 2)[1])!["path"]!))).ToArray());
    }

    [TestMethod]
    public async Task A_wrong_setting_of_one_that_is_attached_makes_that_one_red()
    {
        using var datasette = CreateDatasette(["parks"]);
        datasette.Settings["all-replicate"] = "s3://backup/all";
        var (bridge, _) = datasette.Start();
        datasette.Databases = ["parks", "trees"];
        Serve(bridge, datasette);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") == "failing");
        Assert.AreEqual("settings_refused", (string?)Database(bridge, "trees")!["reason"]!["code"]);
        Assert.AreEqual("parks", bridge.Snapshot!.Plan.Databases.Single().Name);
    }

    [TestMethod]
    public async Task One_beside_which_nothing_can_be_written_is_red_and_the_others_are_replicated()
    {
        using var datasette = CreateDatasette(["parks", "trees"]);
        File.WriteAllText(datasette.Folder[".trees.db-litestream"], "a file where Litestream's folder belongs");
        var (bridge, _) = datasette.Start();
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") == "failing");
        Assert.AreEqual("folder_unusable", (string?)Database(bridge, "trees")!["reason"]!["code"]);
        Assert.AreEqual("trees", bridge.Snapshot!.Unusable.Single().Key);
        Assert.HasCount(1, datasette.Started);
    }

    /// <summary>Litestream would take the state of one for that of the other.</summary>
    [TestMethod]
    public async Task One_that_is_attached_with_the_folder_of_another_one_for_its_state_is_red()
    {
        using var datasette = CreateDatasette(["parks"]);
        datasette.DatabaseSettings["trees"] = new JsonObject { ["meta-path"] = ".parks.db-litestream" };
        datasette.DatabaseSettings["lakes"] = new JsonObject { ["meta-path"] = "state/$DB_NAME" };
        var (bridge, _) = datasette.Start();
        datasette.Databases = ["parks", "trees", "lakes"];
        Serve(bridge, datasette);
        await Eventually.HoldsAsync(() => StateOf(bridge, "trees") == "failing");
        Assert.AreEqual("settings_refused", (string?)Database(bridge, "trees")!["reason"]!["code"]);
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Attaching.IsEmpty && bridge.Snapshot.Plan.Databases.Length == 2);
        Assert.IsTrue(Directory.Exists(datasette.Folder["state/lakes"]));
    }

    [TestMethod]
    [DataRow(".trees.db-litestream", DisplayName = "beside it")]
    [DataRow("state", DisplayName = "in the folder of meta-path")]
    public async Task One_whose_folder_can_be_used_again_is_replicated(string blocked)
    {
        var clock = new TestClock();
        using var datasette = new TestDatasette { Databases = ["parks", "trees"] };
        datasette.Settings["all-replicate"] = new JsonArray($"file://{datasette.Folder["one"]}/$DB_NAME", $"file://{datasette.Folder["two"]}/$DB_NAME");
        datasette.DatabaseSettings["trees"] = new JsonObject { ["meta-path"] = "state/$DB_NAME" };
        File.WriteAllText(datasette.Folder[blocked], "a file where a folder belongs");
        var replicator = await datasette.StartReplicatorAsync(clock).InTimeAsync();
        try
        {
            var unusable = replicator.Snapshot.Unusable.Single();
            Assert.AreEqual("trees", unusable.Key);
            StringAssert.Contains(unusable.Value, datasette.Folder[blocked]);
            File.Delete(datasette.Folder[blocked]);
            await PassUntilAsync(() => replicator.Snapshot.Unusable.IsEmpty && replicator.Snapshot.Attaching.IsEmpty);
            var later = clock.Now.AddSeconds(30);
            await PassUntilAsync(() => clock.Now >= later);
            Assert.IsEmpty(replicator.Snapshot.Forbidden);
            Assert.DoesNotContain(line => line.Contains("could not be", StringComparison.Ordinal), datasette.OperatorLines);
        }
        finally
        {
            await clock.PassUntilAsync(replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10))));
        }

        Task PassUntilAsync(Func<bool> condition) => Eventually.HoldsAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            return condition();
        });
    }

    /// <summary>A Datasette whose destination is not looked at every few seconds: the stand-in writes nothing there.</summary>
    private static TestDatasette CreateDatasette(IReadOnlyList<string> databases)
    {
        var datasette = new TestDatasette { Databases = databases };
        datasette.Settings["all-replicate"] = "s3://backup/$DB_NAME";
        datasette.Settings["writer-file"] = false;
        return datasette;
    }

    private static void Serve(Bridge bridge, TestDatasette datasette, params string[] names)
    {
        // It makes the files.
        _ = datasette.Request();
        bridge.Serve(Served(datasette, names.Length == 0 ? datasette.Databases : names));
    }

    private static string Served(TestDatasette datasette, IEnumerable<string> names) =>
        new JsonArray([.. names.Select(name => (JsonNode)new JsonObject
        {
            ["name"] = name.Split('=')[0],
            ["path"] = name.StartsWith(':') ? null : datasette.Folder[FileOf(name)],
            ["servedPath"] = name.StartsWith(':') ? null : datasette.Folder[FileOf(name)],
            ["isMutable"] = true,
        })]).ToJsonString();

    private static string FileOf(string name) => name.Contains('=', StringComparison.Ordinal) ? name.Split('=')[1] : $"{name}.db";

    private static JsonNode? Database(Bridge bridge, string name) =>
        TestDatasette.Status(bridge)["databases"]!.AsArray().FirstOrDefault(database => (string?)database!["name"] == name);

    private static string? StateOf(Bridge bridge, string name) => (string?)Database(bridge, name)?["state"];
}
