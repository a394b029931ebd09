namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>A look that fails is told, and looking goes on.</summary>
[TestClass]
public sealed class LookingFaultSpecs
{
    [TestMethod]
    public Task A_file_cannot_be_looked_at() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync(new()
        {
            Databases = [("parks", "data/parks.db"), ("trees", "trees.db")],
            Create = database =>
            {
                // The folder of the first is a link, which is then made a link to itself.
                if (database.Name == "parks")
                {
                    Directory.Delete(run.Workspace.Path("data"));
                    Directory.CreateDirectory(run.Workspace.Path("real"));
                    File.CreateSymbolicLink(run.Workspace.Path("data"), "real");
                }

                return database.Create(database.Path);
            },
        });
        await run.BreakAsync(() => run.ShellAsync("ln -sfn data data"));
        await run.ExpectRedAsync("file_unreadable|file_missing");
        await run.LastAsync(10);
        run.ExpectAlwaysGreen("trees");
        await run.MendAsync(() => run.ShellAsync("ln -sfn real data"));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync("parks");
        await run.ExpectRestoredAsync("trees");
    });

    [TestMethod]
    public Task Datasette_sleeps() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.Datasette.Send(Signals.SIGSTOP));
        await run.LastAsync(10);
        run.Mend(() => run.Datasette.Send(Signals.SIGCONT));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_disk_of_the_database_is_full() => FaultRun.RunAsync(async run =>
    {
        var disk = run.Own(await SmallDisk.MountAsync(run.Workspace.Path("disk")));
        await run.StartGreenAsync(new() { Databases = [("parks", "disk/parks.db")] });
        await run.BreakAsync(() => disk.Fill());
        await run.LastAsync(8);
        run.Mend(disk.Empty);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });
}
