using Datasette.Litestream.EndToEnd.Faults;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The status page in each state, on a desk and on a phone, light and dark: it fits, and is accessible. The screenshots are in
/// <c>TestResults</c>; <c>scripts/screenshots</c> puts them into the documentation.
/// </summary>
[TestClass]
public sealed class ScreenshotSpecs
{
    /// <summary>The folder of the databases if the screenshots are for the documentation.</summary>
    private static readonly string? Folder = Environment.GetEnvironmentVariable("DATASETTE_LITESTREAM_SCREENSHOTS");

    /// <summary>How the page is looked at: in a short run each width and each color once.</summary>
    private static readonly (int Width, ColorScheme Colors)[] Looks = Scale.IsFull || Folder is not null
        ? [(1280, ColorScheme.Light), (1280, ColorScheme.Dark), (360, ColorScheme.Light), (360, ColorScheme.Dark)]
        : [(1280, ColorScheme.Light), (360, ColorScheme.Dark)];

    private const string Parks = $"{Browser.Overview}?database=parks";

    private const int FirstCopyBytes = 60_000_000, BytesPerSecond = 1_000_000;

    [TestMethod]
    public async Task Everything_is_safe()
    {
        using var workspace = new Workspace(Folder);
        await using var datasette = await StartAsync(workspace);
        await datasette.InsertAsync("parks", new string('x', 100_000));
        await datasette.WaitForStatusAsync(status => (bool?)status["healthy"] == true, "all is well");
        await TakeAsync(datasette, "green");
    }

    [TestMethod]
    public async Task A_database_is_copied_for_the_first_time()
    {
        using var workspace = new Workspace(Folder);
        using var server = await S3Server.StartAsync();
        using var proxy = new TcpProxy(server.Endpoint);
        proxy.Limit(BytesPerSecond);
        var key = await server.CreateKeyAsync();
        workspace.Create("trees");
        using (var parks = workspace.Open(workspace.Create("parks")))
        {
            parks.Execute(
                $"with recursive n(i) as (select 1 union all select i + 1 from n where i < {FirstCopyBytes / 1_000_000}) "
                + "insert into rows (text) select hex(randomblob(500000)) from n");
        }

        await using var datasette = await StartAsync(
            workspace,
            [
                .. Settings.Set("all-replicate", server.Url("$DB_NAME").Replace(server.Endpoint, proxy.Endpoint, StringComparison.Ordinal)),
                .. Settings.Set("access-key-id", key.Id),
                .. Settings.Set("secret-access-key", key.Secret),
            ]);
        await datasette.WaitForStatusAsync(
            status => (int)status["counts"]!["starting"]! == 1 && (string?)status["databases"]![0]!["reason"]!["code"] == "first_copy", "the first copy is under way");
        await TakeAsync(datasette, "first-copy");
        proxy.Forward();
    }

    [TestMethod]
    public async Task A_disk_is_full()
    {
        using var workspace = new Workspace(Folder);
        using var disk = await SmallDisk.MountAsync(workspace.Path("backup"));
        await using var datasette = await StartAsync(workspace);
        await datasette.WaitForStatusAsync(status => (int)status["counts"]!["starting"]! == 0, "both are replicated");
        disk.Fill();
        await datasette.InsertAsync("parks", "not safe");
        await datasette.WaitForStatusAsync(status => (string?)status["databases"]![0]!["reason"]!["cause"] == "A disk is full.", "the cause is known");
        await TakeAsync(datasette, "failing");
        disk.Empty();
    }

