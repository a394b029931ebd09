
namespace Datasette.Litestream.EndToEnd;

/// <summary>A destination that refuses at the start concerns its own database only, and Datasette serves.</summary>
[TestClass]
public sealed class RefusedDestinationSpecs
{
    [TestMethod]
    public async Task An_SFTP_server_that_refuses_keeps_only_its_own_database_from_being_replicated()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [
                workspace.Create("parks"),
                workspace.Create("roads"),
                .. Replicate("parks", "file://$PWD/backup/parks"),
                .. Replicate("roads", $"sftp://user@127.0.0.1:{Ports.FindFree()}/roads"),
            ]);
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        await datasette.InsertAsync("parks", "while the other is refused");
        await datasette.StopAsync();
        StringAssert.Contains(datasette.Output, "ERROR:    datasette-litestream: What was written to roads since ");
        await workspace.AssertRestoredAsync("parks");
    }

    private static string[] Replicate(string database, string url) =>
        ["-s", $"databases.{database}.plugins.datasette-litestream.replicas", $$"""[{"url": "{{url}}"}]"""];
}
