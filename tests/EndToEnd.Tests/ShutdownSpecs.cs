namespace Datasette.Litestream.EndToEnd;

/// <summary>However Datasette is told to end, the last row is at the replica and nothing is left running.</summary>
[TestClass]
public sealed class ShutdownSpecs
{
    /// <summary>The age of the last row when the signal comes: too young for Litestream's next sync.</summary>
    private static readonly TimeSpan Age = TimeSpan.FromMilliseconds(20);

    [TestMethod]
    [DataRow(Signals.SIGTERM, "SIGTERM")]
    [DataRow(Signals.SIGINT, "SIGINT")]
    public async Task The_last_row_is_restored_after(int signal, string name)
    {
        var times = new List<TimeSpan>();
        for (var i = 0; i < Scale.Of(20); i++)
        {
            using var workspace = new Workspace();
            await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
            using var outside = workspace.Open("parks.db");
            outside.Insert("the last row");
            await Task.Delay(Age);
            times.Add(await datasette.StopAsync(signal));
            Assert.IsEmpty(workspace.Litestreams);
            await workspace.AssertRestoredAsync("parks");
        }

        Figures.Record($"exit after {name}, local replica", times);
    }

    [TestMethod]
    public async Task Nothing_is_left_in_the_temporary_folder_or_beside_the_database()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var runtime = Directory.CreateDirectory(workspace.Path("run")).FullName;
        var environment = new Dictionary<string, string?> { ["XDG_RUNTIME_DIR"] = runtime };
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()], environment))
        {
            Assert.HasCount(1, Directory.GetDirectories(runtime));
            await datasette.StopAsync();
        }

        Assert.IsEmpty(Directory.GetFileSystemEntries(runtime));
        Assert.IsFalse(File.Exists(workspace.Path(".parks.db-litestream/datasette-litestream.json")));
    }
}
