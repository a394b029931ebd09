using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Status;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Status;

[TestClass]
public sealed class TrackerSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly LogTally _log = new();
    private readonly DatabasePlan _plan;
    private readonly DatabaseTracker _tracker;
    private DateTimeOffset _now = Start, _changedAt = Start.AddDays(-1);
    private DateTimeOffset? _syncedAt;
    private ulong? _txid = 1;
    private long? _databaseBytes = 4096;
    private bool _isRunning = true, _hasSocket = true;
    private string _listedAs = "replicating";

    public TrackerSpecs()
    {
        _plan = Plan("\"file:///backup/$DB_NAME\"");
        _tracker = new DatabaseTracker(_plan, Start);
    }

    [TestMethod]
    public void Nothing_at_the_replica_yet_is_starting()
    {
        var seen = Look(at: 2);
        Assert.AreEqual((DatabaseState.Starting, (ulong?)null), (seen.State, seen.ReplicaTxid));
        Assert.AreEqual(TimeSpan.FromSeconds(2), seen.Lag);
    }

    [TestMethod]
    public void What_is_safe_has_no_lag_however_long_nothing_is_written()
    {
        Sync(at: 1);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 2));
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 36_000));
        Change(at: 36_001);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.FromSeconds(2)), StateAndLag(at: 36_002));
    }

    [TestMethod]
    public void A_stalled_replica_falls_behind_and_catches_up()
    {
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        for (var second = 4; second <= 6; second += 2)
        {
            Assert.AreEqual((DatabaseState.Replicating, TimeSpan.FromSeconds(second - 2)), StateAndLag(second));
        }

        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(6)), StateAndLag(at: 8));
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(98)), StateAndLag(at: 100));
        Assert.AreEqual(Start.AddSeconds(8), Look(at: 102).Since);
        Sync(at: 103);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 104));
        Assert.AreEqual(Start.AddSeconds(104), Look(at: 106).Since);
    }

    [TestMethod]
    public void A_sync_before_the_last_change_shortens_the_lag()
    {
        Sync(at: 1);
        Look(at: 2);
        Change(at: 20);
        Sync(at: 19);
        Assert.AreEqual(TimeSpan.FromSeconds(3), Look(at: 22).Lag);
    }

    [TestMethod]
    public void The_lag_goes_on_over_a_restart_of_Litestream()
    {
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 4);
        _isRunning = false;
        Assert.AreEqual((DatabaseState.Stopped, TimeSpan.FromSeconds(8)), StateAndLag(at: 10));
        _isRunning = true;
        _syncedAt = null;
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(18)), StateAndLag(at: 20));
        Assert.AreEqual(Start.AddSeconds(1), Look(at: 20).LastSyncAt);
    }

    [TestMethod]
    public void Behind_is_three_sync_intervals_late()
    {
        var tracker = new DatabaseTracker(Plan("""{"path": "/backup", "sync-interval": "1m"}"""), Start);
        Sync(at: 0);
        Look(at: 0, tracker);
        Change(at: 1);
        Assert.AreEqual(DatabaseState.Replicating, Look(at: 180, tracker).State);
        Assert.AreEqual(DatabaseState.Behind, Look(at: 181, tracker).State);
    }

    [TestMethod]
    [DataRow("open")]
    [DataRow("stopped")]
    public void One_that_Litestream_does_not_replicate_is_stopped(string listedAs)
    {
        Sync(at: 1);
        _listedAs = listedAs;
        Assert.AreEqual(DatabaseState.Stopped, Look(at: 2).State);
    }

    [TestMethod]
    public void One_that_Litestream_does_not_list_is_unknown()
    {
        _listedAs = "";
        Assert.AreEqual(DatabaseState.Unknown, Look(at: 2).State);
    }

    [TestMethod]
    public void An_error_lasts_until_the_next_sync()
    {
        Sync(at: 1);
        Log("ERROR", "monitor error", at: 2);
        var seen = Look(at: 3);
        Assert.AreEqual((DatabaseState.Failing, 1), (seen.State, seen.SyncErrors));
        Assert.AreEqual("ERROR monitor error db=parks.db", seen.Error);
        Sync(at: 4);
        seen = Look(at: 5);
        Assert.AreEqual((DatabaseState.Replicating, 1, (string?)null), (seen.State, seen.SyncErrors, seen.Error));
    }

    [TestMethod]
    [DataRow("sync error", "sync recovered")]
    [DataRow("disk full while staging ltx file, replication paused until space is freed", "sync recovered")]
    [DataRow("sync error", "initialized db")]
    public void Changes_that_Litestream_does_not_take_are_not_safe_whatever_its_replica_reports(string fault, string recovery)
    {
        // Litestream 0.5 goes on to report success of its replica every second, of what it had taken before.
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        Sync(at: 4);
        Log("ERROR", fault, at: 4);
        Sync(at: 5);
        Assert.AreEqual(DatabaseState.Failing, Look(at: 6).State);
        Sync(at: 119);
        Assert.AreEqual((DatabaseState.Failing, TimeSpan.FromSeconds(118)), StateAndLag(at: 120));
        Log("INFO", recovery, at: 121);
        Sync(at: 122);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 122));
    }

    [TestMethod]
    public void A_sync_that_was_cut_off_is_no_safety()
    {
        // Litestream 0.5 reports success where it stopped at max-sync-ltx-files.
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        (_txid, _) = (100, 0);
        Upload(txid: 10, at: 4);
        Sync(at: 4);
        var seen = Look(at: 4);
        Assert.AreEqual((TimeSpan.FromSeconds(2), 100UL, 10UL), (seen.Lag!.Value, seen.Txid!.Value, seen.ReplicaTxid!.Value));
        Upload(txid: 50, at: 30);
        Sync(at: 30);
        Assert.AreEqual((DatabaseState.Behind, TimeSpan.FromSeconds(28)), StateAndLag(at: 30));
        Upload(txid: 100, at: 31);
        Sync(at: 31);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 32));
    }

    [TestMethod]
    public void A_database_that_is_always_written_to_and_always_replicated_is_never_behind()
    {
        // At every look the last transaction is on its way.
        for (var second = 2; second < 600; second += 2)
        {
            Change(at: second);
            _txid = (ulong)second;
            Upload(txid: (ulong)second - 1, at: second);
            Sync(at: second);
            Assert.AreEqual(DatabaseState.Replicating, Look(second).State);
        }

        Assert.IsLessThanOrEqualTo(TimeSpan.FromSeconds(4), Look(at: 600).Lag!.Value);
    }

    [TestMethod]
    public void A_file_from_the_future_is_not_behind_for_ever()
    {
        _changedAt = Start.AddYears(1);
        Look(at: 2);
        Sync(at: 3);
        Assert.AreEqual((DatabaseState.Replicating, TimeSpan.Zero), StateAndLag(at: 4));
    }

    [TestMethod]
    public void A_clock_that_is_set_back_makes_no_negative_lag()
    {
        Sync(at: 1000);
        Look(at: 1001);
        Change(at: 1002);
        Look(at: 1003);
        _syncedAt = null;
        Assert.AreEqual(TimeSpan.Zero, Look(at: 10).Lag);
        Assert.AreEqual(TimeSpan.FromSeconds(10), Look(at: 20).Lag);
    }

    [TestMethod]
    public void A_file_that_is_gone_is_no_safer_than_it_was()
    {
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 4);
        var file = DatabaseFiles.LookAt("/not/there.db");
        Assert.AreEqual(((long?)null, (long?)null), (file.DatabaseBytes, file.WalBytes));
        (_databaseBytes, _changedAt) = (null, file.ChangedAt);
        Assert.AreEqual(TimeSpan.FromSeconds(8), Look(at: 10).Lag);
    }

    [TestMethod]
    public void A_transaction_id_is_asked_for_while_it_may_move()
    {
        Assert.IsTrue(_tracker.NeedsTxid(Files));
        Look(at: 1);
        Assert.IsFalse(_tracker.NeedsTxid(Files));
        Change(at: 2);
        Assert.IsTrue(_tracker.NeedsTxid(Files));
        Look(at: 6);
        Assert.IsTrue(_tracker.NeedsTxid(Files));
        Look(at: 7);
        Assert.IsFalse(_tracker.NeedsTxid(Files));
    }

    [TestMethod]
    public void A_transaction_id_that_is_not_known_is_asked_for_again()
    {
        _txid = null;
        Look(at: 2);
        Assert.IsTrue(_tracker.NeedsTxid(Files));
    }

    [TestMethod]
    public void The_replica_has_all_that_is_safe_and_else_what_was_uploaded()
    {
        _txid = 9;
        Assert.IsNull(Look(at: 2).ReplicaTxid);
        Sync(at: 3);
        Assert.AreEqual(9UL, Look(at: 4).ReplicaTxid);
        Change(at: 5);
        _txid = 12;
        Assert.AreEqual(9UL, Look(at: 6).ReplicaTxid);
        Upload(txid: 11, at: 7);
        Assert.AreEqual(11UL, Look(at: 8).ReplicaTxid);
    }

    [TestMethod]
    public void Without_a_control_socket_there_is_no_lag_and_an_upload_ends_an_error()
    {
        (_hasSocket, _listedAs, _txid) = (false, "", null);
        var seen = Look(at: 2);
        Assert.AreEqual((DatabaseState.Replicating, (TimeSpan?)null), (seen.State, seen.Lag));
        Log("ERROR", "monitor error", at: 3, _plan.Path);
        Assert.AreEqual(DatabaseState.Failing, Look(at: 4).State);
        Log("INFO", "wal segment written", at: 5, _plan.Path, ",\"sz\":4120");
        seen = Look(at: 6);
        Assert.AreEqual((DatabaseState.Replicating, 4120L), (seen.State, seen.UploadedBytes));
    }

    [TestMethod]
    public void A_sample_has_the_largest_lag_since_the_one_before_and_what_was_uploaded_since()
    {
        Sync(at: 1);
        Look(at: 2);
        Change(at: 3);
        Look(at: 9);
        Upload(txid: 1, at: 9);
        Sync(at: 9);
        Look(at: 10);
        _tracker.Record(_now, Tally);
        Look(at: 20);
        _tracker.Record(_now, Tally);
        var samples = _tracker.History.Read(HistoryRange.Hour, _now);
        Assert.AreEqual(new Sample(1, 0, 7, 512, 4096, 2207, (Half)0), samples[^2]);
        Assert.AreEqual(new Sample(1, 0, 0, 512, 4096, 0, (Half)0), samples[^1]);
    }

    [TestMethod]
    public void What_is_unknown_is_unknown_in_a_sample_too()
    {
        (_hasSocket, _listedAs, _txid, _databaseBytes) = (false, "", null, null);
        _tracker.Record(_now, Tally);
        Assert.AreEqual(Sample.None, _tracker.History.Read(HistoryRange.Hour, _now)[^1]);
        Look(at: 2);
        _tracker.Record(_now, Tally);
        Assert.AreEqual(new Sample(0, uint.MaxValue, float.NaN, 512, float.NaN, 0, (Half)0), _tracker.History.Read(HistoryRange.Hour, _now)[^1]);
    }

    private DatabaseFiles Files => new(_databaseBytes, 512, _changedAt);

    private DatabaseTally Tally => _log.Of(_plan.Path);

    private static DatabasePlan Plan(string replica) => Plans.FromReplica(replica.Trim('"')).Sound.Databases.Single();

    private void Change(int at) => _changedAt = Start.AddSeconds(at);

    private void Sync(int at) => _syncedAt = Start.AddSeconds(at);

    private void Upload(ulong txid, int at) => Log("INFO", "ltx file uploaded", at, more: $",\"maxTXID\":\"{txid:x16}\",\"size\":2207");

    private void Log(string level, string message, int at, string database = "parks.db", string more = "") => _log.Note(LogEntry.Parse(
        $$"""{"time":"{{Start.AddSeconds(at):O}}","level":"{{level}}","msg":"{{message}}","db":"{{database}}"{{more}}}""", _now));

    private DatabaseObservation Look(int at, DatabaseTracker? tracker = null)
    {
        _now = Start.AddSeconds(at);
        var listed = _listedAs.Length > 0 && _isRunning ? new ListedDatabase(_plan.Path, _listedAs, _syncedAt) : null;
        return (tracker ?? _tracker).Observe(_now, _isRunning, _hasSocket, listed, _txid, Files, Tally);
    }

    private (DatabaseState State, TimeSpan Lag) StateAndLag(int at)
    {
        var seen = Look(at);
        return (seen.State, seen.Lag!.Value);
    }
}
