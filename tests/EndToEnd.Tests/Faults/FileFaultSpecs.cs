namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>The file that Datasette serves is not, or not only, the one that is replicated.</summary>
[TestClass]
public sealed class FileFaultSpecs
{
    private const string Replaced = "file_replaced|file_overwritten|replicated_anew";

    /// <summary>The safe way: nothing of the old file's write-ahead log is left beside the new one.</summary>
    [TestMethod]
    [DataRow("1.0a41")]
    [DataRow("0.65.5")]
    public Task Another_file_is_moved_over_it(string datasette) => FaultRun.RunAsync(
        async run =>
        {
            await run.StartGreenAsync(new() { Datasette = datasette });
            var rows = run.Parks.Create(run.Workspace.Path("new.db"));
            await run.ReplaceAsync(() => run.ShellAsync("rm -f parks.db-wal parks.db-shm && mv new.db parks.db"), rows);
            await run.ExpectRedAsync(Replaced);
            await run.ExpectGreenAsync();
            await run.ExpectRestoredAsync();
        },
        $"{nameof(Another_file_is_moved_over_it)} of Datasette {datasette}");

    /// <summary>What SQLite makes of a new file beside an old file's write-ahead log may be no database at all.</summary>
    [TestMethod]
    public Task Another_file_is_moved_over_it_and_the_log_stays() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        run.Parks.Create(run.Workspace.Path("new.db"));
        await run.ReplaceAsync(() => run.ShellAsync("mv new.db parks.db"), rows: null);
        await run.ExpectRedAsync(Replaced);
        await run.LastAsync(10);
    });

    [TestMethod]
    public Task Another_file_is_copied_over_it() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        run.Parks.Create(run.Workspace.Path("new.db"));
        await run.ReplaceAsync(() => run.ShellAsync("cp new.db parks.db"), rows: null);
        await run.ExpectRedAsync(Replaced);
        await run.LastAsync(10);
    });

    [TestMethod]
    public Task A_symbolic_link_is_pointed_elsewhere() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync(new()
        {
            Create = database =>
            {
                File.CreateSymbolicLink(database.Path, "first.db");
                return database.Create(run.Workspace.Path("first.db"));
            },
        });
        var rows = run.Parks.Create(run.Workspace.Path("second.db"));
        await run.ReplaceAsync(() => run.ShellAsync("ln -sfn second.db parks.db"), rows);
        await run.ExpectRedAsync(Replaced);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_folder_is_swapped() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync(new() { Databases = [("parks", "data/parks.db")] });
        Directory.CreateDirectory(run.Workspace.Path("new"));
        var rows = run.Parks.Create(run.Workspace.Path("new/parks.db"));
        await run.ReplaceAsync(() => run.ShellAsync("mv data old && until mv -T new data; do rm -r data; done"), rows);
        await run.ExpectRedAsync($"{Replaced}|folder_removed");
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_file_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.Parks.StopAsync();
        await run.BreakAsync(() => run.ShellAsync("rm parks.db parks.db-wal parks.db-shm"));
        await run.ExpectRedAsync("file_missing");
        await run.ExpectHealthAsync("^bad", within: 15);
    });

    [TestMethod]
    public Task The_file_is_deleted_and_created_again() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.Parks.StopAsync();
        await run.BreakAsync(() => run.ShellAsync("rm parks.db parks.db-wal parks.db-shm"));
        await run.ExpectRedAsync("file_missing");
        var rows = run.Parks.Create(run.Workspace.Path("new.db"));
        await run.ReplaceAsync(() => run.ShellAsync("mv new.db parks.db"), rows);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Datasette_is_given_another_file_of_the_same_name() => FaultRun.RunAsync(async run =>
    {
        Directory.CreateDirectory(run.Workspace.Path("plugins"));
        Directory.CreateDirectory(run.Workspace.Path("other"));
        run.Workspace.Write(
            "plugins/swap.py",
            """
            from datasette import Response, hookimpl
            from datasette.database import Database


            async def swap(datasette):
                datasette.remove_database("parks")
                datasette.add_database(Database(datasette, path="other/parks.db", is_mutable=True), name="parks")
                return Response.text("swapped")


            @hookimpl
            def register_routes():
                return [(r"^/-/swap$", swap)]
            """);
        await run.StartGreenAsync(new() { Arguments = ["--plugins-dir", "plugins"] });
        var other = run.Workspace.Path("other/parks.db");
        var rows = run.Parks.Create(other);
        await run.ReplaceAsync(() => run.Datasette.Http.GetStringAsync("/-/swap"), rows, other);

        // One database goes, and another comes.
        await run.ExpectRedAsync($"{Replaced}|starting");
        await run.LastAsync(10);
    });

    [TestMethod]
    public Task A_second_name_of_the_file_is_served_too() => FaultRun.RunAsync(async run =>
    {
        await run.StartAsync(new()
        {
            Create = database =>
            {
                var rows = database.Create(database.Path);
                Assert.IsTrue(HardLink.TryCreate(database.Path, run.Workspace.Path("trees.db")));
                return rows;
            },
            Arguments = ["trees.db"],
        });
        await run.WaitForAsync("replicating");
        await run.BreakAsync(() => { });
        await run.ExpectRedAsync("same_file", name: "trees");
        await run.LastAsync(10);
        run.ExpectNeverGreen("trees");
        run.ExpectAlwaysGreen("parks");
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Another_Datasette_is_given_a_second_name_of_the_file() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => Assert.IsTrue(HardLink.TryCreate(run.Parks.Path, run.Workspace.Path("trees.db"))));
        var (exitCode, output) = await DatasetteProcess.RunAsync(run.Workspace, ["trees.db", .. Elsewhere]);
        run.Expect(exitCode != 0 && output.Contains("another Datasette", StringComparison.Ordinal), $"a second Datasette was not refused: {output}");
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Litestreams_folder_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.ShellAsync("rm -rf .parks.db-litestream"));
        await run.ExpectRedAsync("folder_removed|replicated_anew");
        await run.ExpectGreenAsync();
        await using (var second = await DatasetteProcess.StartAsync(run.Workspace, ["parks.db", .. Elsewhere]))
        {
            var status = await second.StatusAsync();
            run.Expect((string?)status["state"] == "standby", $"a second Datasette does not stand by: {status["summary"]}");
        }

        await run.ExpectRestoredAsync();
    });

    /// <summary>Litestream would try for ever to upload it.</summary>
    [TestMethod]
    public Task A_file_in_Litestreams_folder_is_deleted_before_it_is_uploaded() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async();
        await run.AllGreenAsync();
        await run.BreakAsync(s3.Refuse);
        await run.ExpectRedAsync(".*", within: 12);
        await run.ShellAsync("cd .parks.db-litestream/ltx/0; rm $(ls | tail -n 2 | head -n 1)");
        s3.Forward();
        await run.ExpectRedAsync("folder_removed|replicated_anew", within: 25);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    /// <summary>It was uploaded, and Litestream needs it only to go on from there.</summary>
    [TestMethod]
    public Task The_last_file_in_Litestreams_folder_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.ShellAsync(
            "cd .parks.db-litestream/ltx/0; while ls | grep -q .; do for file in *.ltx; do [ ! -e ../../../backup/parks/ltx/0/$file ] || rm -f $file; done; done"));
        await run.LastAsync(10);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Another_Litestream_replicates_the_file() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => { });
        var other = run.StartLitestream(run.Parks.Path, $"file://{run.Workspace.Path("elsewhere")}");
        await run.ExpectPageAsync($@"\b{other.Id}\b", within: 12);
        await run.LastAsync(5);
        run.Mend(other.Kill);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    [DataRow("a#b")]
    [DataRow("what?")]
    [DataRow("50%")]
    public Task A_name_that_Litestream_may_not_be_able_to_open(string name) => FaultRun.RunAsync(
        async run =>
        {
            await run.StartAsync(new() { Databases = [("parks", "parks.db"), (name, $"{name}.db")] });
            await run.WaitForAsync("replicating");
            await run.BreakAsync(() => { });
            await run.LastAsync(8);
            run.ExpectAlwaysGreen("parks");
            await run.ExpectRestoredAsync();
            if (run.Answers.Any(answer => answer.Databases.Any(database => database.Name == name && database.IsGreen)))
            {
                await run.ExpectRestoredAsync(name);
            }
            else
            {
                await run.ExpectRedAsync("name_not_supported", within: 20, name);
            }
        },
        $"A file's name is {name}");

    [TestMethod]
    public Task The_write_ahead_log_is_deleted() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.ShellAsync("rm parks.db-wal"));
        await run.ExpectRedAsync(".*", within: 10);
        await run.LastAsync(10);
    });

    /// <summary>The settings of a second Datasette.</summary>
    private static string[] Elsewhere => [.. Settings.Set("all-replicate", "file://$PWD/elsewhere/$DB_NAME")];
}
