using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class WordingSpecs
{
    private static readonly DaemonStatus Running = new(DaemonState.Running);

    [TestMethod]
    public void Nothing_to_replicate_is_said() =>
        Assert.AreEqual("No database is replicated.", Wording.Summarize(null, new ObservedDatabases(Observations.Now, []), Observations.Now));

    [TestMethod]
    public void All_that_is_well_is_one_sentence()
    {
        Assert.AreEqual("The database is replicated; what was written until 1.0 s ago is safe.", Summarize(Observations.Database("a")));
        Assert.AreEqual(
            "All 2 databases are replicated; what was written until 3.0 s ago is safe.",
            Summarize(Observations.Database("a"), Observations.Database("b") with { LastSyncAt = Observations.Now.AddSeconds(-3) }));
        Assert.AreEqual(
            "All 2 databases are replicated.", Summarize(Observations.Database("a"), Observations.Database("b", DatabaseState.Starting) with { LastSyncAt = null }));
        Assert.AreEqual(
            "The database is replicated; what was written until 0 s ago is safe.", Summarize(Observations.Database("a") with { LastSyncAt = Observations.Now.AddDays(1) }));
    }

    [TestMethod]
    public void What_is_wrong_is_named_with_the_time_since_when()
    {
        Assert.AreEqual("The database a has been failing since 11:59:00 UTC.", Summarize(Observations.Database("a", DatabaseState.Failing)));
        Assert.AreEqual(
            "1 of 2 databases has been behind since 11:59:00 UTC: b.", Summarize(Observations.Database("a"), Observations.Database("b", DatabaseState.Behind)));
        Assert.AreEqual(
            "5 of 5 databases have been unknown or stopped since 11:00:00 UTC: a, b, c and 2 more.",
            Summarize(
                Observations.Database("a", DatabaseState.Unknown),
                Observations.Database("b", DatabaseState.Stopped, since: 3600),
                Observations.Database("c", DatabaseState.Stopped),
                Observations.Database("d", DatabaseState.Stopped),
                Observations.Database("e", DatabaseState.Stopped)));
    }

    [TestMethod]
    [DataRow(20, "20 s")]
    [DataRow(-1, "0 s")]
    public void A_Litestream_that_is_down_is_named_with_its_next_start(int seconds, string until)
    {
        var daemon = new DaemonStatus(DaemonState.Waiting, NextStartAt: Observations.Now.AddSeconds(seconds)) { DownSince = Observations.Now.AddMinutes(-2) };
        Assert.AreEqual(
            $"Litestream has been down since 11:58:00 UTC, and nothing is replicated. It is started again in {until}.",
            Wording.Summarize(daemon, new ObservedDatabases(Observations.Now, [Observations.Database("a")]), Observations.Now));
    }

    [TestMethod]
    [DataRow(DaemonState.Starting, "Litestream is starting.")]
    [DataRow(DaemonState.Stopping, "Litestream is stopping.")]
    [DataRow(DaemonState.Stopped, "Litestream is stopped.")]
    public void A_Litestream_on_its_way_is_said(object state, string sentence) =>
        Assert.AreEqual(sentence, Wording.Summarize(new DaemonStatus((DaemonState)state), new ObservedDatabases(Observations.Now, [Observations.Database("a")]), Observations.Now));

    [TestMethod]
    [DataRow(DatabaseState.Replicating, "replicated; what was written until 1.0 s ago is safe")]
    [DataRow(DatabaseState.Starting, "being replicated for the first time")]
    [DataRow(DatabaseState.Behind, "behind: the oldest change has waited for 2 min")]
    [DataRow(DatabaseState.Failing, "failing since 11:59:00 UTC")]
    [DataRow(DatabaseState.Stopped, "stopped since 11:59:00 UTC")]
    [DataRow(DatabaseState.Unknown, "unknown since 11:59:00 UTC")]
    public void One_database_is_told_in_a_line(object state, string line) =>
        Assert.AreEqual(line, Wording.Describe(Observations.Database("a", (DatabaseState)state, lag: 120), Observations.Now));

    [TestMethod]
    [DataRow(DatabaseState.Replicating, null, "Replicated; what was written until 1.0 s ago is safe.")]
    [DataRow(DatabaseState.Starting, null, "Being replicated for the first time.")]
    [DataRow(DatabaseState.Failing, "no space left", "Failing since 11:59:00 UTC: no space left")]
    public void Its_own_page_starts_with_the_same_line_and_the_error(object state, string? error, string sentence) =>
        Assert.AreEqual(sentence, Wording.Summarize(Observations.Database("a", (DatabaseState)state), error, Observations.Now));

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0 s")]
    [DataRow(0.04, "0 s")]
    [DataRow(0.8, "0.8 s")]
    [DataRow(9.94, "9.9 s")]
    [DataRow(9.96, "9 s")]
    [DataRow(59.9, "59 s")]
    [DataRow(60.0, "1 min")]
    [DataRow(3599.0, "59 min")]
    [DataRow(5400.0, "1 h 30 min")]
    [DataRow(183_600.0, "2 d 3 h")]
    public void A_duration_has_its_unit(double? seconds, string text) => Assert.AreEqual(text, Wording.Duration(seconds));

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0 B")]
    [DataRow(1023.0, "1023 B")]
    [DataRow(1024.0, "1.0 KiB")]
    [DataRow(1_572_864.0, "1.5 MiB")]
    [DataRow(1e18, "909494.7 TiB")]
    public void A_size_has_its_unit(double? bytes, string text) => Assert.AreEqual(text, Wording.Size(bytes));

    [TestMethod]
    [DataRow(null, "–")]
    [DataRow(0.0, "0")]
    [DataRow(1_234_567.0, "1,234,567")]
    public void A_count_has_its_thousands_apart(double? number, string text) => Assert.AreEqual(text, Wording.Count(number));

    [TestMethod]
    [DataRow(1.9, "just now", "just now")]
    [DataRow(-1.9, "just now", "just now")]
    [DataRow(2.0, "2 s ago", "for 2 s")]
    [DataRow(-2.0, "in 2 s", "in 2 s")]
    [DataRow(59.9, "59 s ago", "for 59 s")]
    [DataRow(7200.0, "2 h 0 min ago", "for 2 h 0 min")]
    public void A_moment_is_told_from_now(double seconds, string ago, string lasting)
    {
        var moment = Observations.Now.AddSeconds(-seconds);
        Assert.AreEqual((ago, lasting), (Wording.Ago(moment, Observations.Now), Wording.For(moment, Observations.Now)));
    }

    [TestMethod]
    public void A_moment_that_is_not_known_is_a_dash() => Assert.AreEqual("–", Wording.Ago(null, Observations.Now));

    [TestMethod]
    public void Every_moment_is_told_in_UTC()
    {
        var local = Observations.Now.ToOffset(TimeSpan.FromHours(14));
        Assert.AreEqual("2026-05-01 12:00:00 UTC", Wording.Exact(local));
        Assert.AreEqual("2026-05-01 12:00:00 WARN slow", Wording.Line(new LogReport(local, "WARN", "slow", "")));
        Assert.AreEqual("2026-05-01 12:00:00 UTC: crash", Wording.Line(new RestartReport(local, "crash", "")));
        Assert.Contains("since 2026-05-01 12:00:00 UTC.", Wording.ConnectionLost(local));
        Assert.AreEqual("The database a has been failing since 12:00:00 UTC.", Summarize(Observations.Database("a", DatabaseState.Failing) with { Since = local }));
        Assert.AreEqual("failing since 12:00:00 UTC", Wording.Describe(Observations.Database("a", DatabaseState.Failing) with { Since = local }, local));
    }

    [TestMethod]
    public void Reasons_are_words() =>
        CollectionAssert.AreEqual(
            new[] { "crash", "unresponsive", "failed start", "credentials", "destination", "renewal" }, Enum.GetValues<RestartReason>().Select(Wording.Name).ToArray());

    [TestMethod]
    public void Every_reason_has_a_word_and_a_sentence_of_its_own()
    {
        var reasons = Enum.GetValues<StateReason>();
        var evidence = Observations.Database("a").Evidence;
        Assert.AreEqual("all_replicated", Wording.Name(StateReason.AllReplicated));
        Assert.HasCount(reasons.Length, reasons.Select(reason => Wording.Explain(reason, evidence)).Distinct());
        StringAssert.Contains(Wording.Explain(StateReason.OnTheWay, evidence), "after 11:59:59 UTC");
        StringAssert.Contains(Wording.Explain(StateReason.OnTheWay, evidence with { ReplicatedUntil = null }), "after the start");
        Assert.AreEqual(
            "Litestream does not report the state of the database. It has been busy with it since 11:58:00 UTC.",
            Wording.Explain(
                StateReason.NoAnswer,
                evidence with { Activity = new SyncActivity("/srv/a.db", true, "sync", "starting", Observations.Now.AddMinutes(-2), null) }));
    }

    [TestMethod]
    public void A_restart_and_a_line_of_the_log_are_a_line_each()
    {
        Assert.AreEqual("2026-05-01 12:00:00 UTC: crash – signal 9", Wording.Line(new RestartReport(Observations.Now, "crash", "signal 9")));
        Assert.AreEqual("2026-05-01 12:00:00 UTC: credentials", Wording.Line(new RestartReport(Observations.Now, "credentials", "")));
        Assert.AreEqual("2026-05-01 12:00:00 WARN slow db=a", Wording.Line(new LogReport(Observations.Now, "WARN", "slow", "db=a")));
        Assert.AreEqual("2026-05-01 12:00:00 INFO ready", Wording.Line(new LogReport(Observations.Now, "INFO", "ready", "")));
    }

    private static string Summarize(params DatabaseObservation[] databases) => Wording.Summarize(Running, new ObservedDatabases(Observations.Now, databases), Observations.Now);
}
