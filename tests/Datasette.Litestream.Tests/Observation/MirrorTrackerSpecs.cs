using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class MirrorTrackerSpecs
{
    private static readonly MirrorStatus Following = new() { Phase = MirrorPhase.Following, Txid = 7, ListedAt = At(0), Bytes = 4096 };

    private readonly MirrorTracker _tracker = new(Plans.FromReplica("s3://maps/$DB_NAME").Replica, At(0), maxLag: TimeSpan.FromSeconds(5));

    [TestMethod]
    public void Everything_is_safe_there_when_it_has_what_was_taken_and_was_seen_to_be_whole()
    {
        Observe(2, answer: Answer(2, 7));
        var observed = Observe(4, check: Whole(3));
        Assert.AreEqual((StateReason.AllReplicated, TimeSpan.Zero, At(4)), (observed.Reason, observed.Evidence.Lag, observed.Evidence.ReplicatedUntil));
        Assert.AreEqual((At(3), 7UL, 4096L), (observed.Evidence.CheckedAt, observed.Evidence.ReplicatedTxid, observed.Bytes));
    }

    [TestMethod]
    public void Before_it_was_seen_to_be_whole_that_is_not_checked_yet() =>
        Assert.AreEqual(StateReason.NotCheckedYet, Observe(2, answer: Answer(2, 7)).Reason);

    [TestMethod]
    public void What_was_taken_and_is_not_there_is_on_its_way_and_then_behind()
    {
        Observe(2, answer: Answer(2, 7));
        var observed = Observe(4, check: Whole(3), answer: Answer(4, 8, writes: 1), writes: 1);
        Assert.AreEqual((StateReason.OnTheWay, At(2)), (observed.Reason, observed.Evidence.ReplicatedUntil));
        observed = Observe(8, writes: 1);
        Assert.AreEqual((StateReason.MirrorBehind, TimeSpan.FromSeconds(6)), (observed.Reason, observed.Evidence.Lag));
        observed = Observe(10, Following with { Txid = 8 }, writes: 1);
        Assert.AreEqual((StateReason.AllReplicated, At(10)), (observed.Reason, observed.Evidence.ReplicatedUntil));
    }

    [TestMethod]
    public void A_change_that_nobody_has_taken_yet_is_not_safe_there()
    {
        Observe(2, answer: Answer(2, 7), check: Whole(1));
        var observed = Observe(4, writes: 1);
        Assert.AreEqual((StateReason.OnTheWay, At(2)), (observed.Reason, observed.Evidence.ReplicatedUntil));
    }

    [TestMethod]
    public void Under_constant_load_the_oldest_that_was_taken_counts()
    {
        Observe(2, Following with { Txid = 6 }, answer: Answer(2, 7, writes: 1), writes: 1, check: Whole(1));
        Observe(4, Following with { Txid = 6 }, answer: Answer(4, 9, writes: 2), writes: 2);
        var observed = Observe(6, Following with { Txid = 8 }, answer: Answer(6, 11, writes: 3), writes: 3);
        Assert.AreEqual((StateReason.OnTheWay, At(2)), (observed.Reason, observed.Evidence.ReplicatedUntil));
    }

    [TestMethod]
    public void A_first_copy_is_no_fault_and_has_no_lag()
    {
        var observed = Observe(60, new MirrorStatus { Phase = MirrorPhase.Filling, FilledBytes = 10, FillBytes = 20 }, answer: Answer(60, 7));
        Assert.AreEqual((StateReason.MirrorFirstCopy, null, 10L), (observed.Reason, observed.Evidence.Lag, observed.Evidence.CopiedBytes));
        Assert.AreEqual(DatabaseState.Starting, observed.State);
    }

    [TestMethod]
    public void What_fails_for_a_while_is_told_with_its_cause_and_what_was_safe_stays_so()
    {
        Observe(2, answer: Answer(2, 7), check: Whole(1));
        var failing = Following with { Error = "access denied", FailingSince = At(4) };
        Assert.AreEqual(StateReason.AllReplicated, Observe(6, failing).Reason);
        var observed = Observe(10, failing, writes: 1);
        Assert.AreEqual((StateReason.MirrorFailed, "access denied", At(6)), (observed.Reason, observed.Error, observed.Evidence.ReplicatedUntil));
    }

    [TestMethod]
    [DataRow(ReplicaCondition.Damaged)]
    [DataRow(ReplicaCondition.OtherWriter)]
    [DataRow(ReplicaCondition.Missing)]
    public void What_lies_there_and_cannot_be_restored_is_red_at_once(object condition)
    {
        Observe(2, answer: Answer(2, 7), finding: new ReplicaFinding(ReplicaCondition.Whole, 7));
        var observed = Observe(4, finding: new ReplicaFinding((ReplicaCondition)condition, 3, "a file is missing"));
        Assert.AreEqual((StateReason.MirrorDamaged, "a file is missing", null), (observed.Reason, observed.Error, observed.Evidence.ReplicatedUntil));
    }

    [TestMethod]
    public void What_was_found_before_it_was_listed_says_nothing()
    {
        Observe(2, answer: Answer(2, 7));
        var check = new ReplicaCheck(At(3), new ReplicaFinding(ReplicaCondition.Damaged, 3, "a file is missing"));
        Assert.AreEqual(StateReason.NotCheckedYet, Observe(4, Following with { ListedAt = At(3.5) }, check: check).Reason);
        Assert.AreEqual(StateReason.MirrorDamaged, Observe(6, Following with { ListedAt = At(2) }, check: check).Reason);
    }

    [TestMethod]
    public void What_a_folder_does_not_have_yet_is_not_safe_whatever_the_copying_says()
    {
        Observe(2, answer: Answer(2, 7), finding: new ReplicaFinding(ReplicaCondition.Whole, 6));
        Assert.IsNull(Observe(4, finding: new ReplicaFinding(ReplicaCondition.Whole, 6)).Evidence.ReplicatedUntil);
        Assert.AreEqual(StateReason.AllReplicated, Observe(6, finding: new ReplicaFinding(ReplicaCondition.Whole, 7)).Reason);
    }

    [TestMethod]
    public void What_was_asked_about_another_file_or_backup_counts_no_more()
    {
        Observe(2, answer: Answer(2, 7), check: Whole(1));
        var observed = Observe(4, withdrawnAt: At(3));
        Assert.IsNull(observed.Evidence.ReplicatedUntil);
        Assert.AreEqual(StateReason.ReplicatedAnew, Observe(6, answer: Answer(6, 7), isRenewed: true).Reason);
        Assert.IsNull(Observe(8, withdrawnAt: At(7)).Evidence.ReplicatedUntil);
    }

    [TestMethod]
    public void It_is_judged_when_it_is_good_for_the_first_time_and_after_each_fault()
    {
        Observe(2);
        Assert.IsFalse(_tracker.TakeCheckRequest());
        Observe(4, answer: Answer(4, 7));
        Assert.IsTrue(_tracker.TakeCheckRequest());
        Assert.IsFalse(_tracker.TakeCheckRequest());
        Observe(20, Following with { Error = "no way", FailingSince = At(6) });
        Observe(22);
        Assert.IsTrue(_tracker.TakeCheckRequest());
    }

    private static DateTimeOffset At(double seconds) => Observations.Now.AddSeconds(seconds);

    private static DatabaseFiles Files(int writes) => new(new FileStatus(1, 1, 1, 4096, At(-60 + writes), 0), null, null);

    private static SyncAnswer Answer(double at, ulong txid, int writes = 0) => new(At(at), Files(writes), 0, txid, txid, 0);

    private static ReplicaCheck Whole(double at) => new(At(at), new ReplicaFinding(ReplicaCondition.Whole, 7));

    private DestinationObservation Observe(
        double at,
        MirrorStatus? status = null,
        SyncAnswer? answer = null,
        ReplicaFinding? finding = null,
        ReplicaCheck? check = null,
        DateTimeOffset? withdrawnAt = null,
        bool isRenewed = false,
        int writes = 0) =>
        _tracker.Observe(new MirrorLook(At(at), Files(writes), answer, withdrawnAt ?? DateTimeOffset.MinValue, isRenewed, status ?? Following, finding, check));
}
