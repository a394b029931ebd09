using System.Text;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class LogSpecs
{
    private readonly TestClock _clock = new();
    private readonly LitestreamLog _log;
    private readonly Action<ReadOnlyMemory<byte>> _sink;

    public LogSpecs()
    {
        _log = new LitestreamLog(_clock);
        _sink = _log.CreateSink(_ => { });
    }

    [TestMethod]
    public void A_line_of_JSON_is_read()
    {
        Write("""{"time":"2026-05-01T12:00:00.5Z","level":"WARN","msg":"sync","db":"parks.db","n":3,"error":{"code":7}}""" + "\n");
        Assert.AreEqual(
            new LogEntry(DateTimeOffset.Parse("2026-05-01T12:00:00.5Z"), "WARN", "sync", "parks.db", "db=parks.db n=3 error={\"code\":7}"), Only);
        Assert.AreEqual("WARN sync db=parks.db n=3 error={\"code\":7}", Only.ToString());
    }

    /// <summary>slog writes them as nanoseconds.</summary>
    [TestMethod]
    [DataRow("interval", 30_000_000_000, "30s")]
    [DataRow("backoff", 1_000_000_000, "1s")]
    [DataRow("retention", 86_400_000_000_000, "24h")]
    [DataRow("duration", 1_234_567_890, "1.234s")]
    [DataRow("elapsed", 12_345, "0s")]
    [DataRow("sync-interval", 1_000_000_000, "1s")]
    [DataRow("size", 30_000_000_000, "30000000000")]
    public void A_duration_has_its_unit(string name, long value, string text)
    {
        Write($$"""{"level":"INFO","msg":"sync","{{name}}":{{value}}}""" + "\n");
        Assert.AreEqual($"{name}={text}", Only.Details);
    }

    [TestMethod]
    [DataRow("2026-05-01T12:00:00.5Z")]
    [DataRow("2026-05-01T14:00:00.5+02:00")]
    [DataRow("2026-05-01T17:30:00.500000000+05:30")]
    [DataRow("2026-05-01T08:30:00.5-03:30")]
    public void A_local_time_is_read_as_UTC(string time)
    {
        Write($$"""{"time":"{{time}}","level":"INFO","msg":"sync"}""" + "\n");
        Assert.AreEqual((new DateTimeOffset(2026, 5, 1, 12, 0, 0, 500, TimeSpan.Zero), TimeSpan.Zero), (Only.Time, Only.Time.Offset));
    }

    [TestMethod]
    [DataRow("panic: out of memory", "INFO")]
    [DataRow("Error: told to fail", "ERROR")]
    [DataRow("{not JSON", "INFO")]
    [DataRow("""{"msg":"\ud83d"}""", "INFO")]
    public void Any_other_line_is_its_own_message(string line, string level)
    {
        Write($"{line}\r\n");
        Assert.AreEqual(new LogEntry(_clock.Now, level, line, null, ""), Only);
    }

    [TestMethod]
    public void Lines_span_pieces_and_characters_span_them_too()
    {
        foreach (var single in Encoding.UTF8.GetBytes("één\n\ntwee"))
        {
            _sink(new[] { single });
        }

        Assert.AreEqual("één", Only.Message);
        _sink(default);
        CollectionAssert.AreEqual(new[] { "één", "twee" }, Messages);
    }

    [TestMethod]
    public void Two_streams_do_not_mix_their_lines()
    {
        var other = _log.CreateSink(_ => { });
        Write("one ");
        other("two\n"u8.ToArray());
        Write("line\n");
        CollectionAssert.AreEqual(new[] { "two", "one line" }, Messages);
    }

    [TestMethod]
    public void The_last_five_hundred_lines_are_kept()
    {
        Write(string.Concat(Enumerable.Range(0, 1234).Select(i => $"{i}\n")));
        CollectionAssert.AreEqual(Enumerable.Range(734, 500).Select(i => $"{i}").ToArray(), Messages);
    }

    [TestMethod]
    public void A_very_long_line_is_cut_and_the_next_one_is_whole()
    {
        Write(new string('x', 1 << 20) + "\nnext\n");
        CollectionAssert.AreEqual(new[] { new string('x', 16 * 1024), "next" }, Messages);
    }

    [TestMethod]
    public void Secrets_are_taken_out_of_what_is_shown_before_anybody_is_told()
    {
        LogEntry? told = null;
        _log.Redactor = new Redactor(["s3cr3t/key+1"]);
        _log.CreateSink(entry => told = entry)(Encoding.UTF8.GetBytes(
            """{"level":"ERROR","msg":"s3cr3t/key+1","url":"https://x/?k=s3cr3t%2Fkey%2B1","db":"s3cr3t/key+1"}""" + "\n"));
        Assert.AreEqual("ERROR *** url=https://x/?k=*** db=***", told!.ToString());
        Assert.AreEqual("s3cr3t/key+1", told.Database);
        Assert.AreEqual(told, Only);
    }

    [TestMethod]
    public void A_secret_that_JSON_escapes_is_taken_out_too()
    {
        _log.Redactor = new Redactor(["pass\"word\\1"]);
        Write("""{"level":"ERROR","msg":"login with pass\"word\\1 failed"}""" + "\n");
        Assert.AreEqual("login with *** failed", Only.Message);
    }

    /// <summary>MinIO's default key, and a database of that name.</summary>
    [TestMethod]
    [DataRow("minioadmin", """{"level":"INFO","msg":"initialized db","path":"/srv/minioadmin.db"}""", "INFO initialized db path=/srv/minioadmin.db")]
    [DataRow("initialized", """{"level":"INFO","msg":"initialized db","path":"/srv/minioadmin.db"}""", "INFO initialized db path=/srv/minioadmin.db")]
    [DataRow("INFO", """{"level":"INFO","msg":"initialized db","path":"/srv/minioadmin.db"}""", "INFO initialized db path=/srv/minioadmin.db")]
    [DataRow("path", """{"level":"INFO","msg":"initialized db","path":"/srv/minioadmin.db"}""", "INFO initialized db ***=/srv/minioadmin.db")]
    public void A_line_is_read_before_a_common_word_is_taken_out(string secret, string line, string shown)
    {
        _log.Redactor = new Redactor([secret], known: ["/srv/minioadmin.db", "minioadmin.db", "initialized db"]);
        Write(line + "\n");
        Assert.AreEqual((true, "/srv/minioadmin.db", shown), (Only.IsInitialized, Only.Database, Only.ToString()));
    }

    [TestMethod]
    public void An_error_keeps_its_database_and_its_meaning_if_both_are_secrets()
    {
        _log.Redactor = new Redactor(["minioadmin", "monitor", "ERROR"]);
        Write("""{"level":"ERROR","msg":"monitor error","db":"minioadmin","error":"wrong key minioadmin"}""" + "\n");
        Assert.IsTrue(Only.IsUploadError);
        Assert.AreEqual("ERROR *** *** db=*** ***=wrong key ***", Only.ToString());
        Assert.AreEqual(1, _log.Statistics.Of("/srv/minioadmin").Errors);
    }

    [TestMethod]
    public void A_refusal_keeps_its_database()
    {
        _log.Redactor = new Redactor(["minioadmin", "open store"]);
        Write("Error: cannot open store: initialize replica client for \"/srv/minioadmin\": wrong key minioadmin\n");
        Assert.AreEqual(new DestinationRefusal("/srv/minioadmin", "wrong key ***"), Only.Refusal);
    }

    /// <summary>A line of JSON that is cut cannot be read, and is shown as it is.</summary>
    [TestMethod]
    public void A_line_that_is_cut_in_the_midst_of_a_secret_tells_nothing_of_it()
    {
        _log.Redactor = new Redactor(["hunter2-hunter2-hunter2"]);
        Write(new string('x', (16 * 1024) - 9) + "hunter2-hunter2-hunter2\n");
        Assert.EndsWith("xxx***", Only.Message);
    }

    private LogEntry Only => _log.Entries.Single();

    private string[] Messages => [.. _log.Entries.Select(entry => entry.Message)];

    private void Write(string text) => _sink(Encoding.UTF8.GetBytes(text));
}
