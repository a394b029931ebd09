using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Observation;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>What the page says of the state that a restore to a time would give.</summary>
[TestClass]
public sealed class ChosenStateSpecs
{
    private static readonly DatabasePlan Plan =
        Plans.From("""{"all-replicate": ["file:///a/$DB_NAME", "s3://maps/$DB_NAME"]}""").Sound.For(ReleaseLine.V05).Databases.Single();

    [TestMethod]
    [DataRow("2026-05-01T11:30:00", "The state of 2026-05-01 11:29:30 UTC is restored, after transaction 000000000000002a.", DisplayName = "one of its own time")]
    [DataRow("2026-05-01T13:35:00+02:00", "The state between 2026-05-01 11:30:00 UTC and 2026-05-01 11:32:00 UTC is restored, after transaction 0000000000000030.", DisplayName = "one of merged files")]
    [DataRow("10 minutes ago", "The state of 2026-05-01 11:40:00 UTC is restored, after transaction 0000000000000031.", DisplayName = "the newest, and a time before the list")]
    [DataRow("11:59", "The state of 2026-05-01 11:40:00 UTC is restored, after transaction 0000000000000031. Or a later one that is not after it: the files were listed at 11:55:00 UTC.", DisplayName = "a time after the list")]
    [DataRow("2026-04-30T10:00:00", "No state as old as that is known: the oldest is of 2026-05-01 11:00:00 UTC.", DisplayName = "too old")]
    [DataRow("", "The newest state is restored. Choose a time to go back.", DisplayName = "no time")]
    public void It_is_the_newest_that_is_not_after_the_time(string written, string sentence) =>
        Assert.AreEqual(sentence, ChosenState.Find(written, [Primary(Points)], Observations.Now).Sentence);

    [TestMethod]
    public void A_time_that_cannot_be_read_is_shown_with_what_can_be()
    {
        var chosen = ChosenState.Find("<yesterday>", [Primary(Points)], Observations.Now);
        Assert.StartsWith("<yesterday> is no time: expected a time such as ", chosen.Sentence);
        Assert.IsNull(chosen.At);
    }

    [TestMethod]
    public void It_is_in_whole_seconds_and_never_later() =>
        Assert.AreEqual(Observations.Now.AddMinutes(-1), ChosenState.Find("2026-05-01T11:59:00.987Z", [Primary(null)], Observations.Now).At);

    [TestMethod]
    public void Where_nothing_is_known_of_the_files_that_is_said() =>
        Assert.AreEqual(RestoreWording.NotListed, ChosenState.Find("10 minutes ago", [Primary(null)], Observations.Now).Sentence);

    [TestMethod]
    public void A_mirror_that_reaches_farther_is_named()
    {
        var young = new RestorePoints(Observations.Now, Observations.Now.AddMinutes(-1), null, []) { Known = [new KnownPoint(60, Observations.Now.AddMinutes(-1), Observations.Now.AddMinutes(-1))] };
        var chosen = ChosenState.Find("11:30", [Primary(young), Primary(Points) with { Replica = Plan.Mirrors.Single(), IsMirror = true }], Observations.Now);
        Assert.AreEqual("s3://maps/parks", chosen.From);
        Assert.EndsWith("after transaction 000000000000002a, from s3://maps/parks.", chosen.Sentence);
        Assert.AreEqual(Points.Oldest, chosen.OldestAt);
    }

    private static RestorePoints Points { get; } = new(Observations.Now.AddMinutes(-5), Observations.Now.AddHours(-1), null, [])
    {
        Known =
        [
            new KnownPoint(42, At(11, 29, 30), At(11, 29, 30)),
            new KnownPoint(48, At(11, 30, 0), At(11, 32, 0)),
            new KnownPoint(49, At(11, 40, 0), At(11, 40, 0)),
        ],
    };

    private static DateTimeOffset At(int hour, int minute, int second) => new(2026, 5, 1, hour, minute, second, TimeSpan.Zero);

    private static DestinationObservation Primary(RestorePoints? points) => new(
        Plan.Primary, IsMirror: false, DatabaseState.Replicating, Observations.Now, StateReason.AllReplicated, null, new Evidence(null, null, null, null, null, null))
    { Points = points };
}
