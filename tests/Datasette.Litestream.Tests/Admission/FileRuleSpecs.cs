using Datasette.Litestream.Admission;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Restoring;

namespace Datasette.Litestream.Tests.Admission;

/// <summary>
/// What is done with a file, by what lies beside it and at its destination. Where there is no program that can look into databases, one
/// without a byte is empty.
/// </summary>
[TestClass]
public sealed class FileRuleSpecs : IDisposable
{
    private static readonly SqliteProgram NoProgram = new([], new Dictionary<string, string>(), TimeProvider.System);

    private readonly ReplicaBench _bench = new();
    private readonly StoreFactory _stores = new(() => new Dictionary<string, string>(), TimeProvider.System);

    private string Path => _bench.Database.Path;

    private FileStatus File => FileStatus.Look(Path).Status!.Value;

    public void Dispose()
    {
        _stores.Dispose();
        _bench.Dispose();
    }

    [TestMethod]
    public async Task Without_a_file_there_is_nothing_to_judge() => Assert.IsInstanceOfType<Verdict.Missing>(await JudgeAsync());

    [TestMethod]
    public async Task Where_nothing_lies_any_file_is_replicated()
    {
        _bench.Folder.Write("parks.db", "");
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync());
    }

    [TestMethod]
    public async Task An_empty_file_is_held_back_also_beside_Litestream_s_folder()
    {
        _bench.Ltx(9, 1, 5, 0);
        _bench.Folder.Write("parks.db", "");
        Assert.IsTrue((await HoldAsync()).IsEmpty);
        WriteLocal(1, 5);
        Assert.IsTrue((await HoldAsync()).IsEmpty);
    }

    [TestMethod]
    public async Task One_that_was_replicated_as_an_empty_one_goes_on()
    {
        _bench.Ltx(9, 1, 1, 0);
        _bench.Folder.Write("parks.db", "");
        WriteLocal(1, 1);
        FileRecord.Of(File).Write(Path);
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync());
    }

    [TestMethod]
    public async Task One_that_has_everything_goes_on_and_one_that_is_behind_is_held_back()
    {
        _bench.Folder.Write("parks.db", "content");
        WriteLocal(4, 5);
        FileRecord.Of(File).Write(Path);
        _bench.Ltx(0, 5, 5, 0);
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync());
        _bench.Ltx(2, 1, 6, 1);
        var hold = await HoldAsync();
        Assert.AreEqual((false, $"the backup at {_bench.Database.Primary.Destination} goes on to transaction 0000000000000006, and what was sent from here ends with 0000000000000005"), (hold.IsEmpty, hold.Detail));
    }

    /// <summary>A copy of the file and of Litestream's folder, from an earlier time.</summary>
    [TestMethod]
    public async Task A_copy_that_is_behind_is_held_back_whichever_file_its_record_is_of()
    {
        _bench.Folder.Write("parks.db", "content");
        WriteLocal(4, 5);
        _bench.Ltx(0, 6, 6, 0);
        Assert.IsFalse((await HoldAsync()).IsEmpty);
        new FileRecord(1, null).Write(Path);
        Assert.IsFalse((await HoldAsync()).IsEmpty);
    }

    [TestMethod]
    public async Task Another_file_and_one_without_a_record_are_replicated_anew()
    {
        _bench.Folder.Write("parks.db", "content");
        _bench.Ltx(0, 5, 5, 0);
        Assert.IsFalse(Assert.IsInstanceOfType<Verdict.Anew>(await JudgeAsync()).IsInBackup);
        WriteLocal(4, 5);
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync(), "an earlier version of the plugin has left no record");
        new FileRecord(File.Inode + 1, File.BornAt).Write(Path);
        Assert.IsInstanceOfType<Verdict.Anew>(await JudgeAsync());
        FileRecord.Of(File).Write(Path);
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync());
    }

    [TestMethod]
    public async Task A_number_that_is_used_again_is_another_file()
    {
        _bench.Folder.Write("parks.db", "content");
        _bench.Ltx(0, 5, 5, 0);
        WriteLocal(4, 5);
        Assert.IsNotNull(File.BornAt, "this file system knows when files are made");
        new FileRecord(File.Inode, File.BornAt!.Value.AddSeconds(-1)).Write(Path);
        Assert.IsInstanceOfType<Verdict.Anew>(await JudgeAsync());
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public async Task What_is_meant_is_replicated_anew_and_another_file_is_not(bool isMeant)
    {
        _bench.Folder.Write("parks.db", "");
        _bench.Ltx(0, 5, 5, 0);
        Directory.CreateDirectory(LitestreamFolder.Of(Path));
        new MeantFile(File.Device, File.Inode + (isMeant ? 0ul : 1), DateTimeOffset.UnixEpoch, "accepted by alice", IsRestored: false).Write(Path);
        var verdict = await JudgeAsync();
        Assert.AreEqual(isMeant ? new Verdict.Anew("it was accepted by alice", IsInBackup: false) : null, verdict as Verdict.Anew);
        Assert.AreEqual(!isMeant, verdict is Verdict.Held);
    }

    /// <summary>Another process of this machine has replicated it until now, with the same folder: a slow destination is not asked.</summary>
    [TestMethod]
    public async Task Who_takes_over_asks_nobody()
    {
        _bench.Folder.Write("parks.db", "content");
        WriteLocal(4, 5);
        FileRecord.Of(File).Write(Path);
        _bench.Ltx(0, 9, 9, 0);
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync(isOurs: true));
        Assert.IsInstanceOfType<Verdict.Held>(await JudgeAsync());
    }

    [TestMethod]
    public async Task With_0_3_a_generation_that_goes_on_elsewhere_and_a_newer_one_hold_it_back()
    {
        _bench.Folder.Write("parks.db", "content");
        _bench.Segment(1, "snapshots/00000000.snapshot", 0);
        _bench.Segment(1, "wal/00000000_00000000.wal", 1);
        Assert.IsInstanceOfType<Verdict.Anew>(await JudgeAsync(line: ReleaseLine.V03), "without a folder");
        Write(".parks.db-litestream/generation", "0000000000000001\n");
        Write(".parks.db-litestream/generations/0000000000000001/wal/00000000.wal", new string('x', 4152));
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync(line: ReleaseLine.V03));
        _bench.Segment(1, "wal/00000000_00001038.wal", 2);
        Assert.Contains("00000000:00001038", (await HoldAsync(ReleaseLine.V03)).Detail);
        Write(".parks.db-litestream/generations/0000000000000001/wal/00000001.wal", "");
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync(line: ReleaseLine.V03));
        _bench.Segment(2, "snapshots/00000000.snapshot", 3);
        Assert.Contains("a newer generation, 0000000000000002", (await HoldAsync(ReleaseLine.V03)).Detail);
    }

    /// <summary>Litestream was killed before its first upload.</summary>
    [TestMethod]
    public async Task With_0_3_a_generation_that_has_not_arrived_yet_is_newer_than_what_is_there()
    {
        _bench.Folder.Write("parks.db", "content");
        _bench.Segment(1, "snapshots/00000000.snapshot", 0);
        Write(".parks.db-litestream/generation", "0000000000000002\n");
        Assert.IsInstanceOfType<Verdict.Continued>(await JudgeAsync(line: ReleaseLine.V03));
        System.IO.File.SetLastWriteTimeUtc(_bench.Folder[".parks.db-litestream/generation"], ReplicaBench.Start.AddSeconds(-1).UtcDateTime);
        Assert.IsInstanceOfType<Verdict.Held>(await JudgeAsync(line: ReleaseLine.V03));
    }

    private void WriteLocal(ulong min, ulong max) => Write($".parks.db-litestream/ltx/0/{min:x16}-{max:x16}.ltx", "");

    private void Write(string name, string content)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(_bench.Folder[name])!);
        _bench.Folder.Write(name, content);
    }

    private async Task<HeldBack> HoldAsync(ReleaseLine line = ReleaseLine.V05) =>
        Assert.IsInstanceOfType<Verdict.Held>(await JudgeAsync(line: line)).Hold;

    private Task<Verdict> JudgeAsync(bool isOurs = false, ReleaseLine line = ReleaseLine.V05)
    {
        var command = new LitestreamCommand("/none", () => new Dictionary<string, string>(), text => text, TimeProvider.System, line);
        return new FileRule(new Restorer(command, line, _stores, TimeProvider.System), line, NoProgram).JudgeAsync(_bench.Database, isOurs, CancellationToken.None);
    }
}
