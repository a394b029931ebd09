using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Tests.Restoring;

[TestClass]
public sealed class PointFinderSpecs : IDisposable
{
    private readonly ReplicaBench _replica = new();

    public void Dispose() => _replica.Dispose();

    [TestMethod]
    [DataRow(0.5, 1UL)]
    [DataRow(3.0, 3UL)]
    [DataRow(3.9, 3UL)]
    [DataRow(99.0, 5UL)]
    [DataRow(null, 5UL)]
    public async Task The_newest_file_that_is_not_after_a_time_is_taken(double? at, ulong expected)
    {
        for (var txid = 1UL; txid <= 5; txid++)
        {
            _replica.Ltx(0, txid, txid, txid == 1 ? 0 : txid);
        }

        var point = (RestorePoint.Transaction)await _replica.FindAsync(at);
        Assert.AreEqual(expected, point.Txid);
        Assert.AreEqual((point.Since, (DateTimeOffset?)point.Since), (ReplicaBench.Start.AddSeconds(expected == 1 ? 0 : expected), point.Until));
    }

    [TestMethod]
    [DataRow(29.9, 1UL)]
    [DataRow(35.0, 10UL)]
    [DataRow(59.9, 10UL)]
    [DataRow(60.0, 21UL)]
    [DataRow(61.0, 21UL)]
    public async Task Merged_files_which_have_the_time_of_their_first_change_give_nothing_that_came_after(double at, ulong expected)
    {
        _replica.Ltx(9, 1, 1, 0);
        _replica.Ltx(1, 2, 10, 1);
        _replica.Ltx(1, 11, 20, 31);
        _replica.Ltx(0, 21, 21, 60);
        Assert.AreEqual(expected, ((RestorePoint.Transaction)await _replica.FindAsync(at)).Txid);
    }

    [TestMethod]
    public async Task Between_which_times_a_merged_state_was_that_of_the_database_is_told()
    {
        _replica.Ltx(9, 1, 1, 0);
        _replica.Ltx(1, 2, 10, 1);
        _replica.Ltx(1, 11, 20, 31);
        var point = await _replica.FindAsync(40);
        Assert.AreEqual((ReplicaBench.Start.AddSeconds(1), (DateTimeOffset?)ReplicaBench.Start.AddSeconds(31)), (point.Since, point.Until));
        Assert.AreEqual("0000000000000014", (await _replica.FindAsync(31 + 3600)).Name);
        Assert.IsNull((await _replica.FindAsync((double?)null)).Until);
    }

    [TestMethod]
    public async Task A_transaction_that_no_file_ends_with_is_none()
    {
        _replica.Ltx(9, 1, 1, 0);
        _replica.Ltx(1, 2, 10, 1);
        Assert.AreEqual("000000000000000a", (await _replica.FindAsync(new RestoreTarget.AfterTransaction(10))).Name);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => _replica.FindAsync(new RestoreTarget.AfterTransaction(5)));
        Assert.Contains("ends with transaction 0000000000000005. What is there is of 2026-05-01 12:00:00 to 2026-05-01 12:00:01 UTC, transactions 0000000000000001 to 000000000000000a.", error.Message);
    }

    [TestMethod]
    public async Task What_lies_behind_a_gap_is_not_taken()
    {
        _replica.Ltx(9, 1, 1, 0);
        _replica.Ltx(0, 2, 2, 2);
        _replica.Ltx(0, 4, 4, 4);
        Assert.AreEqual(2UL, ((RestorePoint.Transaction)await _replica.FindAsync(9)).Txid);
    }

    [TestMethod]
    public async Task A_time_before_everything_has_no_state()
    {
        _replica.Ltx(9, 1, 1, 0);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => _replica.FindAsync(-1));
        Assert.Contains("is as old as that. What is there is of 2026-05-01 12:00:00", error.Message);
    }

    [TestMethod]
    public async Task Nothing_is_told_as_nothing() =>
        Assert.EndsWith("/replica.", (await Assert.ThrowsExactlyAsync<ReplicationException>(() => _replica.FindAsync((double?)null))).Message);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task What_0_3_left_is_taken_to_the_segment_from_the_generation_of_the_newest_snapshot(bool by03)
    {
        var releaseLine = by03 ? ReleaseLine.V03 : ReleaseLine.V05;
        _replica.Segment(1, "snapshots/00000000.snapshot", 0);
        _replica.Segment(1, "wal/00000000_00000000.wal", 1);
        _replica.Segment(1, "wal/00000000_00001038.wal", 3);
        _replica.Segment(2, "snapshots/00000000.snapshot", 10);
        _replica.Segment(2, "wal/00000000_00000000.wal", 11);
        _replica.Segment(2, "wal/00000001_00000000.wal", 13);
        Assert.AreEqual("0000000000000001/00000000:00000000", (await _replica.FindAsync(2, releaseLine)).Name);
        Assert.AreEqual("0000000000000001/00000000:00001038", (await _replica.FindAsync(9, releaseLine)).Name);
        Assert.AreEqual("0000000000000002/00000000:00000000", (await _replica.FindAsync(10.5, releaseLine)).Name);
        Assert.AreEqual("0000000000000002/00000001:00000000", (await _replica.FindAsync((double?)null, releaseLine)).Name);
        foreach (var (at, isEnd) in new (double?, bool)[] { (2, false), (9, true), (10.5, false), (11.5, false), (null, true) })
        {
            Assert.AreEqual(isEnd, ((RestorePoint.Segment)await _replica.FindAsync(at, releaseLine)).IsEnd, $"{at}");
        }
    }

    [TestMethod]
    public async Task A_time_before_the_change_to_0_5_is_restored_from_what_0_3_left_and_one_after_it_is_not()
    {
        _replica.Segment(1, "snapshots/00000000.snapshot", 0);
        _replica.Segment(1, "wal/00000000_00000000.wal", 5);
        _replica.Ltx(0, 1, 1, 10);
        _replica.Ltx(0, 2, 2, 20);
        Assert.AreEqual("0000000000000001/00000000:00000000", (await _replica.FindAsync(9)).Name);
        Assert.AreEqual("0000000000000001", (await _replica.FindAsync(10)).Name);
        Assert.AreEqual("0000000000000002", (await _replica.FindAsync((double?)null)).Name);
    }

    [TestMethod]
    public async Task What_0_5_would_not_choose_itself_is_not_restored_by_it()
    {
        _replica.Segment(1, "snapshots/00000000.snapshot", 0);
        _replica.Ltx(9, 1, 1, 10);
        _replica.Segment(1, "wal/00000000_00000000.wal", 20);
        Assert.Contains("Litestream 0.3.13", (await Assert.ThrowsExactlyAsync<ReplicationException>(() => _replica.FindAsync(30))).Message);
        Assert.AreEqual("0000000000000001/00000000:00000000", (await _replica.FindAsync(30, ReleaseLine.V03)).Name);
    }

    [TestMethod]
    public async Task What_0_5_wrote_is_nothing_for_0_3()
    {
        _replica.Ltx(9, 1, 1, 10);
        Assert.Contains("was written by Litestream 0.5", (await Assert.ThrowsExactlyAsync<ReplicationException>(() => _replica.FindAsync((double?)null, ReleaseLine.V03))).Message);
    }
}
