using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// A window of its own, with cookies of its own, in a headless Chromium that all tests share. It notes every console error and every request
/// that leaves the host.
/// </summary>
internal sealed class Browser : IAsyncDisposable
{
    /// <summary>The status page.</summary>
    public const string Overview = "/-/litestream-status";

    private static readonly Lazy<Task<IBrowser>> Chromium = new(LaunchAsync);

    /// <summary>
    /// A window keeps a core busy, so that many at once would hold up what else runs. A test opens one only: two tests that each wait for a
    /// second one would wait for ever.
    /// </summary>
    private static readonly SemaphoreSlim Turns = new(2);

    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    private Browser(IBrowserContext context, IPage page, string host)
    {
        _context = context;
        Page = page;
        page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                _complaints.Add($"console: {message.Text}");
            }
        };
        page.PageError += (_, error) => _complaints.Add($"error: {error}");
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(host, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal))
            {
                _complaints.Add($"request outside the host: {request.Url}");
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Opens the status page, signed in as root.</summary>
    public static async Task<Browser> OpenAsync(DatasetteProcess datasette, BrowserNewContextOptions? options = null)
    {
        _ = RealParts.Chromium;
        var host = datasette.Http.BaseAddress!.ToString();
        options ??= new();
        options.BaseURL = host;
        await Turns.WaitAsync();
        try
        {
            var context = await (await Chromium.Value).NewContextAsync(options);
            var browser = new Browser(context, await context.NewPageAsync(), host);
            await context.APIRequest.GetAsync(datasette.SignInPath);
            await browser.Page.GotoAsync(Overview);
            return browser;
        }
        catch
        {
            Turns.Release();
            throw;
        }
    }

    /// <summary>Waits until the browser is at an address.</summary>
    /// <remarks>
    /// Playwright's <c>WaitForURLAsync</c> waits for an event, and sometimes misses it on a busy machine: the network was idle,
    /// but it waited for the page to load until its timeout.
    /// </remarks>
    public Task WaitForAddressAsync(string address) =>
        Page.WaitForFunctionAsync("address => location.href.endsWith(address) && document.readyState === 'complete'", address);

    /// <summary>Saves what the page shows as <c>TestResults/NAME.png</c>.</summary>
    public Task SaveScreenshotAsync(string name) => Page.ScreenshotAsync(new()
    {
        Path = Path.Combine(PluginEnvironment.RepositoryRoot, "TestResults", $"{name}.png"),
        FullPage = true,
    });

    /// <summary>Fails if axe-core finds an accessibility problem.</summary>
    /// <param name="part">The part of the page; the whole page by default.</param>
    public async Task AssertAccessibleAsync(ILocator? part = null)
    {
        var result = part is null ? await Page.RunAxe() : await part.RunAxe();
        Assert.IsNotEmpty(result.Passes, "axe-core looked at nothing");

        // Datasette 0.65 sets no language on its pages.
        var violations = result.Violations.Where(violation => violation.Id != "html-has-lang" || DatasetteInstallation.Main.Is10).ToList();
        Assert.IsEmpty(
            violations,
            string.Join('\n', violations.Select(violation => $"{violation.Id}: {violation.Help}: {violation.Nodes[0].Html}")));
    }

    /// <summary>Fails if there was an error in the console, or a request to another host.</summary>
    public void AssertClean() => Assert.IsEmpty(_complaints, string.Join('\n', _complaints));

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        Turns.Release();
    }

    private static async Task<IBrowser> LaunchAsync()
    {
        // Its driver ends it with the tests.
        var playwright = await Playwright.CreateAsync();
        return await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = RealParts.Chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }
}
