using System.Text.Json;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>The evidence: the drills of the last 90 days.</summary>
[TestClass]
public sealed class DrillsSpecs
{
    [TestMethod]
    public void The_first_sentence_answers_whether_the_backups_are_tested()
    {
        AssertSummary("No database is replicated.", null);
        AssertSummary("No drill was held in 90 days: whether the backup can be relied on was not tested.", null, Database("a"));
        AssertSummary("1 of 1 backup was proven in the last day; 1 drill in 90 days: 1 proven, none failed.", true, Database("a", Observations.Drill(3)));
        var year = Enumerable.Range(0, 90).Select(day => Observations.Drill(24 * (90 - day) - 5)).ToArray();
        AssertSummary(
            "12 of 12 backups were proven in the last day; 1,080 drills in 90 days: 1,080 proven, none failed.", true,
            [.. Enumerable.Range(0, 12).Select(i => Database($"db{i}", year))]);
        AssertSummary(
            "2 of 3 backups were proven in the last 1 d 6 h; 5 drills in 90 days: 3 proven (1 of them weakly), 1 not held, 1 failed.", false,
            Database("a", Observations.Drill(30, DrillOutcome.ProvenWeakly), Observations.Drill(6, DrillOutcome.NotHeld)),
            Database("b", Observations.Drill(3)),
            Database("c", Observations.Drill(27), Observations.Drill(3, DrillOutcome.Failed)));
        AssertSummary("The backup is not proven; 1 drill in 90 days: 0 proven, 1 not held, none failed.", null, Database("a", Observations.Drill(3, DrillOutcome.NotHeld)));
    }

    [TestMethod]
    public void A_drill_that_failed_counts_until_the_backup_is_proven_again() =>
        Assert.IsTrue(Report(Database("a", Observations.Drill(27, DrillOutcome.Failed), Observations.Drill(3))).Healthy);

    [TestMethod]
    public void Each_backup_is_summed_up()
    {
        var drills = new[] { (50.0, 4.0), (26, 1), (2, 2) }.Select(one => Observations.Drill(one.Item1) with { RestoreSeconds = one.Item2 });
        var backup = Report(Database("a b", [.. drills, Observations.Drill(1, DrillOutcome.NotHeld)])).Text.Backups.Single();
        Assert.AreEqual(
            ("a b", "?database=a%20b", "s3://maps/a b", "2 h 0 min ago", "3 proven, 1 not held, none failed", "1 d 0 h", "2.0 s, at most 4.0 s", "4.0 MiB"),
            (backup.Name, backup.Link, backup.Destination, backup.Proven.Words, backup.Outcomes, backup.LongestGap, backup.Restore, backup.Size));
        Assert.IsEmpty(backup.Gaps);
        var none = Report(Database("a")).Text.Backups.Single();
        Assert.AreEqual(("–", "none yet", "–", "–", "–"), (none.Proven.Words, none.Outcomes, none.LongestGap, none.Restore, none.Size));
        Assert.IsEmpty(Report(Database("a")).Text.Details.Single().Charts);
    }

    [TestMethod]
    public void Each_drill_is_a_row_and_the_newest_comes_first()
    {
        var rows = Report(Database("a", Observations.Drill(3, DrillOutcome.Failed), Observations.Drill(2, DrillOutcome.NotHeld))).Text.Details.Single().Drills;
        Assert.AreEqual(
            new DrillRowText(new MomentText("2026-05-01T10:00:00Z", "2 h 0 min ago", "2026-05-01 10:00:00 UTC"), "not_held", "not held", "The disk is full.", "–", "–", "–", "–", "–"), rows[0]);
        Assert.AreEqual(
            new DrillRowText(
                new MomentText("2026-05-01T09:00:00Z", "3 h 0 min ago", "2026-05-01 09:00:00 UTC"), "failed", "failed",
                "It differs in the table trees. The state of 09:00 can be restored.", "000000000000002a", "0.5 s old", "2.5 s", "1.5 s", "4.0 MiB"),
            rows[1]);
    }

    [TestMethod]
    [DataRow(new[] { 240.0, 100, 99 }, "No proof from 2026-04-21 12:00:00 UTC to 2026-04-27 08:00:00 UTC: 5 d 20 h.|No proof from 2026-04-27 09:00:00 UTC until now: 4 d 3 h.")]
    [DataRow(new[] { 144.0, 72 }, "")]
    public void A_time_of_more_than_three_intervals_without_a_proof_is_told(double[] hours, string gaps)
    {
        // What could not be held is no proof.
        DrillResult[] drills = [.. hours.Select(hour => Observations.Drill(hour)), Observations.Drill(1, DrillOutcome.NotHeld)];
        Assert.AreEqual(gaps, string.Join('|', Report(Database("a", drills)).Text.Backups.Single().Gaps.Reverse()));
    }

