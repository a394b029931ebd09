using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>What the metrics of Litestream 0.3 prove. The figures are those of a real run.</summary>
[TestClass]
public sealed class WalProgressSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WalProgress _progress = new();

    [TestMethod]
    public void The_metrics_of_Litestream_are_read()
    {
        var positions = WalPosition.Parse(
            """
            # TYPE litestream_replica_wal_offset gauge
            litestream_replica_wal_index{db="/data/parks.db",name="a"} 1
            litestream_replica_wal_index{db="/data/parks.db",name="b"} 0
            litestream_replica_wal_offset{db="/data/parks.db",name="a"} 32
            litestream_replica_wal_offset{db="/data/parks.db",name="b"} 1.256632e+06
            litestream_shadow_wal_index{db="/data/parks.db"} 1
            litestream_shadow_wal_size{db="/data/parks.db"} 432632
            litestream_sync_count{db="/data/parks.db"} 4
            litestream_sync_error_count{db="/data/parks.db"} 2
            go_goroutines 20
            """);
        Assert.AreEqual(new WalPosition(4, 2, (1, 432632), (0, 1256632)), positions["/data/parks.db"]);
        Assert.HasCount(1, positions);
    }

    [TestMethod]
    public void What_was_written_before_a_look_is_replicated_when_the_replicas_have_what_the_second_sync_after_it_read()
    {
        Assert.IsNull(Advance(at: 0, syncs: 5, synced: 100, replicated: 100));

        // The sync that raised the count may have begun before the look.
        Assert.IsNull(Advance(at: 2, syncs: 6, synced: 200, replicated: 200));
        Assert.IsNull(Advance(at: 4, syncs: 7, synced: 300, replicated: 200));
        var answer = Advance(at: 6, syncs: 8, synced: 400, replicated: 300);
        Assert.AreEqual((Start, Files(0)), (answer?.AskedAt, answer?.Files));
        Assert.IsNull(Advance(at: 8, syncs: 9, synced: 400, replicated: 400));
        Assert.AreEqual(Start.AddSeconds(6), Advance(at: 10, syncs: 10, synced: 400, replicated: 400)?.AskedAt);
    }

    [TestMethod]
    public void A_sync_that_fails_proves_nothing()
    {
        Advance(at: 0, syncs: 5, synced: 100, replicated: 100);
        Assert.IsNull(Advance(at: 2, syncs: 7, synced: 100, replicated: 100, errors: 1));
        Assert.AreEqual(Start.AddSeconds(2), Advance(at: 4, syncs: 9, synced: 100, replicated: 100, errors: 1)?.AskedAt);
    }

    [TestMethod]
    public void A_restart_of_Litestream_begins_anew()
    {
        Advance(at: 0, syncs: 500, synced: 100, replicated: 100);
        Assert.IsNull(Advance(at: 2, syncs: 1, synced: 100, replicated: null));
        Assert.IsNull(Advance(at: 4, syncs: 3, synced: 100, replicated: null));
        Assert.AreEqual(Start.AddSeconds(2), Advance(at: 6, syncs: 5, synced: 100, replicated: 100)?.AskedAt);
    }

    private static DatabaseFiles Files(int at) => new(new FileStatus(1, 2, 1, 4096, Start.AddSeconds(at), 0), null, null);

    private SyncAnswer? Advance(int at, double syncs, double synced, double? replicated, double errors = 0) => _progress.Advance(
        Start.AddSeconds(at), Files(at), new WalPosition(syncs, errors, (0, synced), replicated is { } offset ? (0, offset) : null));
}
