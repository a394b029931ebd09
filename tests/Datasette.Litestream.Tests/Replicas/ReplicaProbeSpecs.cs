using System.Net;
using System.Net.Sockets;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>The real Litestream judges what it has replicated.</summary>
[TestClass]
public sealed class ReplicaProbeSpecs
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task A_replicated_database_is_whole(bool listsAll)
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();
        var check = await CheckAsync(replication, txid, listsAll);
        Assert.AreEqual(ReplicaCondition.Whole, check.Finding.Condition, check.ToString());
        Assert.AreEqual(txid, check.RestorableUpTo);
        Assert.IsTrue(check is { IsAnswered: true, IsWhole: true, Error: null, Problem: null });
        Assert.AreEqual(listsAll ? txid : null, check.Inventory?.HighestTxid);
    }

    [TestMethod]
    public async Task A_restore_that_gives_less_than_was_replicated_is_no_whole_one()
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();
        var check = await CheckAsync(replication, txid + 1);
        Assert.AreEqual(ReplicaCondition.Damaged, check.Finding.Condition);
        Assert.AreEqual($"a restore ends at transaction {txid}, and {txid + 1} had been replicated", check.Problem);
    }

    [TestMethod]
    public async Task A_place_without_anything_has_no_backup()
    {
        using var replication = await RealReplication.StartAsync();
        replication.Stop();
        Directory.Delete(replication.Backup, recursive: true);
        var check = await CheckAsync(replication, 1);
        Assert.AreEqual(ReplicaCondition.Missing, check.Finding.Condition);
        Assert.IsTrue(check is { IsAnswered: true, Inventory.HighestTxid: 0, RestorableUpTo: null, Problem: not null });
    }

    [TestMethod]
    public async Task What_Litestream_would_not_restore_is_damaged_in_its_words()
    {
        using var replication = await RealReplication.StartAsync();
        replication.Stop();
        var level0 = Path.Combine(replication.Backup, "ltx", "0");
        Directory.Delete(replication.Backup, recursive: true);
        Directory.CreateDirectory(level0);
        File.WriteAllText(Path.Combine(level0, new LtxName(0, 1, 1).FileName), "");
        File.WriteAllText(Path.Combine(level0, new LtxName(0, 3, 3).FileName), "");
        var check = await CheckAsync(replication, 3);
        Assert.AreEqual(ReplicaCondition.Damaged, check.Finding.Condition);
        StringAssert.Contains(check.Problem, "non-contiguous");
        Assert.AreEqual(3UL, check.Inventory!.HighestTxid);
    }

    [TestMethod]
    public async Task A_place_that_does_not_answer_is_told_in_Litestreams_words()
    {
        var binary = await RealLitestream.RequireAsync(5);
        var database = Plans.FromReplica("sftp://ranger@127.0.0.1:1/backup").Sound.Databases.Single();
        var probe = new ReplicaProbe(new LitestreamCommand(binary.Path, () => new Dictionary<string, string>(), text => text, TimeProvider.System), TimeProvider.System);
        var check = await probe.CheckAsync(database, 1, listsAll: false, CancellationToken.None).InTimeAsync();
        Assert.AreEqual(ReplicaCondition.Unreadable, check.Finding.Condition);
        StringAssert.Contains(check.Error, "connection refused");
        Assert.IsTrue(check is { IsAnswered: false, Problem: null, RestorableUpTo: null });
    }

    [TestMethod]
    public async Task A_place_that_never_answers_is_given_up()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var check = await CheckSilentAsync(((IPEndPoint)server.LocalEndpoint).Port, 3, 30, 3, 30);
        Assert.AreEqual("no answer within 30 s", check.Error);
    }

    [TestMethod]
    public async Task A_place_that_cannot_be_reached_is_told_although_Litestream_is_silent()
    {
        var check = await CheckSilentAsync(port: 1, 3, 3);
        Assert.AreEqual("127.0.0.1:1: connection refused", check.Error);
    }

    /// <summary>Checks an S3 destination with a Litestream that says nothing, and lets times pass.</summary>
    private static async Task<ReplicaCheck> CheckSilentAsync(int port, params double[] seconds)
    {
        using var folder = new TemporaryFolder();
        var clock = new TestClock();
        var script = folder.WriteScript("litestream", $"echo $$ >> {folder["started"]}\nexec sleep 1000");
        var environment = new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! };
        var probe = new ReplicaProbe(new LitestreamCommand(script, () => environment, text => text, clock), clock);
        var checking = probe.CheckAsync(
            Plans.FromReplica($"s3://maps/parks?endpoint=http://127.0.0.1:{port}").Sound.Databases.Single(), 1, listsAll: false, CancellationToken.None);
        foreach (var time in seconds)
        {
            await clock.PassAsync(time);
        }

        var check = await checking.InTimeAsync();
        Assert.IsEmpty(new StartedProcesses(folder["started"]).Kill());
        return check;
    }

    [TestMethod]
    public async Task A_restore_shows_whether_the_files_are_good_and_leaves_nothing()
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();
        var into = replication.Folder["into"];
        Directory.CreateDirectory(into);
        var good = await replication.Probe.RestoreAsync(replication.Database, into, CancellationToken.None).InTimeAsync();
        Assert.AreEqual(new ReplicaFinding(ReplicaCondition.Whole, txid), good.Finding);

        foreach (var file in Directory.EnumerateFiles(replication.Backup, "*.ltx", SearchOption.AllDirectories))
        {
            using var stream = File.OpenWrite(file);
            stream.SetLength(stream.Length / 2);
        }

        // By their names, all is well.
        Assert.IsTrue((await CheckAsync(replication, txid)).IsAnswered);
        var cut = await replication.Probe.RestoreAsync(replication.Database, into, CancellationToken.None).InTimeAsync();
        Assert.AreEqual(ReplicaCondition.Damaged, cut.Finding.Condition, cut.ToString());
        Assert.IsEmpty(Directory.GetFileSystemEntries(into));
    }

    [TestMethod]
    public async Task A_restore_for_which_there_is_no_room_says_nothing_of_the_backup()
    {
        using var replication = await RealReplication.StartAsync();
        var check = await replication.Probe.RestoreAsync(replication.Database, replication.Folder.Write("into", "a file"), CancellationToken.None).InTimeAsync();
        Assert.AreEqual(ReplicaCondition.Unreadable, check.Finding.Condition, check.ToString());
    }

    [TestMethod]
    public async Task Another_machine_that_writes_to_S3_is_told()
    {
        using var s3 = await S3.StartAsync();
        using var replication = await RealReplication.StartAsync(s3.Url, s3.Environment);
        await replication.WriteAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();
        Assert.IsTrue((await CheckAsync(replication, txid, listsAll: true)).IsWhole);

        // What this machine has is not what lies there.
        var last = System.IO.Path.Combine(LocalFiles.FolderOf(LitestreamFolder.Of(replication.Database)), new LtxName(0, txid, txid).FileName);
        await File.AppendAllTextAsync(last, "more");
        await AssertOtherWriterAsync();

        // There is more than this machine ever had.
        File.Delete(last);
        await File.AppendAllTextAsync(System.IO.Path.Combine(LocalFiles.FolderOf(LitestreamFolder.Of(replication.Database)), new LtxName(0, txid - 1, txid - 1).FileName), "");
        await AssertOtherWriterAsync();

        async Task AssertOtherWriterAsync()
        {
            var check = await CheckAsync(replication, txid, listsAll: true);
            Assert.AreEqual(ReplicaCondition.OtherWriter, check.Finding.Condition, check.ToString());
            StringAssert.Contains(check.Problem, new LtxName(0, txid, txid).ToString());
            Assert.IsNotNull(check.Finding.Since);
        }
    }

    private static Task<ReplicaCheck> CheckAsync(RealReplication replication, ulong txid, bool listsAll = false) =>
        replication.Probe.CheckAsync(replication.Database, txid, listsAll, CancellationToken.None).InTimeAsync();
}
