using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.SqliteFiles;

namespace Datasette.Litestream.Tests.Restoring;

[TestClass]
public sealed class DatabasePlaceSpecs : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();

    public DatabasePlaceSpecs() => _clock.SetUtcNow(Now);

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task A_file_that_somebody_has_open_is_not_replaced()
    {
        using var database = new OpenDatabase(_folder["parks.db"]);
        foreach (var force in new[] { false, true })
        {
            var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => TakeAsync(force));
            Assert.Contains($"has {_folder["parks.db"]} open", error.Message);
        }

        database.Write(1);
    }

    [TestMethod]
    public async Task A_file_that_is_replicated_is_not_replaced()
    {
        using var taken = DatabaseLock.TryTake("parks", _folder["parks.db"]);
        Assert.Contains("replicates", (await Assert.ThrowsExactlyAsync<ReplicationException>(() => TakeAsync())).Message);
    }

    [TestMethod]
    public async Task What_was_there_is_kept_with_its_log_and_Litestreams_folder()
    {
        using (var database = new OpenDatabase(_folder["parks.db"]))
        {
            database.Execute("INSERT INTO t (x) VALUES ('old')");
            database.Kill();
        }

        Directory.CreateDirectory(_folder[".parks.db-litestream/ltx/0"]);
        File.SetUnixFileMode(_folder["parks.db"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var (kept, inode) = await PutAsync();

        Assert.AreEqual(_folder["parks.db.replaced-20260501T120000Z"], kept);
        Assert.AreEqual("new", File.ReadAllText(_folder["parks.db"]));
        Assert.AreEqual(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(_folder["parks.db"]));
        Assert.IsFalse(File.Exists(_folder["parks.db-wal"]) || File.Exists(_folder["parks.db-shm"]));
        Assert.IsTrue(Directory.Exists(_folder[".parks.db.replaced-20260501T120000Z-litestream/ltx/0"]));
        Assert.IsFalse(Directory.Exists(_folder[".parks.db-litestream/ltx"]));
        using (var old = new OpenDatabase(kept!))
        {
            Assert.AreEqual("[('old',)]", old.Execute("SELECT x FROM t"));
        }

        var meant = MeantFile.Read(_folder["parks.db"])!;
        Assert.AreEqual(new MeantFile(meant.Device, inode, Now, $"restored from file:///backup, 000000000000002a; what was there before is {kept}", IsRestored: true), meant);
        Assert.IsTrue(meant.IsOf(FileStatus.Look(_folder["parks.db"]).Status!.Value));
        MeantFile.Delete(_folder["parks.db"]);
        Assert.IsNull(MeantFile.Read(_folder["parks.db"]));
    }

    [TestMethod]
    public async Task Where_no_file_was_an_old_log_is_moved_away()
    {
        _folder.Write("parks.db-wal", "old");
        var (kept, _) = await PutAsync();
        Assert.IsNull(kept);
        Assert.IsFalse(File.Exists(_folder["parks.db-wal"]));
        Assert.IsTrue(File.Exists(_folder["parks.db.replaced-20260501T120000Z-wal"]));
        Assert.AreEqual("restored from file:///backup, 000000000000002a", MeantFile.Read(_folder["parks.db"])!.How);
    }

    [TestMethod]
    public async Task A_file_that_is_damaged_is_replaced_by_force_alone()
    {
        _folder.Write("parks.db", new string('x', 5000));
        Assert.Contains("add --force", (await Assert.ThrowsExactlyAsync<ReplicationException>(() => TakeAsync())).Message);
        using var place = await TakeAsync(force: true);
    }

    [TestMethod]
    public async Task Nobody_gets_the_file_while_its_place_is_held()
    {
        using var database = new OpenDatabase(_folder["parks.db"]);
        database.Kill();
        using (await TakeAsync())
        {
            Assert.IsNull(DatabaseLock.TryTake("parks", _folder["parks.db"]));
            Assert.IsTrue((await OpenDatabase.Program.LockAsync(_folder["parks.db"], TimeSpan.FromSeconds(10))).IsBusy);
        }

        using var again = await TakeAsync();
    }

    private async Task<(string? Kept, ulong Inode)> PutAsync()
    {
        using var staging = StagingFolder.Create(_folder["parks.db"]);
        var restored = Path.Combine(staging.Path, "restored.db");
        File.WriteAllText(restored, "new");
        var inode = FileStatus.Look(restored).Status!.Value.Inode;
        using var place = await TakeAsync();
        return (place.Put(new RestoredFile(restored, new RestorePoint.Transaction(42, Now, Now, 3), "file:///backup", TimeSpan.Zero)), inode);
    }

    private Task<DatabasePlace> TakeAsync(bool force = false) =>
        DatabasePlace.TakeAsync(Plans.OfFiles(_folder["parks.db"]).Databases.Single(), OpenDatabase.Program, force, _clock);
}
