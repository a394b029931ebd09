using System.Net;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Several processes that serve one file: one replicates at any time, and when it ends another one does at once.</summary>
[TestClass]
public sealed class HandOverSpecs
{
    /// <summary>A page that shows what is mapped into the process.</summary>
    private const string Maps =
        """
        from pathlib import Path
        from datasette import hookimpl, Response

        @hookimpl
        def register_routes():
            return [(r"^/maps$", lambda: Response.text(Path("/proc/self/maps").read_text()))]
        """;

    private static readonly string[] Arguments = ["parks.db", .. Settings.ReplicateAll()];

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    private static JsonObject Replicate => new() { ["all-replicate"] = "file://$PWD/backup/$DB_NAME" };

    /// <summary>Whether the destination answers after 3 s; only deploys are tried with that in short runs.</summary>
    public static IEnumerable<object[]> Destinations => Scale.IsFull ? [[false], [true]] : [[false]];

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_second_one_shows_what_the_first_one_sees_and_takes_over_at_its_end(string version)
    {
        using var workspace = MakeWorkspace();
        var python = await PluginEnvironment.PythonOfAsync(version);
        await using var first = await DatasetteProcess.StartAsync(workspace, Arguments, python: python);
        var litestream = await workspace.WaitForLitestreamAsync();
        await first.WaitForDatabaseAsync("replicating");
        await using var second = await DatasetteProcess.StartAsync(workspace, Arguments, python: python);
        var status = await second.WaitForStatusAsync(
            status => (string?)status["databases"]![0]!["state"] == "replicating", "the other one replicates");
        Assert.AreEqual("standby", (string?)status["state"]);
        Assert.AreEqual(litestream, (int?)status["litestream"]!["process_id"]);
        StringAssert.StartsWith((string?)status["summary"], $"This Datasette stands by; process {first.Id} replicates. ");
        var (code, line) = await HealthAsync(second);
        Assert.AreEqual(HttpStatusCode.OK, code);
        StringAssert.StartsWith(line, "ok: ");
        StringAssert.EndsWith(line, $"(stands by; process {first.Id} replicates)\n");
        // 0.65 has no place for a line on a database's own page.
        string[] pages = ["/-/litestream-status", "/-/litestream-status?database=parks", .. DatasetteInstallation.Is10In(python) ? ["/parks"] : Array.Empty<string>()];
        foreach (var page in pages)
        {
            StringAssert.Contains(await second.Http.GetStringAsync(page), $"process {first.Id} replicates");
        }

        StringAssert.Contains(await second.Http.GetStringAsync("/-/litestream/metrics"), "datasette_litestream_standby_databases 1");
        await using var watch = new LitestreamWatch(workspace, () => second);
        await first.InsertAsync("parks", "the last row of the first");
        await first.StopAsync();
        Assert.AreNotEqual(litestream, await workspace.WaitForLitestreamAsync(after: litestream));
        await second.WaitForDatabaseAsync("replicating");
        await watch.AssertAsync($"SIGTERM, {version}");
        await second.AssertReplicatesAsync("parks");
        Assert.IsEmpty(workspace.Litestreams);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    [DoNotParallelize]
    public async Task One_that_is_killed_leaves_a_Litestream_that_is_killed_and_its_rows_are_sent(bool isV03)
    {
        using var workspace = MakeWorkspace();
        var environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = isV03 ? RealParts.Litestream03 : RealParts.Litestream05 };
        await using var first = await DatasetteProcess.StartAsync(workspace, Arguments, environment);
        var litestream = await workspace.WaitForLitestreamAsync();
        await using var second = await DatasetteProcess.StartAsync(workspace, Arguments, environment);
        await using var watch = new LitestreamWatch(workspace, () => second);
        await using var load = new WriteLoad(workspace, "parks.db");
        await load.WaitForAsync(100);

        // That of 0.3 logs each second, and would end by itself if nobody could read it.
        await using var output = new FileStream($"/proc/{litestream}/fd/1", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await using var errors = new FileStream($"/proc/{litestream}/fd/2", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        first.Send(Signals.SIGKILL);
        await workspace.WaitForLitestreamAsync(after: litestream);
        await Wait.UntilAsync(
            () => second.Output.Contains($"A Litestream (process {litestream}) was left over from a Datasette that was killed (process {first.Id}); it was killed", StringComparison.Ordinal),
            "it is told");
        await load.WaitForAsync(100);
        var committed = await load.StopAsync();
        await watch.AssertAsync($"SIGKILL, {(isV03 ? "0.3" : "0.5")}");
        await second.StopAsync();
        await workspace.AssertLoadRestoredAsync("parks", committed);
    }

    [TestMethod]
    [DynamicData(nameof(Destinations))]
    public async Task Workers_of_uvicorn_replicate_one_at_a_time(bool isSlow)
    {
        using var backup = await HandedOverBackup.MakeAsync(isSlow);
        var workspace = backup.Workspace;
        var (workers, kills) = (Scale.IsFull ? 4 : 2, Scale.Of(10));
        if (!isSlow)
        {
            backup.Settings["health-max-lag"] = 5;
        }

        await using var host = await DatasetteProcess.WorkersAsync(workspace, await PluginEnvironment.PythonOfAsync(), backup.Settings, "uvicorn", workers);
        var litestream = await workspace.WaitForLitestreamAsync();
        await using var watch = new LitestreamWatch(workspace, () => host);
        for (var i = 0; i < kills; i++)
        {
            // uvicorn starts another worker, which stands by.
            _ = Signals.Send(ParentOf(litestream), Signals.SIGKILL);
            litestream = await workspace.WaitForLitestreamAsync(after: litestream);
        }

        await WaitForHealthAsync(host, HttpStatusCode.OK, "ok: ");
        await watch.AssertAsync($"uvicorn, workers killed{Slowly(isSlow)}");

        // A destination that is away when a worker starts is a wrong configuration.
        await Wait.UntilAsync(() => host.Output.Split("Application startup complete.").Length > workers + kills, "all workers have started");
        if (!isSlow)
        {
            await AssertAllFailWithTheDestinationAsync(workspace, host);
        }

        await backup.AssertReplicatedByAsync(host);
    }

    [TestMethod]
    [DynamicData(nameof(Destinations))]
    public async Task Workers_of_gunicorn_replicate_one_at_a_time_through_SIGHUP(bool isSlow)
    {
        using var backup = await HandedOverBackup.MakeAsync(isSlow);
        var workspace = backup.Workspace;
        var python = await NeighbourSpecs.PythonAsync("datasette==1.0a41", "gunicorn==27.0.1");
        await using var host = await DatasetteProcess.WorkersAsync(workspace, python, backup.Settings, "gunicorn", 2);
        var litestream = await workspace.WaitForLitestreamAsync();
        await WaitForHealthAsync(host, HttpStatusCode.OK, "");
        await using var watch = new LitestreamWatch(workspace, () => host);
        for (var i = 0; i < Scale.Of(24); i++)
        {
            await host.InsertAsync("parks", $"before SIGHUP {i}");
            host.Send(Signals.SIGHUP);
            litestream = await workspace.WaitForLitestreamAsync(after: litestream);
            await WaitForHealthAsync(host, HttpStatusCode.OK, "ok: ");
        }

        await watch.AssertAsync($"gunicorn, SIGHUP{Slowly(isSlow)}");
        await backup.AssertReplicatedByAsync(host);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    [DoNotParallelize]
    public async Task Green_over_blue_replicates_without_a_gap(bool isSlow)
    {
        using var backup = await HandedOverBackup.MakeAsync(isSlow);
        var workspace = backup.Workspace;
        var blue = await DatasetteProcess.StartAsync(workspace, backup.Arguments);
        var litestream = await workspace.WaitForLitestreamAsync();
        await using var watch = new LitestreamWatch(workspace, () => blue);
        for (var i = 0; i < (isSlow && !Scale.IsFull ? 1 : Scale.Of(20)); i++)
        {
            var green = await DatasetteProcess.StartAsync(workspace, backup.Arguments);
            var old = blue;
            blue = green;
            await old.InsertAsync("parks", $"the last row of {i}");
            await old.StopAsync();
            await old.DisposeAsync();
            litestream = await workspace.WaitForLitestreamAsync(after: litestream);
        }

        await watch.AssertAsync($"green over blue{Slowly(isSlow)}");
        await using (blue)
        {
            await backup.AssertReplicatedByAsync(blue);
        }
    }

    /// <summary>What reloads Datasette gives the old process a second, and kills it then.</summary>
    [TestMethod]
    public async Task One_that_is_reloaded_every_second_replicates_without_a_gap()
    {
        using var workspace = MakeWorkspace();
        workspace.Write("datasette.yaml", "plugins:\n  datasette-litestream:\n    all-replicate:\n    - file://$PWD/backup/$DB_NAME\n");
        string[] arguments = ["parks.db", "-c", "datasette.yaml", "--reload", "-p", $"{Ports.FindFree()}"];
        await using var datasette = await DatasetteProcess.StartAsync(workspace, arguments, python: await PluginEnvironment.PythonOfAsync("1.0a41"));
        await workspace.WaitForLitestreamAsync();
        await using var watch = new LitestreamWatch(workspace, () => datasette);
        using var seconds = new PeriodicTimer(TimeSpan.FromSeconds(1));
        for (var i = 0; i < Scale.Of(120) && await seconds.WaitForNextTickAsync(); i++)
        {
            File.SetLastWriteTimeUtc(workspace.Path("datasette.yaml"), DateTime.UtcNow);
        }

        await WaitForHealthAsync(datasette, HttpStatusCode.OK, "ok: ");
        await watch.AssertAsync("--reload");
        await datasette.AssertReplicatesAsync("parks");
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task One_page_for_cron_replicates_nothing_and_loads_no_dotnet(string version)
    {
        using var workspace = MakeWorkspace();
        Directory.CreateDirectory(workspace.Path("plugins"));
        workspace.Write("plugins/maps.py", Maps);
        var python = await PluginEnvironment.PythonOfAsync(version);
        string[] arguments = [.. Arguments, "--plugins-dir", "plugins"];
        await using var server = await DatasetteProcess.StartAsync(workspace, arguments, python: python);
        var litestream = await workspace.WaitForLitestreamAsync();
        StringAssert.Contains(await server.Http.GetStringAsync("/maps"), "libcoreclr");

        await using var watch = new LitestreamWatch(workspace, () => server);
        var pages = await Task.WhenAll(Enumerable.Range(0, Scale.Of(20)).Select(_ => DatasetteProcess.RunAsync(workspace, [.. arguments, "--get", "/maps"], python: python)));
        foreach (var (exitCode, page) in pages)
        {
            Assert.AreEqual(0, exitCode, page);
            StringAssert.Contains(page, "libc");
            Assert.DoesNotContain("libcoreclr", page);
        }

        var (_, health) = await DatasetteProcess.RunAsync(workspace, [.. arguments, "--get", "/-/litestream/health"], python: python);
        StringAssert.Contains(health, "off: replication has not started");
        await watch.AssertAsync($"--get, {version}");
        Assert.AreEqual(litestream, workspace.Litestreams.Single());
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_Datasette_that_is_closed_ends_its_own_replication(string version)
    {
        using var workspace = MakeWorkspace();
        var output = await DatasetteProcess.RunApplicationAsync(workspace, await PluginEnvironment.PythonOfAsync(version), Replicate, "closed.py");
        StringAssert.Contains(output, "\nfirst: running\nsecond: standby this process\nsecond: took over\nnothing is left\n");
        Assert.IsEmpty(workspace.Litestreams);
        await workspace.AssertRestoredAsync("parks");
    }

    private static Workspace MakeWorkspace()
    {
        _ = RealParts.Litestream;
        var workspace = new Workspace();
        workspace.Create("parks");
        return workspace;
    }

    private static string Slowly(bool isSlow) => isSlow ? ", S3 that answers after 3 s" : "";

    private static int ParentOf(int processId) =>
        int.Parse(File.ReadLines($"/proc/{processId}/status").Single(line => line.StartsWith("PPid:", StringComparison.Ordinal)).Split(':')[1]);

    private static async Task<(HttpStatusCode Code, string Line)> HealthAsync(DatasetteProcess datasette)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(datasette.Http.BaseAddress!, "/-/litestream/health"));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Waits until each of ten connections in turn is told the same.</summary>
    private static async Task<TimeSpan> WaitForHealthAsync(DatasetteProcess datasette, HttpStatusCode code, string line)
    {
        var told = "";
        try
        {
            return await Wait.UntilAsync(IsSoAsync, $"the health of every worker is {code}");
        }
        catch (Exception)
        {
            Console.WriteLine($"told last: {told}\n{datasette.Output}");
            throw;
        }

        async Task<bool> IsSoAsync()
        {
            for (var i = 0; i < 10; i++)
            {
                try
                {
                    var (answered, with) = await HealthAsync(datasette);
                    if (answered != code || !with.StartsWith(line, StringComparison.Ordinal))
                    {
                        told = $"{answered} {with}";
                        return false;
                    }
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Of several workers, all say that the backup is failing, not only the one that replicates.</summary>
    private static async Task AssertAllFailWithTheDestinationAsync(Workspace workspace, DatasetteProcess host)
    {
        Directory.Move(workspace.Path("backup"), workspace.Path("taken-away"));
        workspace.Write("backup", "");
        await host.InsertAsync("parks", "while the destination is away");
        Console.WriteLine($"every worker 503 after {await WaitForHealthAsync(host, HttpStatusCode.ServiceUnavailable, "bad: ")}");
        File.Delete(workspace.Path("backup"));
        Directory.Move(workspace.Path("taken-away"), workspace.Path("backup"));
        await WaitForHealthAsync(host, HttpStatusCode.OK, "ok: ");
    }
}
