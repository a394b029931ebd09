using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class RestartDelaySpecs
{
    [TestMethod]
    public void It_doubles_to_thirty_seconds_with_up_to_a_fifth_by_chance()
    {
        var (least, half, most) = (new RestartDelay(new Always(0)), new RestartDelay(new Always(0.5)), new RestartDelay(new Always(1)));
        foreach (var seconds in new[] { 0.5, 1, 2, 4, 8, 16, 30, 30, 30 })
        {
            Assert.AreEqual(seconds, least.After(TimeSpan.Zero).TotalSeconds, 1e-6);
            Assert.AreEqual(seconds * 1.1, half.After(TimeSpan.Zero).TotalSeconds, 1e-6);
            Assert.AreEqual(seconds * 1.2, most.After(TimeSpan.Zero).TotalSeconds, 1e-6);
        }
    }

    [TestMethod]
    public void Chance_is_asked_each_time()
    {
        var delay = new RestartDelay(Random.Shared);
        var delays = Enumerable.Range(0, 100).Select(_ => delay.After(TimeSpan.Zero)).Skip(50).ToList();
        Assert.IsGreaterThan(40, delays.Distinct().Count());
    }

    [TestMethod]
    public void Each_Datasette_has_its_own_chance()
    {
        var delays = Enumerable.Range(0, 100).Select(_ => new RestartDelay(Random.Shared).After(TimeSpan.Zero)).ToList();
        Assert.IsGreaterThan(90, delays.Distinct().Count());
    }

    [TestMethod]
    public void A_minute_of_health_makes_it_short_again_and_less_does_not()
    {
        var delay = new RestartDelay(new Always(0));
        Assert.AreEqual(0.5, delay.After(TimeSpan.Zero).TotalSeconds);
        Assert.AreEqual(1, delay.After(TimeSpan.FromSeconds(59.9)).TotalSeconds);
        Assert.AreEqual(0.5, delay.After(TimeSpan.FromMinutes(1)).TotalSeconds);
        Assert.AreEqual(1, delay.After(TimeSpan.Zero).TotalSeconds);
    }

    private sealed class Always(double number) : Random
    {
        public override double NextDouble() => number;
    }
}
