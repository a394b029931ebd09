namespace Datasette.Litestream.EndToEnd;

/// <summary><c>restore: missing</c> on a host that keeps no files, with the real Datasette and Litestream.</summary>
[TestClass]
public sealed class MissingDatabaseSpecs
{
    private static readonly string[] Options = [.. Settings.ReplicateAll(), .. Settings.Set("restore", "missing")];

    [TestMethod]
    [DataRow("0.5", Signals.SIGTERM)]
    [DataRow("0.5", Signals.SIGKILL)]
    [DataRow("0.3", Signals.SIGTERM)]
    public async Task Every_row_is_there_after_many_starts_from_an_empty_folder(string litestream, int signal)
    {
        using var workspace = new Workspace();
        var binary = Binary(litestream);
        var starts = Scale.Of(20);
        for (var i = 0; i < starts; i++)
        {
            await using var datasette = await StartAsync(workspace, binary);
            using (var data = workspace.Open("volume/data.db"))
            {
                data.Execute("create table if not exists rows (id integer primary key, text text not null)");
                data.Insert($"row {i} of data");
                await datasette.WaitForDatabaseAsync(litestream == "0.5" ? "replicating" : "unverified");
                data.Insert($"last row of start {i}");
                if (signal == Signals.SIGKILL)
                {
                    // All but the last 1.5 s is there then.
                    await Task.Delay(TimeSpan.FromSeconds(1.5));
                }
            }

            _ = await datasette.StopAsync(signal);
            await Wait.UntilAsync(() => workspace.Litestreams.Count == 0 || signal == Signals.SIGKILL, "Litestream has ended");
            foreach (var left in workspace.Litestreams)
            {
                _ = Signals.Send(left, Signals.SIGKILL);
            }

            await Wait.UntilAsync(() => workspace.Litestreams.Count == 0, "Litestream has ended");
            Directory.Delete(workspace.Path("volume"), recursive: true);
        }

        (await PluginCommand.RunAsync(workspace, binary, ["restore", "data=volume.db", "-o", "end.db", .. Settings.ReplicateAll()])).Succeeded();
        using var end = workspace.Open("end.db");
        CollectionAssert.AreEqual(
            Enumerable.Range(0, starts).SelectMany(i => new[] { $"row {i} of data", $"last row of start {i}" }).ToArray(),
            end.Read("select text from rows order by id").Select(row => row[0]).ToArray());
    }

    [TestMethod]
    public async Task A_start_that_is_killed_while_it_restores_is_made_good_by_the_next_one()
    {
        using var workspace = new Workspace();
        string expected;
        Directory.CreateDirectory(workspace.Path("volume"));
        using (var data = workspace.Open("volume/data.db"))
        {
            data.Execute("create table rows (id integer primary key, text text not null)");
            data.Execute("insert into rows (text) select hex(randomblob(500)) from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n)");
            expected = data.Dump();
        }

        await using (var datasette = await StartAsync(workspace, Binary("0.5")))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.StopAsync();
        }

        var random = new Random();
        for (var i = 0; i < Scale.Of(20); i++)
        {
            // What was killed leaves a Litestream, which may still make a file there.
            foreach (var left in workspace.Litestreams)
            {
                _ = Signals.Send(left, Signals.SIGKILL);
            }

            await Wait.UntilAsync(() => workspace.Litestreams.Count == 0, "Litestream has ended");
            Directory.Delete(workspace.Path("volume"), recursive: true);
            Directory.CreateDirectory(workspace.Path("volume"));
            await using var killed = await DatasetteProcess.LaunchAsync(workspace, ["-p", "0", "volume/data.db", "--create", .. Options], Binary("0.5"), python: null);
            await Wait.UntilAsync(() => Directory.Exists(workspace.Path("volume/.data.db-restoring")), "it restores");
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(800)));
            _ = await killed.StopAsync(Signals.SIGKILL);
        }

        await using var last = await StartAsync(workspace, Binary("0.5"));
        await last.WaitForDatabaseAsync("replicating");
        await last.StopAsync();
        Assert.IsEmpty(Directory.GetFileSystemEntries(workspace.Path("volume"), ".*-restoring"));
        using var restored = workspace.Open("volume/data.db");
        DumpComparison.AssertEqual(expected, restored.Dump());
        (await PluginCommand.RunAsync(workspace, ["restore", "data=volume.db", "-o", "end.db", .. Settings.ReplicateAll()])).Succeeded();
        using var end = workspace.Open("end.db");
        DumpComparison.AssertEqual(expected, end.Dump());
    }

    /// <summary>Start-up hooks of other plugins make their tables in the restored database, also those that are called at once.</summary>
    [TestMethod]
    public async Task It_is_restored_before_other_plugins_begin()
    {
        using var workspace = await RestoreSpecs.ReplicatedAsync();
        File.Delete(workspace.Path("parks.db"));
        Directory.CreateDirectory(workspace.Path("plugins"));
        workspace.Write("plugins/tables.py", """
            import sqlite3
            from datasette import hookimpl

            @hookimpl(tryfirst=True)
            def startup(datasette):
                path = datasette.databases["parks"].path
                with sqlite3.connect(path) as connection:
                    connection.execute("create table if not exists rows (id integer primary key, text text not null)")
                    connection.execute("insert into rows (text) values ('by a plugin')")
            """);
        await using var datasette = await DatasetteProcess.StartAsync(workspace, ["parks.db", "--create", "--plugins-dir", "plugins", .. Options]);
        await datasette.WaitForDatabaseAsync("replicating");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
        using var parks = workspace.Open("parks.db");
        DumpComparison.AssertContains(parks.Dump(), "by a plugin");
    }

    private static Dictionary<string, string?> Binary(string litestream) =>
        new() { ["DATASETTE_LITESTREAM_BINARY"] = litestream == "0.5" ? RealParts.Litestream05 : RealParts.Litestream03 };

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, Dictionary<string, string?> binary)
    {
        Directory.CreateDirectory(workspace.Path("volume"));
        return DatasetteProcess.StartAsync(workspace, ["volume/data.db", "--create", .. Options], binary);
    }
}
