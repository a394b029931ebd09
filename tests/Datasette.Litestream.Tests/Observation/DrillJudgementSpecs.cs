using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class DrillJudgementSpecs
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly DrillStatus Begun = new(TimeSpan.FromHours(1), Now.AddHours(-10));

    [TestMethod]
    public void What_was_proven_or_is_not_proven_yet_is_no_fault()
    {
        Assert.IsNull(Judge(Begun));
        Assert.IsNull(Judge(Begun.With(Result(DrillOutcome.Proven))));
        Assert.IsNull(Judge(Begun.With(Result(DrillOutcome.ProvenWeakly))));
    }

    [TestMethod]
    public void A_failed_drill_counts_until_one_proves_the_backup_whatever_could_not_be_held_meanwhile()
    {
        var failed = Begun.With(Result(DrillOutcome.Failed));
        Assert.AreEqual((StateReason.DrillFailed, "In words."), Judge(failed));
        Assert.AreEqual((StateReason.MirrorDrillFailed, "In words."), Judge(failed, isMirror: true));
        Assert.AreEqual(StateReason.DrillFailed, Judge(failed.With(Result(DrillOutcome.NotHeld)))!.Value.Reason);
        Assert.AreEqual(StateReason.NotProvenAgain, Judge(failed with { RenewedAt = Now })!.Value.Reason);
        Assert.AreEqual(DatabaseState.Failing, StateReason.NotProvenAgain.State());
        Assert.IsNull(Judge((failed with { RenewedAt = Now }).With(Result(DrillOutcome.Proven))));
    }

    [TestMethod]
    public void What_still_can_be_restored_is_told() => Assert.AreEqual(
        "In words. That of 11:00 can.", Judge(Begun.With(Result(DrillOutcome.Failed) with { StillRestorable = "That of 11:00 can." }))!.Value.Error);

    [TestMethod]
    public void A_live_database_that_is_damaged_is_not_mended_by_another_backup()
    {
        var reason = Judge(Begun.With(Result(DrillOutcome.Failed) with { IsLiveDamaged = true }))!.Value.Reason;
        Assert.AreEqual(StateReason.DatabaseDamaged, reason);
        Assert.IsFalse(Renewal.Mends(reason));
        Assert.IsTrue(Renewal.Mends(StateReason.DrillFailed));
    }

    [TestMethod]
    public void What_could_not_be_held_is_an_error_after_three_intervals_without_a_proof()
    {
        Assert.AreEqual((StateReason.DrillOverdue, "In words."), Judge(Begun.With(Result(DrillOutcome.NotHeld))));
        Assert.AreEqual(StateReason.MirrorDrillOverdue, Judge(Begun.With(Result(DrillOutcome.NotHeld)), isMirror: true)!.Value.Reason);
        Assert.IsNull(Judge(Begun.With(Result(DrillOutcome.Proven, hoursAgo: 2)).With(Result(DrillOutcome.NotHeld))));
        Assert.IsNull(Judge(Begun.With(Result(DrillOutcome.NotHeld)) with { Interval = null }), "drills are turned off");
    }

    [TestMethod]
    public void One_that_does_not_end_is_an_error_also_if_it_is_the_first()
    {
        var running = Begun with { DueAt = Now.AddHours(-3) };
        Assert.IsNull(Judge(running));
        Assert.AreEqual((StateReason.DrillOverdue, null), Judge(running with { DueAt = Now.AddHours(-3).AddSeconds(-1) }));
        Assert.AreEqual((StateReason.DrillOverdue, null), Judge((running with { DueAt = Now.AddHours(-4) }).With(Result(DrillOutcome.Proven, hoursAgo: 5))));
    }

    [TestMethod]
    [DataRow(nameof(StateReason.AllReplicated), true)]
    [DataRow(nameof(StateReason.NotKnownToBeBehind), true)]
    [DataRow(nameof(StateReason.WaitingTooLong), true)]
    [DataRow(nameof(StateReason.SyncFailed), false)]
    [DataRow(nameof(StateReason.LitestreamDown), false)]
    [DataRow(nameof(StateReason.ReplicatedAnew), false)]
    public void What_is_worse_or_says_more_is_told_instead(string known, bool outweighs) =>
        Assert.AreEqual(outweighs, DrillJudgement.Outweighs((StateReason.DrillFailed, null), Enum.Parse<StateReason>(known)));

    private static (StateReason Reason, string? Error)? Judge(DrillStatus drill, bool isMirror = false) => DrillJudgement.Of([drill], isMirror, Now);

    private static DrillResult Result(DrillOutcome outcome, double hoursAgo = 0) => new(Now.AddHours(-hoursAgo), outcome, "In words.");
}
