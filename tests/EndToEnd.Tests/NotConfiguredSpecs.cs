using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Installed but not configured, the plugin has no effect.</summary>
[TestClass]
public sealed class NotConfiguredSpecs
{
    [TestMethod]
    public async Task No_runtime_is_loaded_and_the_page_says_what_to_do()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file]);

        var page = await datasette.Http.GetStringAsync("/-/litestream-status");
        StringAssert.Contains(page, "No database is replicated");
        StringAssert.Contains(page, "all-replicate:");
        Assert.AreEqual("unconfigured", (string?)(await datasette.StatusAsync())["state"]);
        var libraries = datasette.MappedFiles.Select(file => Path.GetFileName(file)!).ToArray();
        Assert.IsTrue(libraries.Any(name => name.Contains("python", StringComparison.Ordinal)), string.Join(' ', libraries));
        Assert.IsFalse(libraries.Any(name => name.StartsWith("libhostfxr", StringComparison.Ordinal) || name.StartsWith("libcoreclr", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task The_page_is_for_those_who_may_see_it()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file]);
        using var anonymous = new HttpClient { BaseAddress = datasette.Http.BaseAddress };
        foreach (var page in new[] { "/-/litestream-status", "/-/litestream-status.json" })
        {
            using var answer = await anonymous.GetAsync(page);
            Assert.AreEqual(HttpStatusCode.Forbidden, answer.StatusCode);
        }
    }
}