    [TestMethod]
    public async Task Litestream_does_not_start_again()
    {
        using var workspace = new Workspace(Folder);
        await using var datasette = await StartAsync(workspace);
        await datasette.WaitForStatusAsync(status => (int)status["counts"]!["starting"]! == 0, "both are replicated");
        File.Move(workspace.Path(workspace.Write("broken", "#!/bin/sh\nexit 1\n")), workspace.Path("litestream"), overwrite: true);
        File.SetUnixFileMode(workspace.Path("litestream"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        foreach (var litestream in workspace.Litestreams)
        {
            _ = Signals.Send(litestream, Signals.SIGKILL);
        }

        await datasette.WaitForStatusAsync(status => (string?)status["state"] == "waiting" && (int)status["litestream"]!["failures"]! >= 4, "Litestream is down");
        await TakeAsync(datasette, "down");
    }

    [TestMethod]
    public async Task A_drill_is_due_and_then_proven_and_one_that_failed_is_made_good()
    {
        using var workspace = new Workspace(Folder);
        await using var datasette = await StartAsync(workspace);
        await datasette.WaitForStatusAsync(status => (bool?)status["healthy"] == true, "all is well");
        await using var browser = await Browser.OpenAsync(datasette);
        await TakeAsync(browser, "drill-due", Parks);
        await VerifyAsync(datasette, browser);
        await TakeAsync(browser, "drill-proven", Parks);
        var snapshots = Directory.GetFiles(Path.Combine(workspace.Backup("parks"), "ltx", "9"));
        BackupFault.FlipBit(snapshots.Order(StringComparer.Ordinal).Last());
        await VerifyAsync(datasette, browser);
        await datasette.WaitForStatusAsync(
            status => (bool?)status["healthy"] == true && (string?)status["databases"]!.AsArray().Single(one => (string?)one!["name"] == "parks")!["replicas"]![0]!["drill"]!["state"] == "proven",
            "the failed backup is proven again");
        await TakeAsync(browser, "drill-healed", Parks);
        await TakeAsync(browser, "drills", "/-/litestream/drills");
    }

    [TestMethod]
    public async Task A_drill_shows_that_the_database_itself_is_damaged()
    {
        using var workspace = new Workspace(Folder);
        using (var parks = workspace.Open(workspace.Create("parks")))
        {
            parks.Execute("create index texts on rows (text)");
            parks.Execute("pragma writable_schema = on");
            parks.Execute("update sqlite_master set rootpage = (select rootpage from sqlite_master where name = 'rows') where name = 'texts'");
        }

        await using var datasette = await StartAsync(workspace);
        await datasette.WaitForStatusAsync(status => (bool?)status["healthy"] == true, "all is well");
        await using var browser = await Browser.OpenAsync(datasette);
        await VerifyAsync(datasette, browser);
        await datasette.WaitForStatusAsync(status => (string?)status["databases"]![0]!["reason"]!["code"] == "database_damaged", "the fault is known");
        await TakeAsync(browser, "drill-failed", Parks);
    }

    [TestMethod]
    public async Task Nothing_is_configured()
    {
        using var workspace = new Workspace(Folder);
        await using var datasette = await StartAsync(workspace, []);
        await TakeAsync(datasette, "not-configured");
    }

    /// <summary>Starts Datasette 1.0 with <c>parks</c> and <c>trees</c>, and a copy of Litestream beside them.</summary>
    /// <param name="workspace">The folder.</param>
    /// <param name="settings">The plugin's; replication to <c>backup</c> by default.</param>
    private static async Task<DatasetteProcess> StartAsync(Workspace workspace, string[]? settings = null)
    {
        foreach (var name in new[] { "parks", "trees" }.Where(name => !File.Exists(workspace.Path($"{name}.db"))))
        {
            workspace.Create(name);
        }

        File.Copy(RealParts.Litestream05, workspace.Path("litestream"));
        return await DatasetteProcess.StartAsync(
            workspace,
            ["parks.db", "trees.db", .. settings ?? Settings.ReplicateAll()],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = workspace.Path("litestream"), ["AWS_CA_BUNDLE"] = null },
            await PluginEnvironment.PythonAsync(DatasetteInstallation.Main10));
    }

    private static async Task VerifyAsync(DatasetteProcess datasette, Browser browser)
    {
        var before = (await datasette.StatusAsync())["deeds"]!.AsArray().Count;
        await browser.Page.GotoAsync(Parks);
        await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Verify now" }).ClickAsync(new() { Timeout = (float)DatasetteProcess.Patience.TotalMilliseconds });
        await datasette.WaitForStatusAsync(status => status["deeds"]!.AsArray().Count > before, "the drill is over");
    }

    private static async Task TakeAsync(DatasetteProcess datasette, string state)
    {
        await using var browser = await Browser.OpenAsync(datasette);
        await TakeAsync(browser, state, Browser.Overview);
    }

    private static async Task TakeAsync(Browser browser, string state, string address)
    {
        var page = browser.Page;
        await page.GotoAsync(address);
        foreach (var (width, colors) in Looks)
        {
            await page.SetViewportSizeAsync(width, 800);
            await page.EmulateMediaAsync(new() { ColorScheme = colors });
            await page.ReloadAsync();
            await browser.SaveScreenshotAsync($"{state}-{width}-{colors.ToString().ToLowerInvariant()}");
            Assert.AreEqual(width, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), $"{state} {width}");
            await browser.AssertAccessibleAsync();
        }

        browser.AssertClean();
    }
}
