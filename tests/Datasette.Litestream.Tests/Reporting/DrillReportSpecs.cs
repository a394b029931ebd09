using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>How far a destination is proven, in the JSON, on the page of its database and in the headline.</summary>
[TestClass]
public sealed class DrillReportSpecs
{
    private static readonly DrillStatus Failed = Observations.Proven(30) with { Last = Observations.Drill(6, DrillOutcome.Failed), Failure = Observations.Drill(6, DrillOutcome.Failed) };

    private static readonly DrillStatus NotHeld = Observations.Proven(30) with { Last = Observations.Drill(6, DrillOutcome.NotHeld) };

    public static IEnumerable<object[]> States =>
    [
        ["due", Observations.Unproven],
        ["off", Observations.Unproven with { Interval = null, DueAt = null }],
        ["proven", Observations.Proven(3)],
        ["proven", Observations.Proven(3) with { Interval = null, DueAt = null }],
        ["proven_weakly", Observations.Proven(3) with { Last = Observations.Drill(3, DrillOutcome.ProvenWeakly) }],
        ["failed", Failed],
        ["failed", Failed with { Last = Observations.Drill(1, DrillOutcome.NotHeld) }],
        ["not_held", NotHeld],
        ["running", Observations.Proven(3) with { Progress = new DrillProgress(DrillPhase.Copying) }],
    ];

    [TestMethod]
    [DynamicData(nameof(States))]
    public void It_is_in_one_of_these_states(string state, object status) => Assert.AreEqual(state, DrillReport.Of((DrillStatus)status).State);

    [TestMethod]
    public void The_figures_are_those_of_the_last_drill_that_was_held()
    {
        foreach (var drill in new[] { DrillReport.Of(Observations.Proven(3)), DrillReport.Of(NotHeld), DrillReport.Of(Failed) })
        {
            Assert.AreEqual(
                ("000000000000002a", 0.5, 2.5, 1.5, 4L << 20, 0),
                (drill.RestoredState, drill.DataAgeSeconds, drill.RestoreSeconds, drill.CheckSeconds, drill.Bytes, drill.ForeignKeyViolations));
        }

        Assert.IsNull(DrillReport.Of(Observations.Unproven).RestoreSeconds);
        var notHeld = DrillReport.Of(NotHeld);
        Assert.AreEqual(("The disk is full.", Observations.Now.AddHours(-6), Observations.Now.AddHours(-30), true), (notHeld.Sentence, notHeld.At, notHeld.ProvenAt, notHeld.Strong));
        var failed = DrillReport.Of(Failed with { Last = Observations.Drill(1, DrillOutcome.NotHeld) });
        Assert.AreEqual(
            ("It differs in the table trees.", "The state of 09:00 can be restored.", Observations.Now.AddHours(-6)), (failed.Sentence, failed.StillRestorable, failed.FailedAt));
    }

    [TestMethod]
    public void The_oldest_proof_is_known_if_every_destination_was_proven()
    {
        Assert.AreEqual(Observations.Now.AddHours(-2), DrillReport.OldestProof([Observations.Now, Observations.Now.AddHours(-2)]));
        Assert.IsNull(DrillReport.OldestProof([Observations.Now, null]));
        Assert.IsNull(DrillReport.OldestProof([]));
    }

    [TestMethod]
    public void A_proven_backup_is_shown_with_its_figures()
    {
        Assert.AreEqual(
            "Proven: 3 h 0 min ago, 2026-05-01 09:00:00 UTC (equal to the live database, page by page)\nRestored in: 2.5 s (4.0 MiB)\nData was: 0.5 s old\nNext drill: in 21 h 0 min, 2026-05-02 09:00:00 UTC",
            Shown(Observations.Proven(3)));
        var weak = Observations.Drill(3, DrillOutcome.ProvenWeakly) with { ForeignKeyViolations = 3 };
        var facts = Shown(Observations.Proven(3) with { Last = weak, LastProof = weak, Interval = null, DueAt = null });
        Assert.Contains("(the weaker proof: whole, with the schema and the row counts that the live database had about then)", facts);
        Assert.Contains("\nForeign keys: 3 rows break one, in the live database as in its backup", facts);
        Assert.EndsWith("\nNext drill: none by itself: verify-interval is off", facts);
        Assert.AreEqual("Next drill: in 5 min, 2026-05-01 12:05:00 UTC", Shown(Observations.Unproven));
    }

