using System.Text;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>What Litestream's lines tell of a database; all lines are as the real ones wrote them.</summary>
[TestClass]
public sealed class LogTallySpecs
{
    private const string Uploaded =
        """{"time":"2026-11-24T22:22:40.657850644Z","level":"INFO","msg":"ltx file uploaded","system":"store","db":"parks.db","replica":"file","level":0,"minTXID":"0000000000000001","maxTXID":"000000000000001a","size":2207}""";

    private readonly LitestreamLog _log = new(new TestClock());

    [TestMethod]
    public void An_upload_of_Litestream_0_5_is_read()
    {
        Write(Uploaded);
        var entry = _log.Entries.Single();
        Assert.AreEqual(new Upload(26, 2207), entry.Upload);
        Assert.AreEqual(("INFO", "parks.db", "system=store db=parks.db replica=file level=0 minTXID=0000000000000001 maxTXID=000000000000001a size=2207"),
            (entry.Level, entry.Database, entry.Details));
        Assert.AreEqual((2207L, 26UL, 0), (Parks.UploadedBytes, Parks.ReplicaTxid, Parks.Errors));
    }

    [TestMethod]
    public void An_upload_of_Litestream_0_3_is_read()
    {
        Write("""{"time":"2026-11-24T23:34:57.544987346Z","level":"INFO","msg":"wal segment written","db":"/data/parks.db","replica":"file","position":"cc3a3a434f62b421/00000000:4152","elapsed":"495.019µs","sz":4120}""");
        Write("""{"time":"2026-11-24T23:34:58.557041432Z","level":"INFO","msg":"snapshot written","db":"/data/parks.db","replica":"file","position":"cc3a3a434f62b421/00000000:4152","elapsed":"9.580832ms","sz":366}""");
        Assert.AreEqual(
            new DatabaseTally(4486, 0, 0, null, DateTimeOffset.Parse("2026-11-24T23:34:58.557041432Z")), Parks);
    }

    [TestMethod]
    public void Uploads_add_up()
    {
        Write(Uploaded);
        Write(Uploaded.Replace("1a", "1b", StringComparison.Ordinal));
        Assert.AreEqual((4414L, 27UL), (Parks.UploadedBytes, Parks.ReplicaTxid));
    }

    [TestMethod]
    [DataRow("\"maxTXID\":\"000000000000001a\"", "\"maxTXID\":\"no number\"")]
    [DataRow("\"maxTXID\":\"000000000000001a\"", "\"maxTXID\":26.5")]
    [DataRow("\"maxTXID\":\"000000000000001a\",", "")]
    [DataRow("ltx file uploaded", "ltx file deleted")]
    [DataRow("\"db\":\"parks.db\",", "")]
    [DataRow("\"db\":\"parks.db\"", "\"db\":\"roads.db\"")]
    public void A_line_that_tells_of_no_upload_of_this_database_is_not_counted(string part, string instead)
    {
        Write(Uploaded.Replace(part, instead, StringComparison.Ordinal));
        Assert.AreEqual(DatabaseTally.Nothing, Parks);
        Assert.HasCount(1, _log.Entries);
    }

    [TestMethod]
    public void Heartbeats_are_dropped_and_what_is_like_them_is_not()
    {
        Write("""{"time":"2026-11-24T23:34:52.590861061Z","level":"INFO","msg":"replica sync","system":"store","db":"parks.db","replica":"file","txid":{"replica":"0000000000000002","db":"0000000000000002"}}""");
        Assert.IsEmpty(_log.Entries);
        Write("""{"level":"INFO","msg":"replica sync recovered","db":"parks.db","previous_errors":2}""");
        Write("""{"level":"ERROR","msg":"monitor error","db":"parks.db","error":"\"msg\":\"replica sync\""}""");
        Assert.HasCount(2, _log.Entries);
        Assert.AreEqual(1, Parks.Errors);
    }

    [TestMethod]
    public void A_failure_to_take_changes_lasts_from_its_first_error_until_Litestream_says_otherwise()
    {
        Write("""{"time":"2026-11-24T23:00:00Z","level":"ERROR","msg":"sync error","system":"store","db":"parks.db","error":"database is locked"}""");
        Write("""{"time":"2026-11-24T23:00:30Z","level":"ERROR","msg":"sync error","system":"store","db":"parks.db","error":"database is locked"}""");
        Write(Uploaded);
        Assert.AreEqual(DateTimeOffset.Parse("2026-11-24T23:00:00Z"), Parks.TakingError?.Time);
        Assert.AreEqual(2, Parks.Errors);
        Write("""{"time":"2026-11-24T23:01:00Z","level":"INFO","msg":"sync recovered","system":"store","db":"parks.db","previous_errors":9}""");
        Assert.AreEqual((null, 2), (Parks.TakingError, Parks.Errors));
    }

    [TestMethod]
    [DataRow("parks.db")]
    [DataRow("/data/parks.db")]
    public void A_Litestream_that_is_started_anew_begins_without_errors(string name)
    {
        Write($$"""{"level":"ERROR","msg":"sync error","db":"{{name}}"}""");
        Assert.IsNotNull(Parks.TakingError);
        Write("""{"level":"INFO","msg":"initialized db","path":"/data/parks.db"}""");
        Assert.IsNull(Parks.TakingError);
    }

    private DatabaseTally Parks => _log.Tally.Of("/data/parks.db");

    private void Write(string line) => _log.OpenSink(_ => { })(Encoding.UTF8.GetBytes(line + "\n"));
}
