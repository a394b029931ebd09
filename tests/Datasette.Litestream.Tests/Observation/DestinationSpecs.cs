using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>A database with mirrors is as safe as the destination that is worst off.</summary>
[TestClass]
public sealed class DestinationSpecs
{
    private static readonly DatabasePlan Plan =
        Plans.From("""{"all-replicate": ["s3://maps/$DB_NAME", "file:///a/$DB_NAME"]}""").Sound.For(ReleaseLine.V05).Databases.Single();

    private static readonly DatabaseObservation Primary = Observations.Database("parks") with { Plan = Plan };

    [TestMethod]
    public void Where_all_are_well_the_database_is_as_old_as_the_oldest_of_them()
    {
        var database = Primary.With([Mirror(StateReason.OnTheWay, lag: 3)], primaryBytes: 10);
        Assert.AreEqual((DatabaseState.Replicating, StateReason.OnTheWay), (database.State, database.Reason));
        Assert.AreEqual((TimeSpan.FromSeconds(3), Observations.Now.AddSeconds(-3)), (database.Lag, database.Evidence.ReplicatedUntil));
        CollectionAssert.AreEqual(new[] { "s3://maps/parks", "/a/parks" }, database.Destinations.Select(one => one.Replica.Destination).ToArray());
        CollectionAssert.AreEqual(new long?[] { null, 10 }, database.Destinations.Select(one => one.Bytes).ToArray());
    }

    [TestMethod]
    public void A_mirror_that_fails_makes_the_database_red_and_the_sentence_says_what_is_not_everywhere()
    {
        var database = Primary.With([Mirror(StateReason.MirrorFailed, lag: 90, error: "access denied")], null);
        Assert.AreEqual((DatabaseState.Failing, "s3://maps/parks: access denied"), (database.State, database.Error));
        Assert.AreEqual(
            "failing since 11:58:30 UTC, because another destination cannot be read or written; what was written since 11:58:30 UTC is not at each of its destinations",
            Wording.Describe(database, Observations.Now));
        Assert.IsFalse(Judge(database).Healthy);
        Assert.AreEqual(
            "bad: 1 of 1 databases is not safe, because another destination cannot be read or written; what was written since 11:58:30 UTC is not at each of its destinations",
            Judge(database).Line);
        Assert.IsTrue(Judge(Primary.With([Mirror(StateReason.MirrorFailed, lag: 20)], null)).Healthy);
    }

    [TestMethod]
    public void A_first_copy_to_a_mirror_is_neutral_and_health_is_not_bad()
    {
        var database = Primary.With([Mirror(StateReason.MirrorFirstCopy, lag: null)], null);
        Assert.AreEqual(DatabaseState.Starting, database.State);
        Assert.AreEqual(
            "being copied to another destination for the first time, since 1 min; one of its destinations has nothing that can be restored yet",
            Wording.Describe(database, Observations.Now));
        Assert.IsTrue(Judge(database).Healthy);
        StringAssert.StartsWith(Judge(database).Line, "starting: 1 of 1 databases is being copied to another destination");
    }

    [TestMethod]
    public void What_is_wrong_with_Litestreams_own_destination_is_told_first()
    {
        var failing = Observations.Database("parks", DatabaseState.Failing) with { Plan = Plan };
        Assert.AreEqual(StateReason.SyncFailed, failing.With([Mirror(StateReason.MirrorFailed, lag: 90)], null).Reason);
    }

    private static DestinationObservation Mirror(StateReason reason, double? lag, string? error = null) => new(
        Plan.Mirrors.Single(),
        IsMirror: true,
        reason.State(),
        Observations.Now.AddSeconds(-90),
        reason,
        error,
        new Evidence(
            null, null, null, lag is null ? null : 7, lag is { } age ? Observations.Now.AddSeconds(-age) : null, lag is { } seconds ? TimeSpan.FromSeconds(seconds) : null));

    private static HealthReport Judge(DatabaseObservation database) => Health.Judge(
        null, null, new ObservedDatabases(Observations.Now, [database]), TimeSpan.FromSeconds(60), false, Observations.Now.AddMinutes(-10), Observations.Now);
}
