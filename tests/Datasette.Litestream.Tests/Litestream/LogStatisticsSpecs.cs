using System.Text;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>The statistics from Litestream's log; all lines come from real logs.</summary>
[TestClass]
public sealed class LogStatisticsSpecs
{
    private readonly LitestreamLog _log = new(new TestClock());

    [TestMethod]
    public void An_upload_of_Litestream_0_3_is_read()
    {
        Write("""{"time":"2026-11-24T23:34:57.544987346Z","level":"INFO","msg":"wal segment written","db":"/data/parks.db","replica":"file","position":"cc3a3a434f62b421/00000000:4152","elapsed":"495.019µs","sz":4120}""");
        Write("""{"time":"2026-11-24T23:34:58.557041432Z","level":"INFO","msg":"snapshot written","db":"/data/parks.db","replica":"file","position":"cc3a3a434f62b421/00000000:4152","elapsed":"9.580832ms","sz":366}""");
        Assert.AreEqual(new DatabaseLogStatistics(4486, 0, null, DateTimeOffset.Parse("2026-11-24T23:34:58.557041432Z")), Parks);
        Assert.AreEqual(366, _log.Entries[^1].UploadedBytes);
        StringAssert.EndsWith(_log.Entries[^1].Details, "elapsed=9.580832ms sz=366");
    }

    [TestMethod]
    public void What_Litestream_0_5_has_brought_to_a_replica_is_not_read_from_its_log()
    {
        // 0.5.17 logs this at level debug; older versions logged it at info.
        Write("""{"time":"2026-11-24T22:22:40.657850644Z","level":"INFO","msg":"ltx file uploaded","system":"store","db":"parks.db","replica":"file","level":0,"minTXID":"0000000000000001","maxTXID":"000000000000001a","size":2207}""");
        Assert.AreEqual(DatabaseLogStatistics.Nothing, Parks);
        var entry = _log.Entries.Single();
        Assert.AreEqual(("INFO", "parks.db", "system=store db=parks.db replica=file level=0 minTXID=0000000000000001 maxTXID=000000000000001a size=2207"),
            (entry.Level, entry.Database, entry.Details));
    }

    [TestMethod]
    public void An_error_of_another_database_is_not_told_of_this_one()
    {
        Write("""{"level":"ERROR","msg":"monitor error","db":"roads.db"}""");
        Write("""{"level":"ERROR","msg":"of none"}""");
        Assert.AreEqual(DatabaseLogStatistics.Nothing, Parks);
    }

    [TestMethod]
    public void Failures_to_take_changes_are_counted_and_no_line_of_Litestream_0_5_ends_them()
    {
        Write("""{"time":"2026-11-24T23:00:00Z","level":"ERROR","msg":"sync error","system":"store","db":"parks.db","error":"database is locked"}""");
        Write("""{"time":"2026-11-24T23:00:30Z","level":"ERROR","msg":"sync error","system":"store","db":"parks.db","error":"database is locked"}""");
        Write("""{"time":"2026-11-24T23:01:00Z","level":"INFO","msg":"sync recovered","system":"store","db":"parks.db","previous_errors":9}""");
        Write("""{"level":"INFO","msg":"initialized db","path":"/data/parks.db"}""");
        Assert.AreEqual((2, 2, 0), (Parks.Errors, Parks.SyncErrors, Parks.ResolvedSyncErrors));
        Assert.AreEqual(DateTimeOffset.Parse("2026-11-24T23:00:30Z"), Parks.LastSyncError?.Time);
    }

    [TestMethod]
    [DataRow("""{"level":"INFO","msg":"initialized db","path":"/data/parks.db"}""")]
    [DataRow("""{"level":"INFO","msg":"wal segment written","db":"/data/parks.db","sz":4120}""")]
    public void Litestream_0_3_takes_changes_again_when_it_was_started_anew_or_has_brought_something_to_a_replica(string line)
    {
        Write("""{"level":"ERROR","msg":"sync error","db":"/data/parks.db"}""");
        Assert.AreEqual((1, 0), (Parks.SyncErrors, Parks.ResolvedSyncErrors));
        Write(line);
        Assert.AreEqual((1, 1), (Parks.SyncErrors, Parks.ResolvedSyncErrors));
    }

    private DatabaseLogStatistics Parks => _log.Statistics.Of("/data/parks.db");

    private void Write(string line) => _log.CreateSink(_ => { })(Encoding.UTF8.GetBytes(line + "\n"));
}