    [TestMethod]
    public void A_drill_that_failed_is_a_problem_until_the_backup_was_made_anew()
    {
        var text = Text(Failed);
        Assert.AreEqual(
            ("The drill of 2026-05-01 06:00:00 UTC failed. It differs in the table trees. The state of 09:00 can be restored.", null), (text.Problem, text.Warning));
        text = Text(Failed with { RenewedAt = Observations.Now.AddHours(-1) });
        Assert.IsNull(text.Problem);
        Assert.EndsWith("can be restored. The backup was made anew at 2026-05-01 11:00:00 UTC, and is not proven again yet.", text.Warning!);
    }

    [TestMethod]
    public void A_drill_that_could_not_be_held_is_a_warning() =>
        Assert.AreEqual((null, "The drill of 2026-05-01 06:00:00 UTC could not be held. The disk is full."), (Text(NotHeld).Problem, Text(NotHeld).Warning));

    [TestMethod]
    [DataRow(DrillPhase.Copying, "the live database is copied, once nobody writes for a moment")]
    [DataRow(DrillPhase.Waiting, "what was copied is waited for at the destination")]
    [DataRow(DrillPhase.Restoring, "12.0 MiB restored")]
    [DataRow(DrillPhase.Comparing, "what was restored is checked and compared")]
    [DataRow(DrillPhase.Searching, "it failed, and what still can be restored is looked for")]
    public void A_drill_under_way_says_what_it_does(object phase, string words)
    {
        var running = Observations.Proven(3) with
        {
            Progress = new DrillProgress((DrillPhase)phase, (DrillPhase)phase == DrillPhase.Restoring ? 12 << 20 : null),
            RunningSince = Observations.Now.AddSeconds(-4),
        };
        Assert.Contains($"\nDrill began: 4 s ago, 2026-05-01 11:59:56 UTC ({words})\n", Shown(running));
    }

    [TestMethod]
    public void The_headline_says_when_everything_was_proven()
    {
        AssertPromise("", Observations.Database("a"));
        AssertPromise("; backup proven 3 h 0 min ago", Observations.Database("a").Drilled(Observations.Proven(3)));
        AssertPromise("; backup not proven yet", Observations.Database("a").Drilled(Observations.Unproven));
        AssertPromise("", Observations.Database("a").Drilled(Observations.Unproven with { Interval = null }));
        var (old, young) = (Observations.Database("a").Drilled(Observations.Proven(20)), Observations.Database("b").Drilled(Observations.Proven(3)));
        AssertPromise("; every backup proven in the last 20 h 0 min", old, young);
        AssertPromise("; the backup of 1 database is not proven yet", old, Observations.Database("b").Drilled(Observations.Unproven));
        AssertPromise("", old, Observations.Database("b"));

        // A proof from before a drill that failed counts no longer.
        AssertPromise("; the backup of 1 database is not proven yet", old, Observations.Database("b").Drilled(Failed with { RenewedAt = Observations.Now }));
    }

    [TestMethod]
    public void The_oldest_proof_of_several_destinations_counts()
    {
        var plan = Plans.From("""{"all-replicate": ["s3://maps/$DB_NAME", "file:///a/$DB_NAME"]}""").Sound.For(ReleaseLine.V05).Databases.Single();
        var primary = (Observations.Database("parks") with { Plan = plan }).Drilled(Observations.Proven(3));
        var mirror = primary.Of(plan.Mirrors.Single()) with { IsMirror = true };
        AssertPromise("; every backup proven in the last 5 h 0 min", primary.With([mirror with { Drill = Observations.Proven(5) }]));
        AssertPromise("; backup not proven yet", primary.With([mirror with { Drill = Observations.Unproven }]));
        AssertPromise("", primary.With([mirror with { Drill = null }]));
    }

