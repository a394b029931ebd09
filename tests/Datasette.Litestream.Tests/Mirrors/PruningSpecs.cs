using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Replicas;
using static Datasette.Litestream.Tests.Mirrors.MirrorBench;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>What goes from a mirror.</summary>
[TestClass]
public sealed class PruningSpecs
{
    private static readonly Pruning Rules = new(TimeSpan.FromHours(24), TimeSpan.FromMinutes(5));
    private static readonly DateTimeOffset Time = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    [TestMethod]
    public void The_newest_snapshot_that_is_older_than_the_retention_stays_and_everything_before_it_goes()
    {
        var files = Set(Snapshot(100), Snapshot(200), Snapshot(300), new LtxName(1, 101, 200), new LtxName(1, 201, 300), new LtxName(1, 301, 310), new LtxName(2, 1, 200), L0(310));
        CollectionAssert.AreEquivalent(
            new[] { Snapshot(100), new LtxName(1, 101, 200), new LtxName(2, 1, 200) },
            Rules.Find(files, [(Snapshot(100), Time.AddHours(-60)), (Snapshot(200), Time.AddHours(-30)), (Snapshot(300), Time.AddHours(-6))], Time).ToArray());
    }

    [TestMethod]
    public void Nothing_goes_while_no_snapshot_is_older_than_the_retention()
    {
        var files = Set(Snapshot(100), Snapshot(200), new LtxName(1, 101, 210), L0(210));
        Assert.IsEmpty(Rules.Find(files, [(Snapshot(100), Time.AddHours(-23)), (Snapshot(200), Time.AddHours(-1))], Time));
    }

    [TestMethod]
    public void A_snapshot_that_is_not_known_to_be_complete_does_not_count()
    {
        var files = Set(Snapshot(100), Snapshot(200), new LtxName(1, 101, 210), L0(210));
        Assert.IsEmpty(Rules.Find(files, [(Snapshot(100), Time.AddHours(-60))], Time));
    }

    [TestMethod]
    public void Uploads_that_are_merged_go_after_their_time_and_the_last_one_stays()
    {
        var files = Set(Snapshot(100), new LtxName(1, 101, 104), L0(103), L0(104), L0(105), L0(106));
        CollectionAssert.AreEquivalent(new[] { L0(103), L0(104) }, Rules.Find(files, [(Snapshot(100), Time.AddHours(-1))], Time).ToArray());
        Assert.IsEmpty(Rules.Find(files, [(Snapshot(100), Time.AddHours(-1))], Time.AddMinutes(-4)));
    }

    /// <summary>Litestream would say of these: non-contiguous transaction ids in input files: (106,115) -> (111,113).</summary>
    [TestMethod]
    public void A_merged_file_within_an_earlier_one_of_its_level_goes_at_once()
    {
        var files = Set(Snapshot(100), new LtxName(1, 101, 105), new LtxName(1, 106, 110), new LtxName(1, 106, 115), new LtxName(1, 111, 113), new LtxName(1, 112, 115), new LtxName(1, 114, 118), new LtxName(2, 106, 110), L0(119));
        CollectionAssert.AreEquivalent(new[] { new LtxName(1, 111, 113), new LtxName(1, 112, 115) }, Rules.Find(files, [(Snapshot(100), Time)], Time).ToArray());
    }

    [TestMethod]
    public void Nothing_goes_from_a_mirror_that_cannot_be_restored_without_it()
    {
        // The merged file is there, and what is between the snapshot and it is not.
        var files = Set(Snapshot(100), L0(101), L0(102), new LtxName(1, 102, 104), L0(104), L0(106));
        Assert.IsEmpty(Rules.Find(files, [(Snapshot(100), Time.AddHours(-1))], Time));
    }

    private static LtxSet Set(params LtxName[] names) => new(names.Select(name => KeyValuePair.Create(name, new LtxFile(1, 1, Time.AddMinutes(-6).UtcDateTime, Time.UtcDateTime))));
}
