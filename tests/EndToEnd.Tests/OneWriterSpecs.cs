namespace Datasette.Litestream.EndToEnd;

/// <summary>Two writers in one place destroy a backup, so one database has one.</summary>
[TestClass]
public sealed class OneWriterSpecs
{
    [TestMethod]
    public async Task A_second_Datasette_on_one_file_is_refused()
    {
        using var workspace = new Workspace();
        await using var first = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, ["parks.db", .. Settings.Set("all-replicate", "file://elsewhere/$DB_NAME")]);
        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(output, $"another Datasette (process {first.Id}) replicates {workspace.Path("parks.db")} already");
        Assert.HasCount(1, workspace.Litestreams);

        await first.InsertAsync("parks", "undisturbed");
        await first.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task Two_Datasettes_with_different_files_are_both_fine()
    {
        using var workspace = new Workspace();
        string[] names = ["parks", "trees"];
        var both = await Task.WhenAll(names.Select(name => DatasetteProcess.ReplicateAsync(workspace, name)));
        await Task.WhenAll(both.Zip(names, (datasette, name) => datasette.InsertAsync(name, "through Datasette")));
        Assert.HasCount(2, workspace.Litestreams);
        await Task.WhenAll(both.Select(datasette => datasette.StopAsync()));
        foreach (var (datasette, name) in both.Zip(names))
        {
            await datasette.DisposeAsync();
            await workspace.AssertRestoredAsync(name);
        }
    }
}
