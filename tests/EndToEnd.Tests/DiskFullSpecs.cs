using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A full disk is told on the page, does not end Datasette, and is recovered from when there is room.</summary>
[TestClass]
public sealed class DiskFullSpecs
{
    [TestMethod]
    public async Task The_destination_is_full()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        using var disk = await SmallDisk.MountAsync(workspace.Path("backup"));
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]);
        await using (var load = new WriteLoad(workspace, file))
        {
            await WaitForStateAsync(datasette, "replicating");
            disk.Fill();
            await WaitForStateAsync(datasette, "failing");
            StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "no space left on device");
            await datasette.InsertAsync("parks", "Datasette goes on");
            disk.Empty();
            await WaitForStateAsync(datasette, "replicating");
        }

        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task The_source_is_full()
    {
        using var workspace = new Workspace();
        using var disk = await SmallDisk.MountAsync(workspace.Path("disk"));
        File.Move(workspace.Path(workspace.Create("parks")), workspace.Path("disk/parks.db"));
        await using var datasette = await DatasetteProcess.StartAsync(workspace, ["disk/parks.db", .. Settings.ReplicateAll()]);
        await WaitForStateAsync(datasette, "replicating");
        using var outside = workspace.Open("disk/parks.db");

        // Room for the row, and none for the copy that Litestream makes of it beside the database.
        disk.Fill(roomLeft: 40 * 4096);
        outside.Insert(Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(50_000)));
        await WaitForStateAsync(datasette, "failing");
        StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "no space left on device");
        Assert.IsTrue((await datasette.Http.GetAsync("/parks/rows.json")).IsSuccessStatusCode);
        disk.Empty();
        await WaitForStateAsync(datasette, "replicating");
        outside.Insert("there is room again");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks", "disk/parks.db");
    }

    private static Task<JsonNode> WaitForStateAsync(DatasetteProcess datasette, string state) =>
        datasette.WaitForStatusAsync(status => (string?)status["databases"]![0]!["state"] == state, $"the database is {state}");
}
