using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.SqliteFiles;

[TestClass]
public sealed class FileOverwritingSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly OpenDatabase _database;

    public FileOverwritingSpecs()
    {
        _database = new OpenDatabase(_folder["parks.db"]);
        _database.Write(100);
        Checkpoint();
    }

    public void Dispose()
    {
        _database.Dispose();
        _folder.Dispose();
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("PRAGMA wal_checkpoint(PASSIVE)")]
    [DataRow("PRAGMA wal_checkpoint(FULL)")]
    [DataRow("PRAGMA wal_checkpoint(RESTART)")]
    [DataRow("PRAGMA wal_checkpoint(TRUNCATE)")]
    [DataRow("VACUUM")]
    [DataRow("DROP TABLE t")]
    [DataRow("CREATE TABLE u (x)")]
    public async Task What_SQLite_writes_is_no_overwriting(string sql)
    {
        _database.Write(200);
        var before = await _database.LookAsync();
        if (sql.Length > 0)
        {
            _ = _database.Execute(sql);
        }

        var after = await _database.LookAsync();
        Checkpoint();
        _ = _database.Execute("CREATE TABLE v (x)");
        var last = await _database.LookAsync();
        Assert.AreEqual((null, null, null), (FileOverwriting.Judge(before, after), FileOverwriting.Judge(after, last), FileOverwriting.Judge(before, last)));
    }

    [TestMethod]
    public async Task A_checkpoint_that_a_reader_stops_half_way_is_no_overwriting()
    {
        using var reader = new OpenDatabase(_database.Path);
        _database.Write(100);
        _ = reader.Execute("BEGIN");
        _ = reader.Execute("SELECT count(*) FROM t");
        _database.Write(100);
        var before = await _database.LookAsync();
        _ = _database.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        var after = await _database.LookAsync();
        Assert.IsTrue(after.Index!.Backfilled > 0 && after.Index.Backfilled < after.Index.Frames, $"{after}");
        Assert.IsNull(FileOverwriting.Judge(before, after));
        _ = reader.Execute("COMMIT");
    }

    [TestMethod]
    public async Task A_new_database_is_no_overwriting()
    {
        _ = _folder.Write("new.db", "");
        var program = OpenDatabase.Program;
        var before = (await program.LookAsync([_folder["new.db"]], CancellationToken.None))[0];
        using var created = new OpenDatabase(_folder["new.db"]);
        var after = await created.LookAsync();
        Assert.AreEqual((null, null), (FileOverwriting.Judge(before, before), FileOverwriting.Judge(before, after)));
    }

    /// <summary>As with each restart of Litestream while nobody else has the database open.</summary>
    [TestMethod]
    public async Task A_log_that_came_and_went_between_two_looks_is_no_overwriting()
    {
        using (new OpenDatabase(_folder["trees.db"]))
        {
            // It has a table then.
        }

        HeaderLook before;
        using (var first = new OpenDatabase(_folder["trees.db"]))
        {
            before = await first.LookAsync();
            Assert.IsFalse(before.Index!.HasBegun);
            first.Write(100);
        }

        using var second = new OpenDatabase(_folder["trees.db"]);
        var after = await second.LookAsync();
        Assert.AreNotEqual(before.File, after.File);
        Assert.IsNull(FileOverwriting.Judge(before, after));
    }

    /// <summary>As with each restart of Litestream, which leaves the log, while nobody else has the database open.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task A_log_whose_index_was_made_anew_between_two_looks_is_no_overwriting(bool isWrittenThen)
    {
        using var first = new OpenDatabase(_folder["trees.db"]);
        first.Write(100);
        first.Kill();
        using var second = new OpenDatabase(_folder["trees.db"]);
        _ = second.Execute("SELECT count(*) FROM t");
        var before = await second.LookAsync();
        Assert.IsTrue(before.Index!.IsAsRecovered);
        _ = second.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        second.Kill();
        using var third = new OpenDatabase(_folder["trees.db"]);
        _ = third.Execute("SELECT count(*) FROM t");
        if (isWrittenThen)
        {
            third.Write(1);
        }

        var after = await third.LookAsync();
        Assert.AreEqual((before.Index.Salt, before.Index.Backfilled, before.Index.Attempted), (after.Index!.Salt, after.Index.Backfilled, after.Index.Attempted));
        Assert.AreNotEqual(before.File, after.File);
        Assert.IsNull(FileOverwriting.Judge(before, after, isOneRun: false));

        // Somebody has it open all the time.
        Assert.IsNotNull(FileOverwriting.Judge(before, after));
    }

    /// <summary>As with Litestream 0.3, which is restarted for each database that comes.</summary>
    [TestMethod]
    public async Task A_checkpoint_that_is_done_once_more_in_another_run_is_no_overwriting_where_runs_are_not_compared()
    {
        using var first = new OpenDatabase(_folder["trees.db"]);
        first.Write(100);
        _ = first.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        var before = await first.LookAsync();
        first.Kill();
        using var second = new OpenDatabase(_folder["trees.db"]);
        _ = second.Execute("SELECT count(*) FROM t");
        _ = second.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        var after = await second.LookAsync();
        Assert.AreEqual(before.Index, after.Index);
        Assert.AreNotEqual(before.File, after.File);
        Assert.IsNull(FileOverwriting.Judge(before, after, isOneRun: false, comparesRuns: false));
        Assert.IsNotNull(FileOverwriting.Judge(before, after, isOneRun: true, comparesRuns: false));
    }

    [TestMethod]
    [DataRow("another")]
    [DataRow("an older copy")]
    [DataRow("other rows")]
    public async Task A_copy_over_the_file_is_found_by_the_checkpoint_that_is_missing(string what)
    {
        var copy = Copy(what);
        var before = await _database.LookAsync();
        Overwrite(copy);
        var after = await _database.LookAsync();
        Assert.AreEqual(before.File!.Inode, after.File!.Inode, "the test must write into the same file");
        Assert.AreEqual(what == "an older copy" ? "it is an older one than before" : "it was written to without a checkpoint", FileOverwriting.Judge(before, after));
    }

    [TestMethod]
    [DataRow("a rollback journal", "it is not a database with a write-ahead log any more")]
    [DataRow("another page size", "its page size is another")]
    [DataRow("no database", "it is not an SQLite database any more")]
    [DataRow("nothing", "it is not an SQLite database any more")]
    public async Task A_file_that_does_not_fit_is_found_even_after_a_checkpoint(string what, string reason)
    {
        var before = await _database.LookAsync();
        _database.Write(1);
        Checkpoint();
        Overwrite(Copy(what));
        Assert.AreEqual(reason, FileOverwriting.Judge(before, await _database.LookAsync()));
    }

    /// <summary>As while another host is waited for, if somebody wrote when the database was to be switched.</summary>
    [TestMethod]
    public async Task A_database_without_a_write_ahead_log_so_far_may_be_written_to_and_switched()
    {
        _ = _database.Execute("PRAGMA journal_mode=DELETE");
        var before = await _database.LookAsync();
        _database.Write(1);
        var after = await _database.LookAsync();
        Assert.AreNotEqual(before.File, after.File);
        Assert.IsNull(FileOverwriting.Judge(before, after));
        _ = _database.Execute("PRAGMA journal_mode=WAL");
        Assert.IsNull(FileOverwriting.Judge(after, await _database.LookAsync()));
    }

    [TestMethod]
    public async Task An_older_and_smaller_copy_is_found_even_if_a_checkpoint_follows()
    {
        var copy = Copy("an older copy");
        var before = await _database.LookAsync();
        Overwrite(copy);
        _ = _database.Execute("UPDATE t SET x = 1 WHERE id = 1");
        _ = _database.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        Assert.IsNotNull(FileOverwriting.Judge(before, await _database.LookAsync()));
    }

    /// <summary>Copies as <c>cp</c> does: File.Copy would give the copy the time of the original.</summary>
    private void Overwrite(string copy) => File.WriteAllBytes(_database.Path, File.ReadAllBytes(copy));

    /// <summary>A file to copy over the database.</summary>
    private string Copy(string what)
    {
        var path = _folder["copy.db"];
        switch (what)
        {
            case "an older copy":
                File.Copy(_database.Path, path);
                _database.Write(200);
                _ = _database.Execute("CREATE TABLE later (x)");
                Checkpoint();
                break;
            case "other rows":
                var bytes = File.ReadAllBytes(_database.Path);
                bytes[^1] ^= 1;
                File.WriteAllBytes(path, bytes);
                break;
            case "no database":
                File.WriteAllText(path, new string('x', 5000));
                break;
            case "nothing":
                File.WriteAllText(path, "");
                break;
            default:
                if (what == "another page size")
                {
                    using var process = System.Diagnostics.Process.Start(Programs.Python, ["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript('PRAGMA page_size=1024; CREATE TABLE t (x)')", path]);
                    process.WaitForExit();
                }

                using (var other = new OpenDatabase(path))
                {
                    for (var i = 0; i < 20; i++)
                    {
                        _ = other.Execute($"CREATE TABLE o{i} (x)");
                    }

                    _ = other.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
                    if (what == "a rollback journal")
                    {
                        _ = other.Execute("PRAGMA journal_mode=DELETE");
                    }
                }

                break;
        }

        return path;
    }

    private void Checkpoint() => _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}
