using System.Net;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The status page in a real browser, and its JSON.</summary>
[TestClass]
public sealed class StatusPageSpecs
{
    [TestMethod]
    public async Task The_page_and_its_JSON_tell_how_replication_stands()
    {
        var litestream = RealParts.Litestream05;
        using var workspace = new Workspace();
        string[] files = [workspace.Create("parks"), workspace.Create("trees")];
        var metricsAddress = FreeAddress();
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [.. files, "--memory", .. Settings.ReplicateAll(), .. Settings.Set("metrics-addr", metricsAddress)]);
        await datasette.InsertAsync("parks", "through Datasette");

        var status = await datasette.WaitForStatusAsync(
            status => status["databases"]!.AsArray().All(database => (string?)database!["state"] == "replicating" && (ulong?)database["txid"] > 0),
            "both databases are replicating");
        Assert.AreEqual("running", (string?)status["state"]);
        Assert.AreEqual(workspace.Litestreams.Single(), (int?)status["litestream"]!["process_id"]);
        Assert.AreEqual(litestream, (string?)status["litestream"]!["binary"]);
        Assert.AreEqual(workspace.Backup("parks"), (string?)status["databases"]![0]!["destinations"]![0]);
        Assert.IsNotNull((string?)status["databases"]![0]!["last_sync_at"]);
        Assert.AreEqual("_memory", (string?)status["skipped"]![0]!["name"]);
        Assert.IsNull((string?)status["metrics"]!["error"]);

        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await page.GetByText("All 2 databases are replicated;").WaitForAsync();
        Assert.AreEqual(1, await page.GetByRole(AriaRole.Heading, new() { Name = "Litestream status" }).CountAsync());
        var row = page.GetByRole(AriaRole.Row).Filter(new() { Has = page.GetByRole(AriaRole.Link, new() { Name = "parks" }) }).First;
        StringAssert.Contains(await row.InnerTextAsync(), workspace.Backup("parks"));
        await page.GotoAsync("/");
        await page.Locator("details.nav-menu summary").ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Litestream status" }).ClickAsync();
        await browser.WaitForAddressAsync(Browser.Overview);
        await browser.SaveScreenshotAsync("status-page");
        browser.AssertClean();
    }

    [TestMethod]
    public async Task Without_a_metrics_address_the_page_says_how_to_have_metrics()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "metrics-addr: 127.0.0.1:9090");
    }

    private static string FreeAddress()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener.LocalEndpoint.ToString()!;
    }
}
