using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>What is said at the end.</summary>
[TestClass]
public sealed class EndReportSpecs
{
    private static readonly ReplicationPlan Plan =
        Plans.From("""{"all-replicate": ["file:///a/$DB_NAME", "s3://maps/$DB_NAME"]}""").Sound.For(ReleaseLine.V05);

    [TestMethod]
    public void A_mirror_that_lacks_the_last_changes_is_named_with_the_cause()
    {
        var database = Plan.Databases[0];
        Assert.AreEqual(
            (LogLevel.Error, "The last changes are not at s3://maps/parks (parks: connection refused)."),
            EndReport.Describe(StopResult.Complete, [new MirrorLack(database, database.Mirrors[0], "connection refused")], Plan, null!, default));
    }

    [TestMethod]
    public void Nothing_is_said_where_everything_is_everywhere() =>
        Assert.IsNull(EndReport.Describe(StopResult.Complete, [], Plan, null!, default));
}
