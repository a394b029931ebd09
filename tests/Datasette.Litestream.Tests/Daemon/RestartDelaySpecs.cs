using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class RestartDelaySpecs
{
    [TestMethod]
    public void It_doubles_to_thirty_seconds_with_up_to_a_fifth_by_chance()
    {
        var delay = new RestartDelay(new Random(7));
        var random = new Random(7);
        foreach (var seconds in new[] { 0.5, 1, 2, 4, 8, 16, 30, 30, 30 })
        {
            Assert.AreEqual(TimeSpan.FromSeconds(seconds) * (1 + (random.NextDouble() * 0.2)), delay.After(TimeSpan.Zero));
        }
    }

    [TestMethod]
    public void A_minute_of_health_makes_it_short_again_and_less_does_not()
    {
        var delay = new RestartDelay(new Least());
        Assert.AreEqual(0.5, delay.After(TimeSpan.Zero).TotalSeconds);
        Assert.AreEqual(1, delay.After(TimeSpan.FromSeconds(59.9)).TotalSeconds);
        Assert.AreEqual(0.5, delay.After(TimeSpan.FromMinutes(1)).TotalSeconds);
        Assert.AreEqual(1, delay.After(TimeSpan.Zero).TotalSeconds);
    }

    private sealed class Least : Random
    {
        public override double NextDouble() => 0;
    }
}
