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
        var database = new WatchedDatabase(Plans.FromReplica("file:///backup/$DB_NAME").Sound.Databases.Single(), Start);
        database.Ask(new TaskCompletionSource<SyncAnswer?>().Task, Start);
        Assert.IsNull(database.TakeAnswer(Start.AddSeconds(2), Start));
        Assert.IsTrue(database.IsAsked, "its answer is waited for");
        Assert.IsNull(database.TakeAnswer(Start.AddSeconds(4), Start.AddSeconds(3)));
        Assert.IsFalse(database.IsAsked);
    }
}