    [TestMethod]
    public void What_Litestream_0_3_does_not_tell_a_drill_does()
    {
        var database = (Observations.Database("a", DatabaseState.Unverified) with { Reason = StateReason.NotKnownToBeBehind }).Drilled(Observations.Proven(3));
        Assert.AreEqual(
            "not known to be behind; Litestream 0.3 does not tell what is at the replica; backup proven 3 h 0 min ago", Wording.Describe(database, Observations.Now));
    }

    [TestMethod]
    public void It_is_asked_for_by_a_button_while_none_is_under_way()
    {
        Assert.Contains("verify", Buttons(Observations.Proven(3)));
        Assert.DoesNotContain("verify", Buttons(Observations.Proven(3) with { Progress = new DrillProgress(DrillPhase.Waiting) }));

        static string[] Buttons(DrillStatus drill) => [.. (Page(drill) with { MayManage = true }).Text.Buttons.Select(button => button.Action)];
    }

    [TestMethod]
    public void Each_of_several_destinations_has_its_own()
    {
        var page = Page(Observations.Proven(3));
        var replica = page.Database.Replicas.Single();
        var two = (page with { Database = page.Database with { Replicas = [replica, replica with { Drill = DrillReport.Of(Failed) }] } }).Text;
        Assert.IsNull(two.Drill);
        Assert.IsNull(two.Destinations[0].Drill!.Problem);
        Assert.IsNotNull(two.Destinations[1].Drill!.Problem);
        CollectionAssert.AllItemsAreUnique(two.Destinations.SelectMany(destination => destination.Facts.Concat(destination.Drill!.Facts)).Select(fact => fact.Key).ToArray());
    }

    private static void AssertPromise(string proof, params DatabaseObservation[] databases)
    {
        var observed = new ObservedDatabases(Observations.Now, databases);
        var start = databases.Length == 1 ? "The database is" : $"All {databases.Length} databases are";
        Assert.AreEqual($"{start} replicated; everything written is safe{proof}.", $"{Wording.Summarize(observed, Observations.Now)}");
        Assert.AreEqual($"ok: {Wording.Databases(databases.Length)}; everything written is safe{proof}", Wording.DescribeHealth(databases, Observations.Now));
    }

    private static string Shown(DrillStatus drill) => string.Join('\n', Text(drill).Facts.Select(fact =>
        $"{fact.Label}: {(fact.Moment is { } moment ? $"{moment.Words}, " : "")}{fact.Text}{(fact.Note is { } note ? $" ({note})" : "")}"));

    private static DrillText Text(DrillStatus drill) => Page(drill).Text.Drill!;

    private static DatabaseDetailReport Page(DrillStatus drill)
    {
        var now = Observations.Now;
        var replica = new ReplicaReport("s3://maps/parks", "litestream", "replicating", now, "", null, null, null, 7, 0, now, now, 4096, null, "") { Drill = DrillReport.Of(drill) };
        var database = new DatabaseReport(
            "parks", "/srv/parks.db", ["s3://maps/parks"], [replica], "replicating", now, null, 7, 7, 0, now, 4096, 0, 0, 0, new ReasonReport("all_replicated", "", null, null, now, now, 7, 7, now, null, null), [], null);
        var none = new float?[HistoryRange.Hour.Length];
        var history = new HistoryReport("hour", 10, now, none, none, new ulong?[none.Length], new ulong?[none.Length], none, none, none);
        return new DatabaseDetailReport(database, Sentence.Of($"Replicated."), true, "", null, history, [], now, now);
    }
}
