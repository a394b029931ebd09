using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Datasette's internal database is sent nowhere unasked; where that is asked for it is replicated, and shown only to those who may manage replication.</summary>
[TestClass]
public sealed class InternalDatabaseSpecs
{
    [TestMethod]
    public async Task It_is_sent_nowhere_unasked()
    {
        _ = RealParts.Litestream05;
        var python = await PluginEnvironment.PythonAsync(DatasetteInstallation.Main10);
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), "--internal", "tokens.db", .. Settings.ReplicateAll()], python: python);
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        var status = await datasette.StatusAsync();
        StringAssert.Contains((string?)status["skipped"]![0]!["reason"], "internal-replica: URL");
        Assert.AreEqual(1, (int)status["counts"]!["total"]!);
        CollectionAssert.AreEqual(new[] { workspace.Backup("parks") }, Directory.GetDirectories(workspace.Path("backup")));
        Assert.IsFalse(Directory.Exists(workspace.Path(".tokens.db-litestream")));
    }

    [TestMethod]
    public async Task Where_that_is_asked_for_it_is_replicated_and_only_who_may_manage_sees_it()
    {
        _ = RealParts.Litestream05;
        var python = await PluginEnvironment.PythonAsync(DatasetteInstallation.Main10);
        using var workspace = new Workspace();
        await using (var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [
                workspace.Create("_internal"), "--internal", "tokens.db", .. Settings.ReplicateAll(), .. Settings.Set("internal-replica", "file://$PWD/vault"),
                "-s", "permissions.litestream-view-status", "true",
            ],
            python: python))
        {
            await datasette.WaitForDatabaseAsync("replicating", "__INTERNAL__");
            await datasette.WaitForDatabaseAsync("replicating", "_internal");
            var status = await datasette.StatusAsync();
            var both = status["databases"]!.AsArray().ToDictionary(database => (string)database!["name"]!, database => (bool)database!["internal"]!);
            Assert.AreEqual((true, false), (both["__INTERNAL__"], both["_internal"]));
            StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream/metrics"), "{database=\"__INTERNAL__\"}");

            using var anybody = new HttpClient { BaseAddress = datasette.Http.BaseAddress };
            foreach (var page in new[] { "/-/litestream-status", "/-/litestream-status.json", "/-/litestream/metrics", "/_internal" })
            {
                var shown = await anybody.GetStringAsync(page);
                Assert.IsEmpty(shown.Split('\n').Where(line => new[] { "__INTERNAL__", "tokens.db", "vault" }.Any(word => line.Contains(word, StringComparison.Ordinal))), page);
            }

            using var hidden = await anybody.GetAsync("/-/litestream-status.json?database=__INTERNAL__");
            Assert.AreEqual(HttpStatusCode.NotFound, hidden.StatusCode);
            Assert.IsFalse((await datasette.Http.GetStringAsync("/-/litestream-status?database=__INTERNAL__")).Contains("The database in Datasette", StringComparison.Ordinal));
        }

        var restored = await LitestreamProgram.RestoreAsync(RealParts.Litestream05, [$"file://{workspace.Path("vault")}"]);
        StringAssert.Contains(restored, "catalog_databases");
        await workspace.AssertRestoredAsync("_internal");
    }
}
