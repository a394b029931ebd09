using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>What Litestream is asked, and its answers.</summary>
[TestClass]
public sealed class WatchedDatabaseSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    [TestMethod]
    public void What_a_Litestream_was_asked_that_has_ended_is_asked_of_the_next_one()
    {
        var database = Asked();
        Assert.IsNull(database.TakeAnswer(Start.AddSeconds(2), Start, null));
        Assert.IsTrue(database.IsAsked, "its answer is waited for");
        Assert.IsNull(database.TakeAnswer(Start.AddSeconds(4), Start.AddSeconds(3), null));
        Assert.IsFalse(database.IsAsked);
    }

    [TestMethod]
    [DataRow(false, 11, true)]
    [DataRow(false, 9, false)]
    [DataRow(true, 11, false)]
    public void An_answer_that_is_lost_is_not_waited_for(bool isActive, int syncedAgainAfter, bool isLost)
    {
        var database = Asked();

        // Its own clock may be another one.
        var began = Start.AddDays(1);
        Assert.IsNull(database.TakeAnswer(Start, Start, Sync(isActive: true, began)));
        Assert.IsNull(database.TakeAnswer(Start.AddSeconds(12), Start, Sync(isActive, began.AddSeconds(syncedAgainAfter))));
        Assert.AreEqual(!isLost, database.IsAsked);
    }

    [TestMethod]
    public void An_answer_that_comes_late_is_taken()
    {
        var pending = new TaskCompletionSource<SyncAnswer?>();
        var database = Asked(pending);
        Assert.IsNull(database.TakeAnswer(Start, Start, Sync(isActive: true, Start)));
        var answer = new SyncAnswer(Start, default, 0, 7, 7, 0);
        pending.SetResult(answer);
        Assert.AreSame(answer, database.TakeAnswer(Start.AddSeconds(12), Start, Sync(isActive: false, Start.AddSeconds(11))));
    }

    private static SyncActivity Sync(bool isActive, DateTimeOffset startedAt) => new("/data/parks.db", isActive, "sync", "update_metrics", startedAt, null);

    private static WatchedDatabase Asked(TaskCompletionSource<SyncAnswer?>? pending = null)
    {
        var database = new WatchedDatabase(Plans.FromReplica("file:///backup/$DB_NAME").Sound.Databases.Single(), Start);
        database.Ask((pending ?? new()).Task, Start);
        return database;
    }
}
