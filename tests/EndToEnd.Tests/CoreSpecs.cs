using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The core functions with each Datasette and each Litestream, with and without Python.NET beside Datasette: start, page, stop,
/// restore, refusal. In a short run, every two of these three come together; in full, all three do.
/// </summary>
[TestClass]
public sealed class CoreSpecs
{
    public static IEnumerable<(string Datasette, bool HasPythonNet)> Datasettes =>
        from datasette in DatasetteInstallation.Supported
        from hasPythonNet in new[] { true, false }
        select (datasette, hasPythonNet);

    public static IEnumerable<(string Datasette, bool HasPythonNet, string Litestream)> Combinations =>
        from datasette in Datasettes
        from litestream in new[] { "0.5", "0.3" }
        where Scale.IsFull || datasette.HasPythonNet == (litestream == "0.5") == (datasette.Datasette != "0.65.5")
        select (datasette.Datasette, datasette.HasPythonNet, litestream);

    [TestMethod]
    [DynamicData(nameof(Combinations))]
    public async Task The_last_row_is_restored_after_a_stop(string datasette, bool hasPythonNet, string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        await using var process = await StartAsync(workspace, datasette, hasPythonNet, binary);
        using (var outside = workspace.Open("parks.db"))
        {
            outside.Insert("from outside");
        }

        await process.InsertAsync("parks", "through Datasette");
        await process.StopAsync();
        Assert.IsEmpty(workspace.Litestreams);
        await process.AssertAfterwardsAsync(() => workspace.AssertRestoredAsync("parks", litestream: binary));
    }

    [TestMethod]
    [DynamicData(nameof(Combinations))]
    public async Task The_page_tells_how_replication_stands_to_those_who_may_see_it(string datasette, bool hasPythonNet, string litestream)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        await using var process = await StartAsync(workspace, datasette, hasPythonNet, binary);
        await process.InsertAsync("parks", "through Datasette");
        var status = await process.WaitForStatusAsync(
            status => (string?)status["databases"]![0]!["state"] == (litestream == "0.5" ? "replicating" : "unverified"), "the database is replicating");
        Assert.AreEqual(workspace.Litestreams.Single(), (int?)status["litestream"]!["process_id"]);
        StringAssert.Contains(await process.Http.GetStringAsync("/-/litestream-status"), workspace.Backup("parks"));
        using var anonymous = new HttpClient { BaseAddress = process.Http.BaseAddress };
        Assert.AreEqual(HttpStatusCode.Forbidden, (await anonymous.GetAsync("/-/litestream-status")).StatusCode);
        Assert.AreEqual(HttpStatusCode.OK, (await anonymous.GetAsync("/-/litestream/health")).StatusCode);
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_wrong_setting_ends_the_start_with_one_message(string datasette, bool hasPythonNet)
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.PythonAsync(DatasetteInstallation.Of(datasette, hasPythonNet));
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace, [workspace.Create("parks"), .. Settings.Set("all-replicat", "s3://b/$DB_NAME")], python: python);
        Assert.AreEqual(
            "datasette-litestream: plugins.datasette-litestream.all-replicat: unknown key; did you mean \"all-replicate\"?",
            Refusal.AssertIn(exitCode, output));
        Assert.IsEmpty(workspace.Litestreams);
    }

    private static string Binary(string litestream) => litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03;

    private static async Task<DatasetteProcess> StartAsync(Workspace workspace, string datasette, bool hasPythonNet, string litestream) =>
        await DatasetteProcess.StartAsync(
            workspace,
            [workspace.Create("parks"), .. Settings.ReplicateAllPatiently()],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream },
            await PluginEnvironment.PythonAsync(DatasetteInstallation.Of(datasette, hasPythonNet)));
}
