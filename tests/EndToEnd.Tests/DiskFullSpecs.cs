namespace Datasette.Litestream.EndToEnd;

/// <summary>A full disk is shown on the page, does not end Datasette, and replication recovers when there is room.</summary>
[TestClass]
public sealed class DiskFullSpecs
{
    [TestMethod]
    public async Task The_destination_is_full()
    {
        using var workspace = new Workspace();
        using var disk = await SmallDisk.MountAsync(workspace.Path("backup"));
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await using (var load = new WriteLoad(workspace, "parks.db"))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            disk.Fill();
            await datasette.WaitForDatabaseAsync("failing");
            StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "no space left on device");

            // On a busy machine a writer without pauses keeps Datasette from its turn for longer than it waits.
            await load.StopAsync();
            await datasette.InsertAsync("parks", "Datasette goes on");
            disk.Empty();
            await datasette.WaitForDatabaseAsync("replicating");
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
        await datasette.WaitForDatabaseAsync("replicating");
        using var outside = workspace.Open("disk/parks.db");

        // Room for the row, but not for the LTX file that Litestream writes beside the database.
        disk.Fill(roomLeft: 40 * 4096);
        outside.Insert(Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(50_000)));
        await datasette.WaitForDatabaseAsync("failing");
        StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "no space left on device");
        Assert.IsTrue((await datasette.Http.GetAsync("/parks/rows.json")).IsSuccessStatusCode);
        disk.Empty();
        await datasette.WaitForDatabaseAsync("replicating");
        outside.Insert("there is room again");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks", "disk/parks.db");
    }
}
