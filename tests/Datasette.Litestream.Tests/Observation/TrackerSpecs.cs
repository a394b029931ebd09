using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class TrackerSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private LogStatistics _log = LogStatistics.Empty;
    private SyncActivity? _activity;
    private readonly DatabasePlan _plan;
    private DatabaseTracker _tracker;
    private DateTimeOffset _now = Start, _changedAt = Start.AddDays(-1);
    private DateTimeOffset? _syncedAt;
    private DateTimeOffset _run = Start;
    private ulong _txid = 1, _replicated;
    private long _uploaded;
    private long? _databaseBytes = 4096;
    private ulong _inode = 2;
    private string? _fileError;
    private bool _isRunning = true, _isStarting, _hasSocket = true, _answers = true;
    private string _listedAs = "replicating";
    private int _requested;
    private ClaimStatus? _forbidden;
    private PrimaryFill? _fill;
    private PendingAdmission? _admission;
    private ReplicaFinding? _finding;
    private Detaching? _detaching;
    private Renewal? _renewal;

    public TrackerSpecs()
    {
        _plan = Plan("file:///backup/$DB_NAME");
        _tracker = new DatabaseTracker(_plan, Start);
    }

    [TestMethod]
    public void Nothing_at_the_replica_yet_is_starting()
    {
        var seen = Look(at: 2);
        Assert.AreEqual((DatabaseState.Starting, (ulong?)null, (DateTimeOffset?)null), (seen.State, seen.Evidence.ReplicatedTxid, seen.LastSyncAt));
        Assert.AreEqual(TimeSpan.FromSeconds(2), seen.Lag);
    }

    [TestMethod]
    public void A_state_comes_with_its_reason_and_the_figures_that_it_was_concluded_from()
    {
        Assert.AreEqual(StateReason.FirstCopy, Look(at: 2).Reason);
        Replicate(at: 3);
        var safe = Look(at: 4);
        Assert.AreEqual(StateReason.AllReplicated, safe.Reason);
        Assert.AreEqual(new Evidence(_changedAt, Start.AddSeconds(4), 1, 1, Start.AddSeconds(4), TimeSpan.Zero), safe.Evidence);
        Change(at: 5);
        var onTheWay = Look(at: 6);
        Assert.AreEqual(StateReason.OnTheWay, onTheWay.Reason);
        Assert.AreEqual(
            new Evidence(Start.AddSeconds(5), Start.AddSeconds(6), 2, 1, Start.AddSeconds(4), TimeSpan.FromSeconds(2)), onTheWay.Evidence);
        Assert.AreEqual(StateReason.WaitingTooLong, Look(at: 20).Reason);
        _answers = false;
        Log("ERROR", "sync error", at: 21);
        Assert.AreEqual(StateReason.SyncFailed, Look(at: 21).Reason);
        _isRunning = false;
        Assert.AreEqual(StateReason.LitestreamDown, Look(at: 22).Reason);
    }

    /// <summary>As when a destination that refused has answered, or where Litestream 0.3 gets another database.</summary>
    [TestMethod]
    public void A_planned_restart_is_no_fault_as_long_as_it_is_short()
    {
        Replicate(at: 1);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 2).Reason);
        (_isRunning, _isStarting) = (false, true);
        Change(at: 3);
        Assert.AreEqual(StateReason.Starting, Look(at: 4).Reason);
        Assert.AreEqual(StateReason.WaitingTooLong, Look(at: 8).Reason);
        _isStarting = false;
        Assert.AreEqual(StateReason.LitestreamDown, Look(at: 10).Reason);
    }

    [TestMethod]
    [DataRow("", StateReason.NoAnswer)]
    [DataRow("stopped", StateReason.ReplicationStopped)]
    public void A_state_that_Litestream_tells_has_its_reason(string listedAs, object reason)
    {
        _listedAs = listedAs;
        Look(at: 2);
        Assert.AreEqual(reason, Look(at: 12).Reason);
    }

    [TestMethod]
    public void An_error_that_Litestream_reports_of_its_last_sync_fails_until_it_has_taken_changes_again()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        _answers = false;
        _activity = new SyncActivity(_plan.Path, false, "sync", "starting", Start.AddSeconds(4), "connection refused");
        var failing = Look(at: 4);
        Assert.AreEqual((DatabaseState.Failing, StateReason.SyncFailed, "connection refused"), (failing.State, failing.Reason, failing.Error));
        Assert.AreEqual(_activity, failing.Evidence.Activity);
        _answers = true;
        Replicate(at: 6);
        var again = Look(at: 6);
        Assert.AreEqual((DatabaseState.Replicating, null), (again.State, again.Error));
    }

    [TestMethod]
    public void What_Litestream_does_not_answer_is_asked_again_after_growing_pauses()
    {
        var asked = new List<int>();
        _answers = false;
        for (var second = 2; second <= 70; second += 2)
        {
            var before = _requested;
            Look(second);
            if (_requested > before)
            {
                asked.Add(second);
                _tracker.BackOff(_now);
            }
        }

        CollectionAssert.AreEqual(new[] { 2, 4, 8, 16, 32, 48, 64 }, asked);
        _answers = true;
        Look(at: 80);
        Change(at: 81);
        var requested = _requested;
        Look(at: 82);
        Assert.AreEqual(requested + 1, _requested);
    }

    [TestMethod]
    public void What_is_safe_has_no_lag_however_long_nothing_is_written()
    {
        Replicate(at: 1);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 2));
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 36_000));
        Change(at: 36_001);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.FromSeconds(2)), StateAndLag(at: 36_002));
    }

    [TestMethod]
    public void A_stalled_replica_falls_behind_and_catches_up()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        for (var second = 4; second <= 6; second += 2)
        {
            Assert.AreEqual((DatabaseState.Replicating, TimeSpan.FromSeconds(second - 2)), StateAndLag(second));
        }

        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(6)), StateAndLag(at: 8));
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(98)), StateAndLag(at: 100));
        Assert.AreEqual(Start.AddSeconds(8), Look(at: 102).Since);
        Replicate(at: 103);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 104));
        Assert.AreEqual(Start.AddSeconds(104), Look(at: 106).Since);
    }

    [TestMethod]
    public void A_replica_that_reports_success_has_no_more_than_was_taken()
    {
        // Litestream reports success of its replica every second, also in the second before it syncs a change.
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        _answers = false;
        _syncedAt = Start.AddSeconds(3.5);
        var seen = Look(at: 4);
        Assert.AreEqual((TimeSpan.FromSeconds(2), Start.AddSeconds(2)), (seen.Lag!.Value, seen.LastSyncAt!.Value));
    }

    [TestMethod]
    public void A_change_after_the_question_is_not_covered_by_its_answer()
    {
        Look(at: 2);
        var asked = new SyncAnswer(Start.AddSeconds(2), Files, 0, 1, 1, 0);
        Change(at: 3);
        var late = _tracker.Observe(new DatabaseLook(Start.AddSeconds(4), _run, true, null, null, asked, Files, Statistics));
        Assert.AreEqual(TimeSpan.FromSeconds(2), late.Lag);
        Replicate(at: 5);
        Assert.AreEqual(TimeSpan.Zero, Look(at: 6).Lag);
    }

    [TestMethod]
    public void A_replica_that_is_ahead_of_its_database_is_no_safety()
    {
        // Litestream uploads nothing until the database has more transactions than the replica.
        (_txid, _replicated) = (3, 50);
        Assert.AreEqual(TimeSpan.FromSeconds(2), Look(at: 2).Lag);
        Change(at: 3);
        Assert.AreEqual(TimeSpan.FromSeconds(4), Look(at: 4).Lag);
        Assert.IsTrue(NeedsSync);
    }

    [TestMethod]
    public void The_lag_goes_on_over_a_restart_of_Litestream()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 4);
        _isRunning = false;
        Assert.AreEqual((DatabaseState.Stopped, TimeSpan.FromSeconds(8)), StateAndLag(at: 10));

        // It does not know yet what is at the replica.
        (_isRunning, _syncedAt, _replicated) = (true, null, 0);
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(18)), StateAndLag(at: 20));
        var seen = Look(at: 20);
        Assert.AreEqual((Start.AddSeconds(2), 1UL), (seen.LastSyncAt!.Value, seen.Evidence.ReplicatedTxid!.Value));
    }

    [TestMethod]
    public void Behind_is_three_sync_intervals_late()
    {
        _tracker = new DatabaseTracker(Plan("""{"path": "/backup", "sync-interval": "1m"}"""), Start);
        Replicate(at: 0);
        Look(at: 0);
        Change(at: 1);
        Assert.AreEqual(DatabaseState.Replicating, Look(at: 180).State);
        Assert.AreEqual(DatabaseState.Behind, Look(at: 181).State);
    }

    [TestMethod]
    [DataRow("open")]
    [DataRow("stopped")]
    public void One_that_Litestream_does_not_replicate_is_stopped(string listedAs)
    {
        Replicate(at: 1);
        _listedAs = listedAs;
        Assert.AreEqual(DatabaseState.Stopped, Look(at: 2).State);
    }

    [TestMethod]
    public void One_that_Litestream_does_not_list_is_unknown()
    {
        _listedAs = "";
        Assert.AreEqual((DatabaseState.Starting, StateReason.Starting), (Look(at: 2).State, Look(at: 2).Reason));
        Assert.AreEqual(DatabaseState.Unknown, Look(at: 12).State);
    }

    [TestMethod]
    public void An_error_lasts_until_the_next_sync()
    {
        Replicate(at: 1);
        Log("ERROR", "monitor error", at: 2);
        var seen = Look(at: 3);
        Assert.AreEqual((DatabaseState.Failing, 1), (seen.State, seen.SyncErrors));
        Assert.AreEqual("ERROR monitor error db=parks.db", seen.Error);
        Replicate(at: 4);
        seen = Look(at: 5);
        Assert.AreEqual((DatabaseState.Replicating, 1, (string?)null), (seen.State, seen.SyncErrors, seen.Error));
    }

    [TestMethod]
    [DataRow("sync error")]
    [DataRow("disk full while staging ltx file, replication paused until space is freed")]
    public void Changes_that_Litestream_does_not_take_are_not_safe_whatever_its_replica_reports(string error)
    {
        // Litestream 0.5 still reports success of its replica every second, for what it had synced before.
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        _answers = false;
        Log("ERROR", error, at: 4);
        Replicate(at: 5);
        Assert.AreEqual(DatabaseState.Failing, Look(at: 6).State);
        Log("ERROR", error, at: 34);
        Replicate(at: 119);
        Assert.AreEqual((DatabaseState.Failing, TimeSpan.FromSeconds(118)), StateAndLag(at: 120));

        // No log line shows that it syncs again; the answer to a request does.
        _answers = true;
        var seen = Look(at: 122);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero, 2), (seen.State, seen.Lag!.Value, seen.SyncErrors));
        Log("ERROR", error, at: 123);
        Assert.IsTrue(NeedsSync);
        _answers = false;
        Assert.AreEqual((DatabaseState.Failing, TimeSpan.FromSeconds(2)), StateAndLag(at: 124));
    }

    [TestMethod]
    public void An_error_after_the_question_is_not_over_by_its_answer()
    {
        Look(at: 2);
        var asked = new SyncAnswer(Start.AddSeconds(2), Files, Statistics.SyncErrors, 1, 1, 0);
        Log("ERROR", "sync error", at: 3);
        Assert.AreEqual(DatabaseState.Failing, _tracker.Observe(new DatabaseLook(Start.AddSeconds(4), _run, true, null, null, asked, Files, Statistics)).State);
    }

    [TestMethod]
    public void What_takes_several_syncs_is_safe_after_the_last()
    {
        // Litestream 0.5 reports success if it stopped at max-sync-ltx-files.
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3, txid: 100);
        _replicated = 10;
        var seen = Look(at: 4);
        Assert.AreEqual((TimeSpan.FromSeconds(2), 100UL, 10UL), (seen.Lag!.Value, seen.Evidence.TakenTxid!.Value, seen.Evidence.ReplicatedTxid!.Value));
        _replicated = 50;
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(28)), StateAndLag(at: 30));
        _replicated = 100;
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 32));
    }

    [TestMethod]
    public void A_database_that_is_always_written_to_and_always_replicated_is_never_behind()
    {
        // At every sample the last transaction is not uploaded yet.
        for (var second = 2; second < 600; second += 2)
        {
            Change(at: second, txid: (ulong)second);
            _replicated = (ulong)second - 1;
            Assert.AreEqual(second == 2 ? DatabaseState.Starting : DatabaseState.Replicating, Look(second).State);
        }

        Assert.IsLessThanOrEqualTo(TimeSpan.FromSeconds(4), Look(at: 600).Lag!.Value);
    }

    [TestMethod]
    public void A_file_from_the_future_is_not_behind_for_ever()
    {
        _changedAt = Start.AddYears(1);
        Look(at: 2);
        Replicate(at: 3);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 4));
        Assert.IsFalse(NeedsSync);
    }

    [TestMethod]
    public void A_clock_that_is_set_back_makes_no_negative_lag_and_none_that_is_as_of_what_is_safe()
    {
        Replicate(at: 1000);
        Look(at: 1001);
        Change(at: 1002);
        Look(at: 1003);
        Assert.AreEqual(TimeSpan.FromTicks(1), Look(at: 10).Lag);
        Assert.AreEqual(TimeSpan.FromSeconds(10), Look(at: 20).Lag);
    }

    [TestMethod]
    public void A_file_that_is_gone_is_no_safer_than_it_was()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 4);
        var file = DatabaseFiles.Read("/not/there.db", "/not/there.db");
        Assert.AreEqual(((long?)null, (long?)null), (file.DatabaseBytes, file.WalBytes));
        (_databaseBytes, _changedAt) = (null, file.ChangedAt);
        Assert.AreEqual(TimeSpan.FromSeconds(8), Look(at: 10).Lag);
    }

    [TestMethod]
    public void It_is_asked_for_after_a_change_until_the_replica_has_it()
    {
        Assert.IsTrue(NeedsSync);
        Replicate(at: 1);
        Look(at: 2);
        Assert.IsFalse(NeedsSync);
        Change(at: 3);
        Assert.IsTrue(NeedsSync);
        Look(at: 4);
        Assert.IsTrue(NeedsSync);
        Replicate(at: 5);
        Look(at: 6);
        for (var second = 8; second < 3600; second += 2)
        {
            Look(second);
        }

        Assert.AreEqual(3, _requested);
    }

    [TestMethod]
    public void A_question_in_the_moment_of_a_change_is_asked_once_more()
    {
        // Another change at the same moment would leave the same file time.
        Change(at: 2);
        Replicate(at: 2);
        Look(at: 2);
        Assert.IsTrue(NeedsSync);
        Look(at: 4);
        Assert.IsFalse(NeedsSync);
    }

    [TestMethod]
    public void One_that_is_to_be_looked_at_once_a_minute_is_asked_for_as_rarely()
    {
        _tracker = new DatabaseTracker(_plan with { MonitorInterval = TimeSpan.FromMinutes(1) }, Start);
        for (var second = 2; second < 602; second += 2)
        {
            // The database is written to all the time, and changes reach the replica shortly after they are synced.
            Change(at: second, txid: (ulong)second);
            _replicated = (ulong)second - 1;
            Assert.AreNotEqual(DatabaseState.Behind, Look(second).State);
        }

        Assert.IsInRange(10, 22, _requested);
    }

    [TestMethod]
    public void A_question_without_an_answer_is_asked_again()
    {
        _answers = false;
        Look(at: 2);
        Assert.IsTrue(NeedsSync);
    }

    [TestMethod]
    public void A_file_that_is_not_there_is_missing_and_is_asked_for_when_it_appears()
    {
        (_databaseBytes, _txid) = (null, 0);
        Assert.AreEqual(StateReason.FileMissing, Look(at: 2).Reason);
        Assert.IsFalse(NeedsSync);
        (_databaseBytes, _replicated, _txid) = (4096, 1, 1);
        Assert.IsTrue(NeedsSync);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 4).Reason);
    }

    [TestMethod]
    public void Another_file_in_its_place_is_not_safe_whatever_was_replicated_before()
    {
        Replicate(at: 1);
        Look(at: 2);
        _inode = 8;
        var replaced = Look(at: 4);
        Assert.AreEqual((DatabaseState.Failing, StateReason.FileReplaced), (replaced.State, replaced.Reason));
        Assert.AreEqual(((DateTimeOffset?)null, (DateTimeOffset?)null, TimeSpan.FromSeconds(2)), (replaced.LastSyncAt, replaced.Evidence.ReplicatedUntil, replaced.Lag));

        // What was asked before is about the other file.
        var late = new SyncAnswer(Start.AddSeconds(3), Files, 0, 1, 1, 0);
        Assert.AreEqual(StateReason.FileReplaced, _tracker.Observe(new DatabaseLook(Start.AddSeconds(6), _run, true, null, null, late, Files, Statistics)).Reason);

        // Litestream opens the file anew.
        _run = Start.AddSeconds(7);
        Look(at: 8);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 10).Reason);
    }

    [TestMethod]
    public void A_file_that_cannot_be_looked_at_is_told_with_the_reason_and_is_as_safe_as_it_was()
    {
        Replicate(at: 1);
        Look(at: 2);
        _fileError = "Too many levels of symbolic links";
        var seen = Look(at: 4);
        Assert.AreEqual((StateReason.FileUnreadable, _fileError), (seen.Reason, seen.Error));
        Assert.AreEqual((Start.AddSeconds(2), TimeSpan.FromSeconds(2)), (seen.Evidence.ReplicatedUntil, seen.Lag));
        _fileError = null;
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 6).Reason);
    }

    [TestMethod]
    public void An_upload_that_fails_is_seen_in_what_Litestream_has_forgotten_without_a_line_in_its_log()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        _replicated = 0;
        Assert.AreEqual(StateReason.OnTheWay, Look(at: 4).Reason);
        Assert.AreEqual(StateReason.UploadFailed, Look(at: 10).Reason);
        Replicate(at: 11);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 12).Reason);
    }

    [TestMethod]
    public void An_error_of_a_file_of_the_same_name_is_asked_about_and_not_believed()
    {
        _tracker = new DatabaseTracker(_plan, Start) { HasUniqueFileName = false };
        Replicate(at: 1);
        Look(at: 2);
        Log("ERROR", "sync error", at: 3);
        Log("ERROR", "monitor error", at: 3);
        Assert.IsTrue(NeedsSync);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 4).Reason);
    }

    [TestMethod]
    public void A_compaction_that_failed_is_an_error_until_one_of_its_level_succeeds()
    {
        Replicate(at: 1);
        Look(at: 2);
        Log("ERROR", "compaction failed", at: 3, more: ",\"level\":2,\"error\":\"non-contiguous\"");
        Replicate(at: 4);
        Assert.AreEqual((StateReason.CompactionFailed, "ERROR compaction failed db=parks.db level=2 error=non-contiguous"), (Look(at: 5).Reason, Look(at: 5).Error));
        Log("INFO", "compaction complete", at: 6, more: ",\"level\":1");
        Log("INFO", "snapshot complete", at: 6);
        Assert.AreEqual(StateReason.CompactionFailed, Look(at: 7).Reason);
        Log("INFO", "compaction complete", at: 8, more: ",\"level\":2");
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 9).Reason);
    }

    [TestMethod]
    public void A_new_Litestream_is_asked_at_once_whatever_the_last_one_did_not_answer()
    {
        Look(at: 1);
        for (var failed = 0; failed < 5; failed++)
        {
            _tracker.BackOff(Start.AddSeconds(1));
        }

        Assert.IsFalse(NeedsSync);
        _run = Start.AddSeconds(2);
        Look(at: 2);
        Assert.IsTrue(NeedsSync);
        _tracker.BackOff(Start.AddSeconds(2));
        Assert.IsTrue(_tracker.NeedsSync(Start.AddSeconds(5), Files, DatabaseLogStatistics.Nothing), "the delays begin again");
    }

    [TestMethod]
    [DataRow("file:///backup/$DB_NAME", true)]
    [DataRow("s3://maps/$DB_NAME", false)]
    public void A_gap_that_keeps_files_from_being_merged_is_made_good_where_the_backup_can_be_moved_aside(string url, bool isFolder)
    {
        _tracker = new DatabaseTracker(Plan(url), Start);
        Replicate(at: 1);
        Look(at: 2);
        Log("ERROR", "compaction failed", at: 3, more: ",\"level\":1,\"error\":\"write ltx file: non-contiguous transaction ids in input files: (2,2) -> (4,4)\"");
        Replicate(at: 4);
        Assert.AreEqual(isFolder ? StateReason.BackupDamaged : StateReason.CompactionFailed, Look(at: 5).Reason);
    }

    /// <summary>Otherwise a new backup would be taken for damaged, and begun anew once more.</summary>
    [TestMethod]
    public void A_backup_that_begins_anew_need_not_have_what_the_last_one_had()
    {
        _txid = 9;
        Replicate(at: 1);
        Look(at: 2);
        Assert.AreEqual(9UL, _tracker.ExpectedTxid(null, _run, null));
        Assert.AreEqual(9UL, _tracker.ExpectedTxid(null, _run.AddSeconds(6), null), "another Litestream goes on with the same one");
        (_run, _renewal) = (Start.AddSeconds(6), new Renewal(StateReason.DrillFailed, Start.AddSeconds(5), Start.AddSeconds(6)));
        var late = new SyncAnswer(Start.AddSeconds(5), Files, 0, 9, 9, 0);
        Assert.IsNull(_tracker.ExpectedTxid(late, _run, _renewal));
        _txid = 1;
        Look(at: 7);
        Replicate(at: 8);
        Look(at: 9);
        Assert.AreEqual(1UL, _tracker.ExpectedTxid(null, _run, _renewal));
    }

    [TestMethod]
    public void A_file_that_is_gone_before_it_was_uploaded_is_made_good_and_is_over_with_the_next_upload()
    {
        Replicate(at: 1);
        Look(at: 2);
        Log("ERROR", "monitor error", at: 3, more: LostFile("/maps/parks.db"));
        Assert.AreEqual(StateReason.UploadFailed, Look(at: 4).Reason, "another database's");
        Log("ERROR", "monitor error", at: 5, more: LostFile(_plan.Path));
        var lost = Look(at: 6);
        Assert.AreEqual((StateReason.FolderRemoved, true), (lost.Reason, Renewal.Mends(lost.Reason)));
        StringAssert.Contains(lost.Error, "0000000000000004.ltx: no such file or directory");
        (_run, _renewal) = (Start.AddSeconds(7), new Renewal(lost.Reason, Start.AddSeconds(6), Start.AddSeconds(7)));
        Assert.AreEqual(StateReason.ReplicatedAnew, Look(at: 8).Reason);
        _renewal = null;
        Replicate(at: 9);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 11).Reason);

        static string LostFile(string database)
        {
            var file = $"{LitestreamFolder.Of(database)}/ltx/0/0000000000000004-0000000000000004.ltx";
            return $",\"replica\":\"s3\",\"error\":\"open ltx file {file}: open {file}: no such file or directory\"";
        }
    }

    /// <summary>A new backup has nothing to merge yet, so no line would ever say that it is over.</summary>
    [TestMethod]
    public void A_compaction_that_failed_in_a_backup_that_was_replaced_since_is_no_error()
    {
        Replicate(at: 1);
        Look(at: 2);
        Log("ERROR", "compaction failed", at: 3, more: ",\"level\":2,\"error\":\"not a directory\"");
        Replicate(at: 4);
        Assert.AreEqual(StateReason.CompactionFailed, Look(at: 5).Reason);
        (_run, _renewal) = (Start.AddSeconds(6), new Renewal(StateReason.BackupDamaged, Start.AddSeconds(5), Start.AddSeconds(6)));
        Look(at: 7);
        _renewal = null;
        Replicate(at: 8);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 10).Reason);
        Log("ERROR", "compaction failed", at: 11, more: ",\"level\":2,\"error\":\"not a directory\"");
        Assert.AreEqual(StateReason.CompactionFailed, Look(at: 12).Reason);
    }

    [TestMethod]
    public void The_replica_has_what_Litestream_last_remembered_to_have_brought_there()
    {
        _txid = 9;
        Assert.IsNull(Look(at: 2).Evidence.ReplicatedTxid);
        Replicate(at: 3);
        Assert.AreEqual(9UL, Look(at: 4).Evidence.ReplicatedTxid);
        Change(at: 5, txid: 12);
        Assert.AreEqual(9UL, Look(at: 6).Evidence.ReplicatedTxid);
        _replicated = 11;
        Assert.AreEqual(11UL, Look(at: 8).Evidence.ReplicatedTxid);

        // After a failed upload it must check the replica first.
        _replicated = 0;
        Assert.AreEqual(11UL, Look(at: 10).Evidence.ReplicatedTxid);
    }

    [TestMethod]
    public void Without_a_control_socket_there_is_no_lag_and_an_upload_ends_an_error()
    {
        (_hasSocket, _listedAs) = (false, "");
        var seen = Look(at: 2);
        Assert.AreEqual((DatabaseState.Unverified, (TimeSpan?)null), (seen.State, seen.Lag));
        foreach (var error in new[] { "monitor error", "sync error" })
        {
            Log("ERROR", error, at: 3, _plan.Path);
            Assert.AreEqual(DatabaseState.Failing, Look(at: 4).State);
            Log("INFO", "wal segment written", at: 5, _plan.Path, ",\"sz\":4120");
            Assert.AreEqual(DatabaseState.Unverified, Look(at: 6).State);
        }

        Assert.AreEqual(8240, Look(at: 6).UploadedBytes);
    }

    [TestMethod]
    public void Metrics_of_a_Litestream_without_a_control_socket_give_a_lag()
    {
        (_hasSocket, _listedAs) = (false, "");
        Assert.AreEqual(TimeSpan.FromSeconds(2), LookWith(at: 2, syncs: 1, replicated: 0).Lag);
        Assert.AreEqual((StateReason.NotKnownToBeBehind, TimeSpan.Zero), (LookWith(at: 4, syncs: 3, replicated: 32).Reason, LookWith(at: 4, syncs: 3, replicated: 32).Lag));
        Change(at: 5);
        Assert.AreEqual(StateReason.WaitingTooLong, LookWith(at: 12, syncs: 9, replicated: 0).Reason);

        DatabaseObservation LookWith(int at, double syncs, double replicated) => _tracker.Observe(
            new DatabaseLook(Start.AddSeconds(at), _run, false, null, null, null, Files, Statistics)
            {
                WalPosition = new WalPosition(syncs, 0, (0, 32), (0, replicated)),
            });
    }

    [TestMethod]
    public void A_fault_of_the_look_itself_is_the_state_of_that_database()
    {
        Replicate(at: 1);
        Look(at: 2);
        var failed = _tracker.Fail(Start.AddSeconds(4), "no such thing");
        Assert.AreEqual((DatabaseState.Unknown, StateReason.NoAnswer, "no such thing", (DateTimeOffset?)null), (failed.State, failed.Reason, failed.Error, failed.LastSyncAt));
        Look(at: 6);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 8).Reason);
    }

    [TestMethod]
    public void A_sample_has_the_largest_lag_since_the_one_before_and_what_was_uploaded_since()
    {
        Replicate(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 9);
        Replicate(at: 9);
        _uploaded = 2207;
        Look(at: 10);
        _tracker.Record(_now);
        Look(at: 20);
        _tracker.Record(_now);
        var samples = _tracker.History.Read(HistoryRange.Hour, _now);
        Assert.AreEqual(new Sample(2, 0, 7, 512, 4096, 2207, (Half)0), samples[^2]);
        Assert.AreEqual(new Sample(2, 0, 0, 512, 4096, 0, (Half)0), samples[^1]);
    }

    [TestMethod]
    public void What_is_unknown_is_unknown_in_a_sample_too()
    {
        (_hasSocket, _listedAs, _databaseBytes) = (false, "", null);
        _tracker.Record(_now);
        Assert.AreEqual(Sample.None, _tracker.History.Read(HistoryRange.Hour, _now)[^1]);
        Look(at: 2);
        _tracker.Record(_now);
        Assert.AreEqual(new Sample(0, uint.MaxValue, float.NaN, 512, float.NaN, 0, (Half)0), _tracker.History.Read(HistoryRange.Hour, _now)[^1]);
    }

    private bool NeedsSync => _tracker.NeedsSync(_now, Files, Statistics);

    private DatabaseFiles Files => new(
        _databaseBytes is { } bytes && _fileError is null ? new FileStatus(1, _inode, 1, bytes, _changedAt, 0) : null,
        new FileStatus(1, 3, 1, 512, _changedAt, 0),
        _fileError);

    private DatabaseLogStatistics Statistics => _log.Of(_plan.Path);

    private static DatabasePlan Plan(string replica) => Plans.FromReplica(replica).Sound.Databases.Single();

    /// <summary>A writer writes; Litestream will sync that on request.</summary>
    private void Change(int at, ulong? txid = null) => (_changedAt, _txid) = (Start.AddSeconds(at), txid ?? _txid + 1);

    /// <summary>Everything that was synced is uploaded to the replica.</summary>
    private void Replicate(int at) => (_syncedAt, _replicated) = (Start.AddSeconds(at), _txid);

    private void Log(string level, string message, int at, string database = "parks.db", string more = "") => _log = _log.With(LogEntry.Parse(
        $$"""{"time":"{{Start.AddSeconds(at):O}}","level":"{{level}}","msg":"{{message}}","db":"{{database}}"{{more}}}""", _now));

    [TestMethod]
    [DataRow(ClaimState.Waiting, StateReason.WaitingForWriter)]
    [DataRow(ClaimState.Yielding, StateReason.TakenOver)]
    [DataRow(ClaimState.Lost, StateReason.TakenOver)]
    [DataRow(ClaimState.Unproven, StateReason.WriterUnknown)]
    public void What_is_not_its_to_write_to_is_red_and_nothing_that_is_written_from_then_on_is_safe(object state, object reason)
    {
        Replicate(at: 2);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 4).Reason);
        _forbidden = new ClaimStatus((ClaimState)state, "host b (process 7) took over");
        _isRunning = false;
        var seen = Look(at: 60);
        Assert.AreEqual((DatabaseState.Failing, (StateReason)reason, "host b (process 7) took over"), (seen.State, seen.Reason, seen.Error));
        Assert.AreEqual(Start.AddSeconds(4), seen.Evidence.ReplicatedUntil);
        Assert.AreEqual(TimeSpan.FromSeconds(56), seen.Lag, "another one may have written over it, whether or not it has changed");
        Assert.IsTrue(seen.IsForbidden);

        (_forbidden, _isRunning) = (null, true);
        Assert.AreEqual(StateReason.AllReplicated, Look(at: 62).Reason);
    }

    [TestMethod]
    public void A_claim_that_was_not_looked_at_yet_is_no_fault()
    {
        _forbidden = new ClaimStatus(ClaimState.Unproven, null);
        Assert.AreEqual((DatabaseState.Starting, StateReason.Starting), (Look(at: 1).State, Look(at: 1).Reason));
    }

    [TestMethod]
    public void While_its_destination_is_filled_it_is_not_green_and_says_why()
    {
        Replicate(at: 2);
        _fill = new PrimaryFill(Start, "s3://maps/parks", 10, 20, "access denied");
        var seen = Look(at: 4);
        Assert.AreEqual((DatabaseState.Starting, StateReason.Filling, "access denied", 10L), (seen.State, seen.Reason, seen.Error, seen.Evidence.CopiedBytes));
        Assert.IsNull(seen.Evidence.ReplicatedUntil);
        StringAssert.StartsWith(Wording.Describe(seen, _now), "not known yet, because its first destination is being filled from another one");
    }

    [TestMethod]
    public void One_that_is_held_back_is_red_and_one_of_which_that_is_not_known_is_not_green()
    {
        Replicate(at: 2);
        _admission = new PendingAdmission(Start);
        Assert.AreEqual((DatabaseState.Starting, StateReason.Admitting), (Look(at: 4).State, Look(at: 4).Reason));
        _admission = new PendingAdmission(Start, "no answer");
        Assert.AreEqual((DatabaseState.Failing, StateReason.DestinationUnknown, "no answer"), (Look(at: 6).State, Look(at: 6).Reason, Look(at: 6).Error));
        _admission = new PendingAdmission(Start, Renewal: "it is another file");
        Assert.AreEqual((StateReason.ReplicatedAnew, "it is another file"), (Look(at: 8).Reason, Look(at: 8).Error));
        _admission = new PendingAdmission(Start, "no space left", Renewal: "it is another file");
        Assert.AreEqual("no space left", Look(at: 10).Error);
        _admission = new PendingAdmission(Start, HeldBack: new HeldBack(IsEmpty: true, "the destination has a backup"));
        var seen = Look(at: 12);
        Assert.AreEqual((DatabaseState.Failing, StateReason.FileEmpty, "the destination has a backup"), (seen.State, seen.Reason, seen.Error));
        Assert.IsNull(seen.Evidence.ReplicatedUntil);
        _admission = new PendingAdmission(Start, HeldBack: new HeldBack(IsEmpty: false, ""));
        Assert.AreEqual(StateReason.FileOlder, Look(at: 14).Reason);
    }

    /// <summary>A new snapshot that is written before Litestream runs is in no log of it.</summary>
    [TestMethod]
    public void What_lies_at_the_destination_is_judged_only_when_Litestream_runs()
    {
        _isRunning = false;
        _finding = new ReplicaFinding(ReplicaCondition.Whole, 3, Snapshot: 3);
        Look(at: 0);
        _isRunning = true;
        _finding = new ReplicaFinding(ReplicaCondition.Whole, 5, Snapshot: 5);
        Look(at: 2);
        Assert.AreNotEqual(StateReason.OtherWriter, Look(at: 4).Reason);
        Assert.AreNotEqual(StateReason.OtherWriter, Look(at: 6).Reason);
    }

    [TestMethod]
    public void One_that_is_detached_is_red_when_its_last_changes_could_not_be_replicated()
    {
        Look(0);
        _detaching = new Detaching(_now);
        Assert.AreNotEqual(StateReason.NotDetached, Look(2).Reason);
        _detaching = new Detaching(_now, "told to fail");
        var observed = Look(4);
        Assert.AreEqual((DatabaseState.Failing, StateReason.NotDetached, "told to fail"), (observed.State, observed.Reason, observed.Error));
        _detaching = null;
        Assert.AreNotEqual(StateReason.NotDetached, Look(6).Reason);
    }

    private DatabaseObservation Look(int at)
    {
        _now = Start.AddSeconds(at);
        var listed = _listedAs.Length > 0 && _isRunning ? new ListedDatabase(_plan.Path, _listedAs, _syncedAt) : null;
        SyncAnswer? answer = null;
        if (_isRunning && _hasSocket && NeedsSync)
        {
            _requested++;
            answer = _answers ? new SyncAnswer(_now, Files, Statistics.SyncErrors, _txid, _replicated, _uploaded) : null;
            _uploaded = 0;
        }

        return _tracker.Observe(new DatabaseLook(_now, _isRunning ? _run : null, _hasSocket, listed, _activity, answer, Files, Statistics) { Forbidden = _forbidden, Fill = _fill, Admission = _admission, Finding = _finding, Detaching = _detaching, Renewal = _renewal, IsStarting = _isStarting });
    }

    private (DatabaseState State, TimeSpan Lag) StateAndLag(int at)
    {
        var seen = Look(at);
        return (seen.State, seen.Lag!.Value);
    }
}
