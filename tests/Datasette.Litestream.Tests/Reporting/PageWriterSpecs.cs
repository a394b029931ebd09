using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class PageWriterSpecs
{
    private static readonly LitestreamReport Litestream = new("0.5.17", "/bin/litestream", "on PATH", 7, Observations.Now.AddMinutes(-2), 120, 0, null, null, null, []);

    private static readonly StatusReport Report = new(
        "running", true, Sentence.Of($"All is well."), null, Observations.Now.AddSeconds(-2), Observations.Now, Litestream, null,
        new CountReport(120, 120, 0, 0, 0, 0, 0, 0), 2, 3, 50, 120, "", "state", false, [Database("b"), Database("a b<c>")],
        [new SkippedReport("_memory", "in memory")], ["Watch out."], "dbs: []", [], null);

    [TestMethod]
    public void Figures_are_told_in_words()
    {
        var row = Report.Text.Databases![0];
        Assert.AreEqual(("b", "replicating", "for 1 min", "1.5 s", "4.0 KiB", "4.0 MiB"), (row.Name, row.State, row.Since.Words, row.Lag, row.Uploaded, row.Size));
        Assert.AreEqual(new MomentText("2026-05-01T11:59:57Z", "2026-05-01 11:59:57 UTC", "3 s ago"), row.LastSync);
        Assert.AreEqual("s3://maps/b\ns3://other/b", row.Destinations);
        Assert.AreEqual(new SparklineText("M8 17h0", "Lag in the last 5 min: at most 1.5 s, last 1.5 s"), row.LagLine);
        Assert.AreEqual(new SparklineText("M8 20V19", "Uploaded in the last 5 min: 10 B"), row.UploadedBars);
        Assert.AreEqual("0 0 8 20", Report.Text.SparklineBox);
        Assert.AreEqual("No answer from Datasette since 2026-05-01 12:00:00 UTC. This page shows the state at that time.", Report.Text.Lost);
        AssertSummary("All is well.", "running", "true", Report.Text.Summary);
        Assert.AreEqual("_memory: in memory", Report.Text.Skipped.Single().Text);
    }

    [TestMethod]
    public void A_local_time_of_Litestream_is_told_in_UTC()
    {
        var local = Observations.Now.ToOffset(TimeSpan.FromHours(14));
        var row = (Report with { Databases = [Database("a") with { LastSyncAt = local.AddSeconds(-3), Since = local }] }).Text.Databases![0];
        Assert.AreEqual(new MomentText("2026-05-01T11:59:57Z", "2026-05-01 11:59:57 UTC", "3 s ago"), row.LastSync);
        Assert.AreEqual("2026-05-01T12:00:00Z", row.Since.At);
        var log = (Report with { Log = [new(local, "INFO", "a", ""), new(Observations.Now, "INFO", "b", "")] }).Text.Log;
        CollectionAssert.AreEqual(new[] { "2026-05-01 12:00:00 INFO b", "2026-05-01 12:00:00 INFO a" }, log.Select(line => line.Text).ToArray());
        CollectionAssert.AllItemsAreUnique(log.Select(line => line.Id).ToArray());
    }

    [TestMethod]
    public void What_is_unknown_is_a_dash()
    {
        var row = (Report with { Databases = [Database("a") with { LagSeconds = null, LastSyncAt = null, DatabaseBytes = null }] }).Text.Databases![0];
        Assert.AreEqual(("–", new MomentText(null, null, "–"), "–"), (row.Lag, row.LastSync, row.Size));
    }

    [TestMethod]
    public void A_name_is_safe_in_an_address_and_as_an_id()
    {
        var row = Report.Text.Databases![1];
        Assert.AreEqual(("database-a%20b%3Cc%3E", "?database=a%20b%3Cc%3E"), (row.Id, row.Link));
    }

    [TestMethod]
    public void Pages_keep_what_was_asked_for()
    {
        var report = Report with { Search = "maps", Sort = "lag", Descending = true };
        Assert.AreEqual(
            new PagesText("?search=maps&sort=lag&descending=1", "Page 2 of 3 (120 databases)", "?search=maps&sort=lag&descending=1&page=3"), report.Text.Pages);
        Assert.AreEqual("?search=maps&sort=lag&descending=1&page=2", report.Text.Query);
        Assert.AreEqual(("maps", "?sort=lag&descending=1"), (report.Text.Search!.Value, report.Text.Search.All));
        CollectionAssert.AreEquivalent(
            new Dictionary<string, string> { ["sort"] = "lag", ["descending"] = "1" }, report.Text.Search.Kept.ToDictionary());
        Assert.AreEqual(new ColumnText("Lag", "?search=maps&sort=lag", "descending"), report.Text.Columns[3]);
        Assert.AreEqual(new ColumnText("Size", "?search=maps&sort=size"), report.Text.Columns[6]);
        Assert.IsNull((Report with { Page = 3 }).Text.Pages!.Next);
        Assert.IsNull((Report with { Pages = 1 }).Text.Pages);
    }

    [TestMethod]
    public void Few_databases_need_no_search()
    {
        Assert.IsNull((Report with { Counts = Report.Counts with { Total = 10 } }).Text.Search);
        Assert.IsNull(Report.Text.Search!.All);
        Assert.IsNull((Report with { Counts = Report.Counts with { Total = 0 } }).Text.Databases);
    }

    [TestMethod]
    public void Facts_are_those_that_are_known()
    {
        Assert.AreEqual("process_state version binary process_id started_at", Keys(Report));
        var failed = Litestream with { ProcessId = null, StartedAt = null, Failures = 2, LastFailure = "signal 9", LastFailureAt = Observations.Now, NextStartAt = Observations.Now.AddSeconds(5) };
        var report = Report with { Litestream = failed, Credentials = new CredentialReport("a file", Observations.Now, null, Observations.Now.AddHours(1), "no such file", Observations.Now) };
        Assert.AreEqual(
            "process_state version binary failures last_failure_at last_failure next_start_at credentials credentials_read_at credentials_expire_at credentials_failing_since credentials_failure", Keys(report));
        Assert.AreEqual("in 5 s", report.Text.Facts.Single(fact => fact.Key == "next_start_at").Moment!.Words);

        static string Keys(StatusReport report) => string.Join(' ', report.Text.Facts.Select(fact => fact.Key));
    }

    [TestMethod]
    public void Lines_of_the_log_are_newest_first_and_each_has_a_name_of_its_own()
    {
        var log = (Report with
        {
            Log = [new(Observations.Now, "INFO", "a", ""), new(Observations.Now, "ERROR", "b", "db=x"), new(Observations.Now.AddSeconds(1), "WARN", "c", "")],
        }).Text.Log;
        CollectionAssert.AreEqual(
            new[] { "2026-05-01 12:00:01 WARN c", "2026-05-01 12:00:00 ERROR b db=x", "2026-05-01 12:00:00 INFO a" }, log.Select(line => line.Text).ToArray());
        CollectionAssert.AllItemsAreUnique(log.Select(line => line.Id).ToArray());
        Assert.AreEqual("error", log[1].Level);
    }

    [TestMethod]
    public void Metrics_are_rows_in_the_order_of_names()
    {
        var metrics = (Report with
        {
            Metrics = new MetricsReport(
                "http://localhost:9090/metrics",
                null,
                new Dictionary<string, IReadOnlyDictionary<string, double>>
                {
                    ["b"] = new Dictionary<string, double>(),
                    ["a"] = new Dictionary<string, double> { ["db_size"] = 4096, ["sync_count"] = 12345, ["sync_seconds"] = 1.5 },
                },
                [new OperationReport("s3", "PUT", 5, null)]),
        }).Text.Metrics!;
        Assert.AreEqual("a|4.0 KiB|–|–|12,345|–|1.5 s|–\nb|–|–|–|–|–|–|–", Join(metrics.Databases));
        Assert.AreEqual("s3|PUT|5|–", Join(metrics.Operations));

        static string Join(IReadOnlyList<IReadOnlyList<string>> rows) => string.Join('\n', rows.Select(row => string.Join('|', row)));
    }

    [TestMethod]
    public void Charts_have_axes_in_words_and_a_reading_at_each_point()
    {
        var text = Detail(HistoryRange.Hour).Text;
        var lag = text.Charts[0];
        Assert.AreEqual(("lag", "Lag", "Lag in the last hour: at most 20 s, last 1.5 s", "0 0 718 100"), (lag.Key, lag.Title, lag.Label, lag.Box));
        Assert.AreEqual("0 5 s 10 s 15 s 20 s", string.Join(' ', lag.Values.Select(mark => mark.Text)));
        Assert.AreEqual(("100%", "0%"), (lag.Values[0].At, lag.Values[^1].At));
        Assert.AreEqual("11:15 11:30 11:45 12:00", string.Join(' ', lag.Times.Select(mark => mark.Text)));
        Assert.AreEqual("100%", lag.Times[^1].At);
        var readings = lag.Readings.Split('\n');
        Assert.AreEqual((360, "11:00:10 UTC: –", "12:00:00 UTC: 1.5 s"), (readings.Length, readings[0], readings[^1]));
        Assert.AreEqual("12:00:00 UTC: Database 4.0 KiB, WAL 512 B", text.Charts[2].Readings.Split('\n')[^1]);
        Assert.AreEqual("Database WAL", string.Join(' ', text.Charts[2].Series.Select(series => series.Name)));
        Assert.AreEqual("18:00 00:00 06:00 12:00", string.Join(' ', Detail(HistoryRange.Day).Text.Charts[0].Times.Select(mark => mark.Text)));
        Assert.IsNull(text.HistoryNote);
    }

    [TestMethod]
    [DataRow(90, 90, "15 min", "11:50 11:55 12:00")]
    [DataRow(2, 12, "2 min", "11:59 12:00")]
    public void Charts_of_a_short_history_show_that_time_and_say_so(int known, int points, string period, string marks)
    {
        var text = Detail(HistoryRange.Hour, known).Text;
        Assert.AreEqual($"The charts show the last {period}: nothing older is known yet.", text.HistoryNote);
        var lag = text.Charts[0];
        Assert.AreEqual(($"Lag in the last {period}: at most 20 s, last 1.5 s", $"0 0 {2 * (points - 1)} 100"), (lag.Label, lag.Box));
        Assert.AreEqual(marks, string.Join(' ', lag.Times.Select(mark => mark.Text)));
        Assert.HasCount(points, lag.Readings.Split('\n'));
    }

    [TestMethod]
    public void Sparklines_of_a_short_history_show_those_minutes_and_say_so()
    {
        Assert.AreEqual("The lines show the last 5 min, one point per minute. Uploaded counts since Datasette started.", Report.Text.Note);
        var old = Database("a") with { Sparklines = new SparklineReport(new float?[60], [.. Enumerable.Repeat<float?>(0, 60)]) };
        var text = (Report with { Databases = [Database("b"), old] }).Text;
        Assert.AreEqual("The lines show the last hour, one point per minute. Uploaded counts since Datasette started.", text.Note);
        Assert.AreEqual(("0 0 118 20", "M118 17h0", "Lag in the last hour: not known"), (text.SparklineBox, text.Databases![0].LagLine.Path, text.Databases[1].LagLine.Label));
    }

    [TestMethod]
    public void Names_in_the_headline_are_links_and_times_are_times()
    {
        var sentence = Wording.Summarize(
            new DaemonStatus(DaemonState.Running),
            new ObservedDatabases(Observations.Now, [Observations.Database("a b", DatabaseState.Failing, lag: 9), Observations.Database("c")]),
            Observations.Now);
        CollectionAssert.AreEqual(
            new[]
            {
                new PartText("1 of 2 databases has been failing since ", null, null),
                new PartText("11:59:00 UTC", null, "2026-05-01T11:59:00Z"),
                new PartText(", because Litestream cannot read changes: ", null, null),
                new PartText("a b", "?database=a%20b", null),
                new PartText(". What was written since ", null, null),
                new PartText("11:59:59 UTC", null, "2026-05-01T11:59:59Z"),
                new PartText(" is not safe.", null, null),
            },
            (Report with { Headline = sentence }).Text.Summary.Parts.ToArray());
    }

    [TestMethod]
    [DataRow(true, "Litestream's words")]
    [DataRow(false, "Details")]
    public void A_problem_has_its_cause_first_and_the_error_itself_last(bool isFromLitestream, string label)
    {
        var database = Database("a");
        Assert.IsNull((Report with { Databases = [database] }).Text.Databases![0].Problem);
        var wrong = database with
        {
            State = "failing",
            Error = "ERROR sync error NoSuchBucket",
            Reason = database.Reason with
            {
                Cause = "The bucket does not exist.",
                Remedy = "Create it.",
                Sentence = "Litestream cannot upload.",
                IsErrorFromLitestream = isFromLitestream,
            },
            Warnings = ["Watch out."],
        };
        var row = (Report with { Databases = [wrong] }).Text.Databases![0];
        Assert.AreEqual(new ProblemText("The bucket does not exist. Litestream cannot upload.", "Create it.", "ERROR sync error NoSuchBucket", label), row.Problem);
        Assert.AreEqual("Watch out.", row.Warnings.Single());
        Assert.AreEqual(row.Problem, (Detail(HistoryRange.Hour) with { Database = wrong }).Text.Problem);
    }

    [TestMethod]
    public void The_page_of_a_database_says_how_it_stands()
    {
        var text = Detail(HistoryRange.Day).Text;
        AssertSummary("Replicated.", "replicating", "true", text.Summary);
        Assert.AreEqual("?database=b&history=day", text.Query);
        Assert.AreEqual(new RangeText("Last hour", "?database=b&history=hour", false), text.Ranges[0]);
        Assert.AreEqual(new RangeText("Last day", "?database=b&history=day", true), text.Ranges[1]);
        Assert.AreEqual("It is on its way.", text.Reason.Sentence);
        CollectionAssert.AreEqual(
            new[]
            {
                "File changed: 2026-05-01 11:59:58 UTC",
                "Sync requested: 2026-05-01 11:59:56 UTC",
                "Synced up to transaction: 7",
                "Replicated up to transaction: 6",
                "Everything replicated that was written before: 2026-05-01 11:59:57 UTC",
                "Litestream's last activity: sync: starting",
                "Started: 2026-05-01 12:00:00 UTC",
            },
            text.Reason.Facts.Select(fact => $"{fact.Label}: {fact.Text}").ToArray());
        Assert.AreEqual("", (Detail(HistoryRange.Day) with { Healthy = null }).Text.Summary.Healthy);
    }

    [TestMethod]
    public void Each_of_several_destinations_has_its_own_state_figures_and_restore_command()
    {
        var destinations = Detail(HistoryRange.Hour).Text.Destinations;
        CollectionAssert.AreEqual(new[] { "s3://maps", "s3://other" }, destinations.Select(destination => destination.Destination).ToArray());
        Assert.IsNull(destinations[0].Problem);
        Assert.AreEqual(new ProblemText("It is failing.", "Wait.", "access denied", "Details"), destinations[1].Problem);
        CollectionAssert.AreEqual(
            new[]
            {
                "Written by: the plugin, from Litestream's files",
                "Lag: 2.5 s",
                "Everything there that was written before: 2026-05-01 11:59:57 UTC",
                "Backup checked: 2026-05-01 11:55:00 UTC",
                "Can be restored back to: 2026-04-30 12:00:00 UTC",
                "In steps: every second since 11:55:00 UTC, every 30 s since 10:00:00 UTC, merged files since 03:00:00 UTC, snapshots alone since 2026-04-30 12:00:00 UTC",
                "Newest snapshot: 2026-05-01 09:00:00 UTC",
                "Size of the backup: 4.0 KiB in 345 files",
            },
            destinations[1].Facts.Select(fact => $"{fact.Label}: {fact.Text}").ToArray());
        Assert.AreEqual("litestream restore s3://other", destinations[1].RestoreCommand);
        var one = Detail(HistoryRange.Hour);
        Assert.IsEmpty((one with { Database = one.Database with { Replicas = [.. one.Database.Replicas.Take(1)] } }).Text.Destinations);
    }

    [TestMethod]
    public void The_time_to_restore_is_chosen_from_the_oldest_state_to_now()
    {
        var (oldest, at) = (Observations.Now.AddDays(-1), Observations.Now.AddHours(-2));
        var newest = Detail(HistoryRange.Day) with { Chosen = new ChosenStateReport(null, null, null, null, null, null, "The newest.", oldest) };
        Assert.AreEqual("?database=b&history=day", newest.Text.Query);
        var time = newest.Text.Time!;
        var now = Observations.Now.ToUnixTimeSeconds();
        Assert.AreEqual(("2026-05-01T12:00:00", "The newest."), (time.Value, time.Sentence));
        Assert.AreEqual((now - 86400, now, now, "1 d 0 h ago"), (time.Slider!.Min, time.Slider.Max, time.Slider.Value, time.Slider.Oldest.Words));
        Assert.AreEqual((null, null), (time.Chosen, time.Newest));
        Assert.AreEqual(new DownloadText("?database=b", "Download the newest state"), time.Download);

        var chosen = newest with { Chosen = newest.Chosen with { At = at, Written = "2 hours ago" } };
        Assert.AreEqual("?database=b&history=day&at=2%20hours%20ago", chosen.Text.Query);
        time = chosen.Text.Time!;
        Assert.AreEqual(("2026-05-01T10:00:00", now - 7200, "?database=b&history=day"), (time.Value, time.Slider!.Value, time.Newest));
        CollectionAssert.AreEqual(new[] { "database", "history" }, time.Kept.Keys.ToArray());
        Assert.AreEqual(new DownloadText("?database=b&at=2026-05-01T10%3A00%3A00Z", "Download as it was"), time.Download);
        Assert.IsNull((newest with { Chosen = newest.Chosen with { OldestAt = null } }).Text.Time!.Slider);
        Assert.IsNull((newest with { Chosen = newest.Chosen with { Written = "soon" } }).Text.Time!.Download);
        Assert.IsNull((newest with { Database = newest.Database with { IsInternal = true } }).Text.Time!.Download);
        Assert.IsNull(Detail(HistoryRange.Day).Text.Time);
    }

    private static DatabaseReport Database(string name) => new(
        name, $"/srv/{name}.db", [$"s3://maps/{name}", $"s3://other/{name}"], [Replica("s3://maps", "litestream", "replicating"), Replica("s3://other", "plugin", "failing")], "replicating", Observations.Now.AddMinutes(-1), null, 7, 7, 1.5, Observations.Now.AddSeconds(-3),
        4 << 20, 512, 4096, 0,
        new ReasonReport("on_the_way", "It is on its way.", null, null, Observations.Now.AddSeconds(-2), Observations.Now.AddSeconds(-4), 7, 6, Observations.Now.AddSeconds(-3), "sync: starting", Observations.Now),
        [],
        new SparklineReport([.. new float?[59], 1.5f], [.. new float?[58], 0, 10]));

    private static ReplicaReport Replica(string destination, string writer, string state) => new(
        destination, writer, state, Observations.Now.AddMinutes(-1), $"It is {state}.", "Wait.", state == "failing" ? "access denied" : null, null, 6, 2.5,
        Observations.Now.AddSeconds(-3), Observations.Now.AddMinutes(-5), 4096,
        new RestorableReport(
            Observations.Now.AddDays(-1), Observations.Now.AddHours(-3),
            [new("uploaded", 1, Observations.Now.AddMinutes(-5)), new("merged", 30, Observations.Now.AddHours(-2)), new("merged", null, Observations.Now.AddHours(-9)), new("snapshots", null, Observations.Now.AddDays(-1))],
            Observations.Now.AddMinutes(-30)),
        $"litestream restore {destination}")
    { Files = 345 };

    private static void AssertSummary(string text, string state, string healthy, SummaryText summary) =>
        Assert.AreEqual((text, state, healthy), (summary.Text, summary.State, summary.Healthy));

    /// <param name="range">The range.</param>
    /// <param name="known">The number of points that are known; all if null.</param>
    private static DatabaseDetailReport Detail(HistoryRange range, int? known = null)
    {
        var values = new float?[range.Length];
        (values[^2], values[^1]) = (20, 1.5f);
        var uploads = new float?[range.Length];
        Array.Fill(uploads, 0, range.Length - (known ?? range.Length), known ?? range.Length);
        var sizes = new float?[range.Length];
        sizes[^1] = 4096;
        var wals = new float?[range.Length];
        wals[^1] = 512;
        var txids = new ulong?[range.Length];
        var history = new HistoryReport(range.Name, range.Interval.TotalSeconds, Observations.Now, values, uploads, txids, txids, wals, sizes, values);
        return new DatabaseDetailReport(
            Database("b") with { Sparklines = null }, Sentence.Of($"Replicated."), true, "litestream restore", null, history, [], Observations.Now, Observations.Now);
    }
}
