using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A headless Chromium that notes every console error and every request that leaves the host.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly List<string> _complaints = [];
    private IPage? _page;

    private Browser(IPlaywright playwright, IBrowser browser)
    {
        _playwright = playwright;
        _browser = browser;
    }

    public static async Task<Browser> OpenAsync()
    {
        var chromium = RealParts.Chromium;
        var playwright = await Playwright.CreateAsync();
        var browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
        return new Browser(playwright, browser);
    }

    /// <summary>A page that is signed in as root.</summary>
    public async Task<IPage> SignInAsync(DatasetteProcess datasette, BrowserNewContextOptions? options = null)
    {
        options ??= new();
        options.BaseURL = datasette.Http.BaseAddress!.ToString();
        var context = await _browser.NewContextAsync(options);
        _page = await context.NewPageAsync();
        _page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                _complaints.Add($"console: {message.Text}");
            }
        };
        _page.PageError += (_, error) => _complaints.Add($"error: {error}");
        _page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(options.BaseURL, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal))
            {
                _complaints.Add($"request outside the host: {request.Url}");
            }
        };
        await _page.GotoAsync(datasette.SignInPath);
        return _page;
    }

    /// <summary>Saves what the page shows as <c>TestResults/NAME.png</c>.</summary>
    public Task SaveScreenshotAsync(string name) => _page!.ScreenshotAsync(new()
    {
        Path = Path.Combine(PluginEnvironment.RepositoryRoot, "TestResults", $"{name}.png"),
        FullPage = true,
    });

    /// <summary>Fails where axe-core finds something in the way of somebody who does not use the page by sight and mouse.</summary>
    public async Task AssertAccessibleAsync()
    {
        var result = await _page!.RunAxe();
        Assert.IsEmpty(
            result.Violations,
            string.Join('\n', result.Violations.Select(violation => $"{violation.Id}: {violation.Help}: {violation.Nodes[0].Html}")));
    }

    /// <summary>Fails where there was an error in the console, or a request to another host.</summary>
    public void AssertClean() => Assert.IsEmpty(_complaints, string.Join('\n', _complaints));

    public async ValueTask DisposeAsync()
    {
        await _browser.CloseAsync();
        _playwright.Dispose();
    }
}