    [TestMethod]
    public void What_was_never_proven_lacks_a_proof_since_the_first_drill()
    {
        var backup = Report(Database("a", Observations.Drill(100, DrillOutcome.NotHeld), Observations.Drill(1, DrillOutcome.NotHeld)));
        Assert.AreEqual("No proof from 2026-04-27 08:00:00 UTC until now: 4 d 4 h.", backup.Text.Backups.Single().Gaps.Single());
    }

    [TestMethod]
    public void Without_an_interval_no_time_without_a_proof_is_too_long()
    {
        var database = Database("a", Observations.Drill(1000));
        database = database with { Replicas = [database.Replicas.Single() with { Interval = null }] };
        Assert.AreEqual(("41 d 16 h", 0), (Report(database).Text.Backups.Single().LongestGap, Report(database).Text.Backups.Single().Gaps.Count));
    }

    [TestMethod]
    public void The_charts_have_a_point_for_each_day_since_the_first_drill()
    {
        var charts = Report(Database("a", Observations.Drill(20 * 24), Observations.Drill(25) with { RestoreSeconds = 40 }, Observations.Drill(2))).Text.Details.Single().Charts;
        Assert.AreEqual("drills-0-restore drills-0-size", string.Join(' ', charts.Select(chart => chart.Key)));
        Assert.AreEqual(("Longest restore of each day: at most 40 s", "0 0 40 100"), (charts[0].Label, charts[0].Box));
        Assert.AreEqual("15 Apr 20 Apr 25 Apr 30 Apr", string.Join(' ', charts[0].Times.Select(mark => mark.Text)));
        var readings = charts[0].Readings.Split('\n');
        Assert.AreEqual((21, "2026-04-11: 2.5 s", "2026-04-12: –", "2026-04-30: 40 s", "2026-05-01: 2.5 s"), (readings.Length, readings[0], readings[1], readings[^2], readings[^1]));
        Assert.AreEqual("M0 94h0M38 0h0L40 94", charts[0].Series.Single().Path);
        Assert.HasCount(90, Report(Database("a", Observations.Drill((90 * 24) - 1))).Text.Details.Single().Charts[1].Readings.Split('\n'));
    }

    [TestMethod]
    public void The_JSON_has_each_drill_with_its_figures()
    {
        var json = JsonSerializer.SerializeToElement(Report(Database("a", Observations.Drill(100), Observations.Drill(3, DrillOutcome.ProvenWeakly))), StatusJson.Default.DrillsReport);
        Assert.AreEqual((1, 2, 1), (json.GetProperty("backups").GetInt32(), Count("total"), Count("proven_weakly")));
        var replica = json.GetProperty("databases")[0].GetProperty("replicas")[0];
        Assert.AreEqual(97 * 3600, replica.GetProperty("gaps")[0].GetProperty("seconds").GetDouble());
        var drill = replica.GetProperty("drills")[0];
        Assert.AreEqual(("proven_weakly", 2.5, 4 << 20), (drill.GetProperty("outcome").GetString(), drill.GetProperty("restore_seconds").GetDouble(), drill.GetProperty("bytes").GetInt32()));
        Assert.IsFalse(json.TryGetProperty("text", out _));

        int Count(string outcome) => json.GetProperty("counts").GetProperty(outcome).GetInt32();
    }

    [TestMethod]
    public void A_thousand_databases_are_on_pages_and_can_be_searched()
    {
        DrilledDatabase[] all = [.. Enumerable.Range(0, 1000).Select(i => Database($"db{i:0000}", Observations.Drill(3)))];
        var text = DrillsReport.Of(all, new StatusQuery(Page: 2), Observations.Now).Text;
        Assert.AreEqual(("1,000 of 1,000 backups", 50, "db0050", 0), (text.Sentence[..22], text.Backups.Count, text.Backups[0].Name, text.Details.Count));
        Assert.AreEqual(("?page=2", "Page 2 of 20 (1,000 databases)", "?page=3"), (text.Query, text.Pages!.Words, text.Pages.Next));
        var found = DrillsReport.Of(all, new StatusQuery(Search: "db099"), Observations.Now).Text;
        Assert.AreEqual(("10 of 10 backups", "db099", 10, false), (found.Sentence[..16], found.Search!.Value, found.Details.Count, found.Details[0].IsOpen));
        var one = DrillsReport.Of(all, new StatusQuery(Database: "db0999"), Observations.Now).Text;
        Assert.AreEqual(("db0999", true, "?", "?database=db0999"), (one.Backups.Single().Name, one.Details.Single().IsOpen, one.All, one.Query));
    }

    private static void AssertSummary(string sentence, bool? isHealthy, params DrilledDatabase[] databases)
    {
        var report = Report(databases);
        Assert.AreEqual((sentence, isHealthy), (report.Summary, report.Healthy));
    }

    private static DrillsReport Report(params DrilledDatabase[] databases) => DrillsReport.Of(databases, new StatusQuery(), Observations.Now);

    private static DrilledDatabase Database(string name, params DrillResult[] drills) => new(
        DatabaseListing.Of(Observations.Database("any")) with { Name = name }, [new DrilledReplica($"s3://maps/{name}", TimeSpan.FromDays(1), [.. drills])]);
}
