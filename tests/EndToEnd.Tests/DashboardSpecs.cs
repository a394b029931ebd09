using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The status page updates itself in a real browser, is accessible, and works with any name.</summary>
[TestClass]
public sealed partial class DashboardSpecs
{
    private const string Overview = Browser.Overview;

    /// <summary>A name that is markup; a file's name cannot have the slash of an end tag.</summary>
    private const string Markup = "<img src=x onerror=alert(1)>";

    /// <summary>Opens the log.</summary>
    private const string LogSummary = "summary:text('The last lines')";

    [TestMethod]
    public async Task What_is_written_appears_without_a_reload()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await page.GotoAsync(Details("parks"));
        await page.EvaluateAsync("window.isTheSamePage = true");
        var txid = page.Locator("[data-field=replicated_txid]");
        var before = await TxidAsync(txid);
        await datasette.InsertAsync("parks", "through Datasette");
        await Wait.UntilAsync(async () => await TxidAsync(txid) > before, "the replica's transaction moves on");
        Assert.AreEqual(3, await page.Locator("svg[data-chart]").CountAsync());
        Assert.IsTrue(await page.EvaluateAsync<bool>("window.isTheSamePage"));

        await page.GotoAsync(Overview);
        await page.EvaluateAsync("window.isTheSamePage = true");
        var uploaded = page.Locator("[data-field=uploaded]");
        var amount = await uploaded.InnerTextAsync();
        await datasette.InsertAsync("parks", new string('x', 100_000));
        await Wait.UntilAsync(async () => await uploaded.InnerTextAsync() != amount, "more has been uploaded");
        Assert.IsTrue(await page.EvaluateAsync<bool>("window.isTheSamePage"));
        browser.AssertClean();
    }

    [TestMethod]
    public async Task What_somebody_does_with_the_page_stays_when_it_updates_itself()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, [.. Enumerable.Range(1, 12).Select(i => $"db{i:00}")]);

        // The rows are in the order of their states.
        await datasette.WaitForStatusAsync(status => (int)status["counts"]!["replicating"]! == 12, "all are replicated");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;

        // Datasette 0.65 closes at each click what else is open, so only one is opened.
        await page.Locator(LogSummary).ClickAsync();
        await page.Locator("[data-log] span").First.WaitForAsync();
        await page.GetByLabel("Name contains").FillAsync("half a na");
        await page.GetByRole(AriaRole.Link, new() { Name = "db12" }).FocusAsync();
        await page.EvaluateAsync("getSelection().selectAllChildren(document.querySelectorAll('[data-field=destinations]')[2])");
        await page.EvaluateAsync("scrollTo(0, 300)");
        await page.EvaluateAsync("document.querySelector('[data-log]').scrollTop = 30");
        await page.EvaluateAsync("window.wasLine = document.querySelector('[data-log]').lastElementChild");
        for (var i = 0; i < 3; i++)
        {
            await datasette.InsertAsync("db03", "something new");
            await WaitForUpdateAsync(page);
        }

        Assert.AreEqual("db12", await page.EvaluateAsync<string>("document.activeElement.textContent"));
        Assert.AreEqual(workspace.Backup("db03"), await page.EvaluateAsync<string>("String(getSelection())"));
        Assert.AreEqual(300, await page.EvaluateAsync<int>("scrollY"));
        Assert.AreEqual("half a na", await page.GetByLabel("Name contains").InputValueAsync());
        Assert.IsTrue(await page.Locator("[data-log]").IsVisibleAsync());
        Assert.IsTrue(await page.EvaluateAsync<bool>("wasLine.isConnected && document.querySelector('[data-log]').scrollTop >= 30"));
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_line_of_the_log_stays_selected_when_others_come()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await page.Locator(LogSummary).ClickAsync();
        await page.Locator("[data-log] span").First.WaitForAsync();
        await page.EvaluateAsync("window.line = document.querySelector('[data-log] span'); getSelection().selectAllChildren(line)");
        var selected = await page.EvaluateAsync<string>("String(getSelection())");
        foreach (var litestream in workspace.Litestreams)
        {
            _ = Signals.Send(litestream, Signals.SIGKILL);
        }

        await Wait.UntilAsync(() => page.EvaluateAsync<bool>("document.querySelector('[data-log] span') !== line"), "a newer line is there");
        Assert.AreEqual(selected, await page.EvaluateAsync<string>("String(getSelection())"));
        Assert.IsTrue(await page.EvaluateAsync<bool>("line.isConnected"));
        browser.AssertClean();
    }

    [TestMethod]
    public async Task An_update_without_news_changes_nothing()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks", "trees");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        var answers = new Dictionary<string, string>();
        await page.RouteAsync("**/-/litestream-status*", async route =>
        {
            if (!answers.TryGetValue(route.Request.Url, out var body))
            {
                answers[route.Request.Url] = body = await (await route.FetchAsync()).TextAsync();
            }

            await route.FulfillAsync(new() { Body = body, ContentType = "text/html; charset=utf-8" });
        });
        foreach (var address in new[] { Overview, Details("parks") })
        {
            await page.GotoAsync(address);
            var before = await page.Locator("main").InnerTextAsync();
            await page.EvaluateAsync("""
                window.changes = [];
                new MutationObserver(records => changes.push(...records.map(record => record.attributeName ?? record.type)))
                    .observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
                """);
            await page.Locator("[data-summary][aria-live=off]").WaitForAsync();
            Assert.AreEqual(before, await page.Locator("main").InnerTextAsync());
            Assert.AreEqual("aria-live", await page.EvaluateAsync<string>("String(changes)"), address);
        }

        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_chart_tells_what_the_pointer_is_at()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await page.GotoAsync(Details("parks"));
        var reading = page.Locator("figure:has([data-chart=sizes]) [data-reading]");
        await page.Locator("[data-chart=sizes]").HoverAsync();
        StringAssert.Matches(await reading.InnerTextAsync(), Reading());
        Assert.AreEqual(1, await page.Locator("[data-chart=sizes] [data-cursor][visibility=visible]").CountAsync());
        await WaitForUpdateAsync(page);
        StringAssert.Matches(await reading.InnerTextAsync(), Reading());
        await page.Locator("h1").HoverAsync();
        Assert.AreEqual("", await reading.TextContentAsync());
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_killed_Litestream_is_told_in_words_and_then_that_it_runs_again()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        var summary = page.Locator("[data-summary]");
        await WaitUntilAllIsWellAsync(datasette, page);

        // Killed repeatedly until the page shows it, since the first restart may happen between two updates.
        await Wait.UntilAsync(
            async () =>
            {
                foreach (var litestream in workspace.Litestreams)
                {
                    _ = Signals.Send(litestream, Signals.SIGKILL);
                }

                return Down().IsMatch(await summary.EvaluateAsync<string>("line => line.dataset.healthy === 'false' ? line.innerText : ''"));
            },
            "the page says that Litestream is down");
        await page.Locator("[data-lines=restarts] li").First.WaitForAsync();
        await WaitUntilAllIsWellAsync(datasette, page);
        StringAssert.Contains(await page.Locator("[data-lines=restarts]").InnerTextAsync(), "crash");
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_refused_credential_is_told_in_words_and_then_that_it_is_taken_again()
    {
        await using var s3 = await S3Replication.StartAsync();
        await using var browser = await Browser.OpenAsync(s3.Datasette);
        var page = browser.Page;
        await WaitForStateAsync(page, "replicating");
        await s3.Server.RevokeAsync(s3.Key);
        await s3.Datasette.InsertAsync("parks", "not safe");
        await WaitForTroubleAsync(page);
        await s3.RotateAsync();
        await WaitUntilAllIsWellAsync(s3.Datasette, page);
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_stalled_replica_is_told_in_words_and_then_that_it_goes_on()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        using var disk = await SmallDisk.MountAsync(workspace.Path("backup"));
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await WaitForStateAsync(page, "replicating");
        disk.Fill();
        await datasette.InsertAsync("parks", "not safe");
        await WaitForTroubleAsync(page);
        await page.Locator("[data-field=problem]").GetByText("A disk is full.").WaitForAsync();
        await page.Locator("summary:text(\"Litestream's words\")").ClickAsync();
        await page.Locator("[data-field=error]").GetByText("no space left on device").WaitForAsync();
        disk.Empty();
        await WaitUntilAllIsWellAsync(datasette, page);
        browser.AssertClean();
    }

    [TestMethod]
    public async Task Lost_contact_is_told_until_Datasette_answers_again()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        var lost = page.Locator("[data-lost]");
        Assert.IsFalse(await lost.IsVisibleAsync());
        datasette.Send(Signals.SIGSTOP);
        try
        {
            await Wait.UntilAsync(() => lost.IsVisibleAsync(), "the page says that nobody answers");
            StringAssert.Matches(await lost.InnerTextAsync(), NoAnswer());
        }
        finally
        {
            datasette.Send(Signals.SIGCONT);
        }

        await Wait.UntilAsync(async () => !await lost.IsVisibleAsync(), "the page has an answer");
        browser.AssertClean();
    }

    [TestMethod]
    public async Task Nothing_is_asked_while_nobody_sees_the_page()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;

        // The page's clock stops, except for the minute by which the test advances it. It cannot be set back.
        await page.Clock.InstallAsync();
        await page.Clock.PauseAtAsync(DateTime.UtcNow.AddMinutes(1));
        await page.GotoAsync(Overview);
        var asked = 0;
        page.Request += (_, request) => asked += IsUpdate(request) ? 1 : 0;

        // A headless Chromium hides no tab, so the test sets what the page sees.
        await SetHiddenAsync(page, true);
        await page.Clock.RunForAsync("01:00");

        // Chromium would have reported any earlier request by then.
        await page.EvaluateAsync("fetch('/-/versions.json')");
        Assert.AreEqual(0, asked);
        await SetHiddenAsync(page, false);
        await Wait.UntilAsync(() => asked == 1, "the page asks");
        browser.AssertClean();
    }

    [TestMethod]
    public async Task Without_JavaScript_it_is_a_plain_table_with_search_order_and_pages()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, [.. Enumerable.Range(1, 12).Select(i => $"db{i:00}")]);
        await using var browser = await Browser.OpenAsync(datasette, new() { JavaScriptEnabled = false });
        var page = browser.Page;
        Assert.AreEqual(12, await Rows(page).CountAsync());
        Assert.AreEqual("ascending", await page.GetByRole(AriaRole.Columnheader, new() { Name = "State" }).GetAttributeAsync("aria-sort"));
        await page.GetByRole(AriaRole.Link, new() { Name = "Database", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Database", Exact = true }).ClickAsync();
        Assert.AreEqual("descending", await page.GetByRole(AriaRole.Columnheader, new() { Name = "Database" }).GetAttributeAsync("aria-sort"));
        StringAssert.StartsWith(await Rows(page).First.InnerTextAsync(), "db12");
        await page.GetByLabel("Name contains").FillAsync("db03");
        await page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        Assert.AreEqual(1, await Rows(page).CountAsync());
        await page.GotoAsync($"{Overview}?size=5&sort=name");
        await page.GetByRole(AriaRole.Link, new() { Name = "Next" }).ClickAsync();
        StringAssert.StartsWith(await Rows(page).First.InnerTextAsync(), "db06");

        await page.GetByRole(AriaRole.Link, new() { Name = "db06" }).ClickAsync();
        StringAssert.Contains(await page.Locator("[data-field=restore_command]").InnerTextAsync(), "litestream restore");
        Assert.AreEqual(3, await page.Locator("svg[data-chart]").CountAsync());
        Assert.IsFalse(await page.Locator("[data-copy]").IsVisibleAsync());
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_name_that_is_markup_is_text_everywhere()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, Markup);
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        var dialogs = 0;
        page.Dialog += async (_, dialog) =>
        {
            dialogs++;
            await dialog.DismissAsync();
        };
        foreach (var address in new[] { Overview, Details(Markup), $"{Details(Markup)}&history=day", $"/{Uri.EscapeDataString(Markup)}" })
        {
            await page.GotoAsync(address);
            if (address.StartsWith(Overview, StringComparison.Ordinal))
            {
                await WaitForUpdateAsync(page);
                Assert.AreEqual(0, await page.Locator("main img").CountAsync(), address);
                StringAssert.Contains(await page.Locator("main").InnerTextAsync(), Markup);
            }
        }

        Assert.AreEqual(0, dialogs);
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_strict_content_security_policy_leaves_all_of_it_working()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        // Each of Datasette's pages contains scripts, which the policy allows by their hashes.
        var hashes = string.Join(' ', InlineScript().Matches(await datasette.Http.GetStringAsync("/-/versions"))
            .Select(match => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(match.Groups["text"].Value)))}'"));
        await page.AddInitScriptAsync(
            "window.violations = []; addEventListener('securitypolicyviolation', event => violations.push(`${event.violatedDirective} ${event.sourceFile}`))");
        await page.RouteAsync("**/-/litestream-status*", async route =>
        {
            if (route.Request.ResourceType != "document")
            {
                await route.ContinueAsync();
                return;
            }

            var answer = await route.FetchAsync();
            var headers = new Dictionary<string, string>(answer.Headers) { ["content-security-policy"] = $"default-src 'self'; script-src 'self' {hashes}" };
            await route.FulfillAsync(new() { Response = answer, Headers = headers });
        });
        foreach (var address in new[] { Overview, Details("parks") })
        {
            await page.GotoAsync(address);
            await WaitForUpdateAsync(page);
            var violations = await page.EvaluateAsync<string[]>("violations");
            Assert.IsEmpty(violations.Where(violation => !IsOfDatasette(violation)), string.Join('\n', violations));
        }

        Assert.AreEqual(3, await page.Locator("svg[data-chart]").CountAsync());
    }

    [TestMethod]
    public async Task A_telephone_shows_it_without_scrolling_sideways()
    {
        using var workspace = new Workspace();
        var name = new string('x', 100);
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, name, "parks");
        await using var browser = await Browser.OpenAsync(datasette, new() { ViewportSize = new() { Width = 360, Height = 800 } });
        var page = browser.Page;
        foreach (var address in new[] { Overview, Details(name) })
        {
            await page.GotoAsync(address);
            await WaitForUpdateAsync(page);
            Assert.AreEqual(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), address);
        }

        browser.AssertClean();
    }

    [TestMethod]
    [DataRow(ColorScheme.Light)]
    [DataRow(ColorScheme.Dark)]
    public async Task Axe_finds_nothing_in_the_way(ColorScheme colors)
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks", "trees");
        await using var browser = await Browser.OpenAsync(datasette, new() { ColorScheme = colors });
        var page = browser.Page;
        foreach (var address in new[] { Overview, Details("parks") })
        {
            await page.GotoAsync(address);
            await WaitForUpdateAsync(page);
            await browser.AssertAccessibleAsync();
            await browser.SaveScreenshotAsync($"dashboard-{(address == Overview ? "overview" : "details")}-{colors}");
        }

        browser.AssertClean();
    }

    [TestMethod]
    [DataRow(ColorScheme.Light)]
    [DataRow(ColorScheme.Dark)]
    public async Task Axe_finds_nothing_in_the_way_where_nothing_is_configured(ColorScheme colors)
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks")]);
        await using var browser = await Browser.OpenAsync(datasette, new() { ColorScheme = colors });
        await browser.Page.GetByText("No database is replicated").WaitForAsync();
        await browser.AssertAccessibleAsync();
        browser.AssertClean();
    }

    [TestMethod]
    public async Task A_database_s_own_page_tells_its_state_to_those_who_may_see_it()
    {
        using var workspace = new Workspace();
        var python = await PluginEnvironment.PythonAsync(DatasetteInstallation.Main10);
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], python: python);
        await datasette.WaitForDatabaseAsync("replicating");
        await using var browser = await Browser.OpenAsync(datasette);
        var page = browser.Page;
        await page.GotoAsync("/parks");
        var line = page.Locator(".litestream-line a");
        StringAssert.Contains(await line.InnerTextAsync(), "replicated; ");
        await browser.AssertAccessibleAsync(page.Locator(".litestream-line"));
        await line.ClickAsync();
        await browser.WaitForAddressAsync(Details("parks"));
        await page.GotoAsync("/parks");
        await page.Locator(".actions-menu-links summary").ClickAsync();
        await page.Locator(".actions-menu-links a", new() { HasText = "Litestream status" }).ClickAsync();
        await browser.WaitForAddressAsync(Details("parks"));
        using var anonymous = new HttpClient { BaseAddress = datasette.Http.BaseAddress };
        Assert.DoesNotContain("litestream-line", await anonymous.GetStringAsync("/parks"));
        browser.AssertClean();
    }

    private static string Details(string name) => $"{Overview}?database={Uri.EscapeDataString(name)}";

    private static ILocator Rows(IPage page) => page.Locator("[data-rows] tr");

    private static async Task<ulong> TxidAsync(ILocator txid) =>
        ulong.TryParse(await txid.TextContentAsync(), out var value) ? value : 0;

    /// <summary>Waits for a state on the overview of one database.</summary>
    private static Task<TimeSpan> WaitForStateAsync(IPage page, string state) =>
        Wait.UntilAsync(async () => await page.Locator("[data-field=state]").InnerTextAsync() == state, $"the page says {state}");

    /// <summary>Waits for a bad state, in the row and in the first line.</summary>
    private static Task<TimeSpan> WaitForTroubleAsync(IPage page) => Wait.UntilAsync(
        async () => await page.Locator("[data-field=state]").InnerTextAsync() is "failing" or "behind"
            && await page.Locator("[data-summary]").GetAttributeAsync("data-healthy") == "false",
        "the page says what is wrong");

    /// <summary>Waits until everything is replicated, and then until the page says so.</summary>
    private static async Task WaitUntilAllIsWellAsync(DatasetteProcess datasette, IPage page)
    {
        await datasette.WaitForStatusAsync(status => (bool?)status["healthy"] == true, "all is well");
        await Wait.UntilAsync(
            async () => await page.Locator("[data-summary]").GetAttributeAsync("data-healthy") == "true",
            "the page says that all is well");
    }

    /// <summary>Waits until the page has sent a request, and shown the answer.</summary>
    private static async Task WaitForUpdateAsync(IPage page)
    {
        var answer = await page.WaitForResponseAsync(response => IsUpdate(response.Request));
        var observed = Observed().Match(await answer.TextAsync()).Groups["at"].Value;
        await page.Locator($"[data-observed] time[datetime='{observed}']").WaitForAsync();
    }

    private static bool IsUpdate(IRequest request) =>
        request.ResourceType == "fetch" && request.Url.Contains(Overview, StringComparison.Ordinal);

    private static async Task SetHiddenAsync(IPage page, bool isHidden) => await page.EvaluateAsync(
        "isHidden => { Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }",
        isHidden);

    /// <summary>Ignores the styles that Datasette's own component sets.</summary>
    private static bool IsOfDatasette(string violation) => violation.Contains("/-/static/", StringComparison.Ordinal);

    [GeneratedRegex(@"^Litestream has been down since \d\d:\d\d:\d\d UTC, and nothing is replicated; .*safe\. It is started again in \d")]
    private static partial Regex Down();

    [GeneratedRegex(@"No answer from Datasette since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. This page shows the state at that time\.")]
    private static partial Regex NoAnswer();

    [GeneratedRegex("data-observed><time datetime=\"(?<at>[^\"]*)")]
    private static partial Regex Observed();

    [GeneratedRegex(@"^\d\d:\d\d:\d\d UTC: Database .+, WAL .+$")]
    private static partial Regex Reading();

    [GeneratedRegex("<script>(?<text>.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex InlineScript();
}
