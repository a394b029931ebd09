using System.Runtime.InteropServices;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Locking;

[TestClass]
public sealed class LockSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Database => _folder["parks.db"];

    private string LockFolder => _folder[".parks.db-litestream"];

    private string RecordPath => Path.Combine(LockFolder, "datasette-litestream.json");

    [TestMethod]
    public void It_leaves_nothing_but_its_file_behind()
    {
        var taken = Take();
        Assert.IsNull(taken.Previous);
        taken.Write(RecordOf(Environment.ProcessId).ToJson());
        Assert.AreEqual(RecordOf(Environment.ProcessId), LockRecord.Read(RecordPath));
        taken.Release();
        CollectionAssert.AreEqual(new[] { Path.Combine(LockFolder, "datasette-litestream.lock") }, Directory.GetFileSystemEntries(LockFolder));
        Take().Release();
    }

    [TestMethod]
    public void Who_hands_over_leaves_its_record_until_its_destinations_know()
    {
        var (first, second) = (new DatabaseLocks(), new DatabaseLocks());
        Assert.IsTrue(first.TryTake("parks", Database));
        var writer = Guid.NewGuid();
        first.Record(RecordOf(Environment.ProcessId) with { ReportFolder = LockFolder, ReportFolderInode = FileStatus.Look(LockFolder).Status!.Value.Inode, Writer = writer });
        first.HandOver();
        Assert.IsTrue(second.TryTake("parks", Database));
        Assert.AreEqual(writer, second.FormerWriters.Single());
        first.RemoveRecords();
        Assert.IsTrue(File.Exists(RecordPath), "somebody has taken over");
        second.Release();
        first.RemoveRecords();
        Assert.IsFalse(File.Exists(RecordPath));
    }

    [TestMethod]
    public void A_second_one_in_this_process_is_refused_until_the_first_is_given_back()
    {
        var first = Take();
        first.Write(RecordOf(Environment.ProcessId).ToJson());
        Assert.IsNull(DatabaseLock.TryTake("parks", Database));
        Assert.AreEqual($"this process ({Environment.ProcessId}), for another Datasette in it,", $"{LockHolder.Find(Database)}");
        Assert.AreEqual(
            $"parks: this process ({Environment.ProcessId}), for another Datasette in it, replicates {Database} already, and two would destroy the backup. "
            + "Stop that one first, or have Datasette serve another file.",
            Assert.ThrowsExactly<ReplicationException>(() => new DatabaseLocks().Take("parks", Database)).Message);
        first.Release();
        Take().Release();
    }

    [TestMethod]
    public async Task One_that_another_process_holds_is_refused_until_that_process_is_killed()
    {
        Take().Release();
        using var holder = new StartedChild(
            "/usr/bin/flock", ["--no-fork", Path.Combine(LockFolder, "datasette-litestream.lock"), "/bin/sh", "-c", "echo held; exec sleep 1000"]);
        await holder.SaysAsync("held");
        Assert.IsNull(DatabaseLock.TryTake("parks", Database));
        Assert.AreEqual("another process", $"{LockHolder.Find(Database)}");

        AtomicFile.Write(RecordPath, RecordOf(1234567).ToJson());
        Assert.AreEqual("another process", $"{LockHolder.Find(Database)}", "of another run of the system");
        var dead = ProcessIdentity.Of(holder.Process.Id)! with { StartTime = 1 };
        AtomicFile.Write(RecordPath, new LockRecord(dead, null, "/tmp/datasette-litestream-1").ToJson());
        Assert.AreEqual("another process", $"{LockHolder.Find(Database)}", "that one has ended");
        AtomicFile.Write(RecordPath, RecordOf(holder.Process.Id).ToJson());
        Assert.IsNull(DatabaseLock.TryTake("parks", Database));
        Assert.AreEqual($"process {holder.Process.Id}", $"{LockHolder.Find(Database)}");
        var elsewhere = ProcessIdentity.Of(holder.Process.Id)! with { Namespace = "pid:[1]" };
        AtomicFile.Write(RecordPath, new LockRecord(elsewhere, null, "/tmp/datasette-litestream-1").ToJson());
        Assert.AreEqual($"process {holder.Process.Id} of another container", $"{LockHolder.Find(Database)}");
        AtomicFile.Write(RecordPath, RecordOf(holder.Process.Id).ToJson());

        var left = RecordOf(holder.Process.Id);
        holder.Process.Send(LibC.SIGKILL);
        await holder.EndsAsync();
        using var taken = Take();
        Assert.AreEqual(left, taken.Previous);
    }

    [TestMethod]
    [DataRow("trails.db")]
    [DataRow("elsewhere/trails.db")]
    public void Another_name_of_the_file_is_refused_until_the_first_is_given_back(string other)
    {
        _ = Directory.CreateDirectory(_folder["elsewhere"]);
        _ = _folder.Write("parks.db", "");
        HardLink.Create(Database, _folder[other]);
        var first = Take();
        first.Write(RecordOf(Environment.ProcessId).ToJson());

        StringAssert.Contains(
            Assert.ThrowsExactly<DatabaseUnusableException>(() => DatabaseLock.TryTake("trails", _folder[other])).Message, $"trails: another Datasette replicates {_folder[other]} already by another of its names");
        first.Release();
        DatabaseLock.TryTake("trails", _folder[other])!.Release();
    }

    [TestMethod]
    public void Giving_it_back_takes_it_from_a_copy_of_this_process_too()
    {
        // As after a fork, which Python's multiprocessing uses: the same open file.
        var taken = Take();
        var descriptor = Directory.GetFiles("/proc/self/fd").Single(file => new FileInfo(file).LinkTarget == Path.Combine(LockFolder, "datasette-litestream.lock"));
        var copy = dup(int.Parse(Path.GetFileName(descriptor)));
        taken.Release();
        Take().Release();
        _ = close(copy);
    }

    [TestMethod]
    public void The_record_is_gone_before_the_lock_is_given_back_and_only_its_own()
    {
        Directory.CreateDirectory(LockFolder);
        AtomicFile.Write(RecordPath, RecordOf(1234567).ToJson());
        var unused = Take();
        Assert.IsNotNull(unused.Previous);
        unused.Release();
        using var next = Take();
        Assert.AreEqual(unused.Previous, next.Previous, "who only looked has cleaned nothing up, and leaves the record to the next one");
    }

    [TestMethod]
    public void Giving_it_back_does_not_mind_a_folder_that_somebody_removed()
    {
        var taken = Take();
        taken.Write(RecordOf(Environment.ProcessId).ToJson());
        Directory.Delete(LockFolder, recursive: true);
        taken.Release();
        Take().Release();
    }

    [TestMethod]
    public void The_folder_is_as_open_as_the_one_it_lies_in()
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute;
        File.SetUnixFileMode(_folder.Path, mode);
        Take().Release();
        Assert.AreEqual(mode, File.GetUnixFileMode(LockFolder));
    }

    [TestMethod]
    public void Where_nothing_can_be_written_it_says_so()
    {
        _folder.Write(".parks.db-litestream", "a file where the folder should be");
        var message = Assert.ThrowsExactly<DatabaseUnusableException>(() => Take()).Message;
        StringAssert.StartsWith(message, "parks: Litestream must write beside the database, and cannot: ");
        StringAssert.EndsWith(message, $"Make {_folder.Path} writable for Datasette's user.");
    }

    [TestMethod]
    public void A_record_tells_where_reports_are_unless_it_was_copied()
    {
        Directory.CreateDirectory(LockFolder);
        var record = RecordOf(Environment.ProcessId) with
        {
            ReportFolder = LockFolder,
            ReportFolderInode = FileStatus.Look(LockFolder).Status!.Value.Inode,
            Writer = Guid.NewGuid(),
        };
        AtomicFile.Write(RecordPath, record.ToJson());
        Assert.AreEqual(record, LockRecord.Read(RecordPath));
        Assert.AreEqual(LockFolder, record.FindReportFolder(RecordPath));
        Assert.AreEqual(LockFolder, (record with { ReportFolder = "/mounted/elsewhere/.parks.db-litestream" }).FindReportFolder(RecordPath));
        Assert.IsNull((record with { ReportFolderInode = 1 }).FindReportFolder(RecordPath));
        Assert.IsNull((record with { Holder = record.Holder with { Boot = "another" } }).FindReportFolder(RecordPath), "another machine");
    }

    [TestMethod]
    public async Task Whoever_has_the_turn_has_it_alone()
    {
        string[] paths = [_folder["roads.db"], Database];
        var first = await Turn.TakeAsync(paths, TimeProvider.System);
        Assert.IsNull(Turn.TryTake(paths));
        Assert.IsNull(Turn.TryTake([Database]), "who serves less has the same turn if its first database is the same");
        var second = Turn.TakeAsync(paths, TimeProvider.System);
        first.Dispose();
        (await second.InTimeAsync()).Dispose();
        Turn.TryTake(paths)!.Dispose();
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("{")]
    [DataRow("null")]
    [DataRow("[]")]
    [DataRow("{}")]
    [DataRow("""{"holder":null,"litestream":null,"socketFolder":null}""")]
    public void A_broken_record_is_none(string content)
    {
        Directory.CreateDirectory(LockFolder);
        File.WriteAllText(RecordPath, content);
        using var taken = Take();
        Assert.IsNull(taken.Previous);
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int dup(int descriptor);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int close(int descriptor);

    private static LockRecord RecordOf(int processId) =>
        new(ProcessIdentity.Of(processId) ?? new ProcessIdentity(processId, 1, "", ""), null, "/tmp/datasette-litestream-1");

    private DatabaseLock Take() => DatabaseLock.TryTake("parks", Database)!;
}
