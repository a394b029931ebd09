using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What can be done by hand from the page, in a real browser: by those who may, with the keyboard, and without a script.</summary>
[TestClass]
public sealed class ManualPageSpecs
{
    /// <summary>The page is the same in each Datasette, so that a short run opens it in the newest.</summary>
    public static IEnumerable<object[]> Datasettes =>
        (Scale.IsFull ? DatasetteInstallation.Supported : [DatasetteInstallation.Supported[^1]]).Select(version => new object[] { version });

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Each_action_has_a_button_for_who_may(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.PythonOfAsync(version);
        string[] files = [workspace.Create("parks"), workspace.Create("roads"), workspace.Create("trees")];
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [.. files, .. Settings.ReplicateAll(), .. Settings.Set("exclude", "[\"trees\"]"), "-s", "permissions.litestream-view-status", "true"],
            python: python);
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        await using var browser = await Browser.OpenAsync(datasette, new() { JavaScriptEnabled = true });
        var page = browser.Page;
        var details = $"{Browser.Overview}?database=parks";

        await page.GotoAsync(details);
        await PressAsync(page, "Sync now", "Everything that was written to parks until now is at each of its destinations. State: replicated; ");
        await PressAsync(page, "Check the backup now", "can be restored up to transaction ");
        await PressAsync(page, "Verify now", "Equal to the live database after transaction ");
        await page.Locator("[data-field=proven_at], [data-field$=proven-at]").First.WaitForAsync();
        await PressAsync(page, "Pause", "parks is paused: ");
        await page.Locator(".litestream-state[data-field=state][data-state=stopped]").WaitForAsync();
        await page.Locator("[data-field=paused_by]").GetByText("root").WaitForAsync();
        Assert.AreEqual(0, await page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).CountAsync());
        await SaveAsync(browser, version, "paused");
        await PressAsync(page, "Resume", "parks is resumed.");
        await PressAsync(page, "End replication", "parks is not replicated any more.");
        StringAssert.EndsWith(page.Url, Browser.Overview);
        await page.Locator("[data-lines=skipped]").GetByText("parks: its replication was ended by hand").WaitForAsync();
        await browser.AssertAccessibleAsync(page.Locator("main"));
        await SaveAsync(browser, version, "ended");
        await page.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "trees:" }).GetByRole(AriaRole.Button, new() { Name = "Replicate" }).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.GetByText("trees is replicated to ").First.WaitForAsync();
        StringAssert.EndsWith(page.Url, "?database=trees");
        await page.GotoAsync(Browser.Overview);
        var before = await workspace.WaitForLitestreamAsync();
        await PressAsync(page, "Restart Litestream", "Litestream was restarted.");
        await workspace.WaitForLitestreamAsync(after: before);
        await page.Locator("[data-lines=deeds]").GetByText("root restarted Litestream by hand.").WaitForAsync();
        await page.GotoAsync(details.Replace("parks", "roads", StringComparison.Ordinal));
        await browser.AssertAccessibleAsync(page.Locator("main"));
        browser.AssertClean();

        // Somebody who may only look.
        await page.Context.ClearCookiesAsync();
        foreach (var address in new[] { Browser.Overview, $"{Browser.Overview}?database=roads" })
        {
            await page.GotoAsync(address);
            await page.Locator("[data-summary]").WaitForAsync();
            Assert.AreEqual(0, await page.Locator("form[method=post]").CountAsync());
        }
    }

    /// <summary>Presses a button with the keyboard, and waits for Datasette's message.</summary>
    private static async Task PressAsync(IPage page, string button, string message)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.GetByText(message).First.WaitForAsync(new() { Timeout = (float)DatasetteProcess.Patience.TotalMilliseconds });
    }

    private static async Task SaveAsync(Browser browser, string version, string what)
    {
        if (version != DatasetteInstallation.Main.Version)
        {
            return;
        }

        foreach (var width in new[] { 1280, 360 })
        {
            await browser.Page.SetViewportSizeAsync(width, 800);
            Assert.IsTrue(await browser.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), $"{what} is too wide for {width}");
            await browser.SaveScreenshotAsync($"manual-{what}-{width}");
        }

        await browser.Page.SetViewportSizeAsync(1280, 800);
    }
}
