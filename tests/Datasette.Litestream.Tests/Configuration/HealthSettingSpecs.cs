namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class HealthSettingSpecs
{
    private const string Key = "plugins.datasette-litestream";

    [TestMethod]
    [DataRow("{}", 60.0)]
    [DataRow("""{"health": true}""", 60.0)]
    [DataRow("""{"health-max-lag": 90}""", 90.0)]
    [DataRow("""{"health-max-lag": 0.5}""", 0.5)]
    [DataRow("""{"health-max-lag": "1m30s"}""", 90.0)]
    [DataRow("""{"health": true, "health-max-lag": 5}""", 5.0)]
    [DataRow("""{"health": false}""", null)]
    [DataRow("""{"health": false, "health-max-lag": 5}""", null)]
    public void Health_is_told_up_to_a_lag_unless_it_is_turned_off(string settings, double? seconds) =>
        Assert.AreEqual(seconds, Plans.From(settings).Sound.HealthMaxLag?.TotalSeconds);

    [TestMethod]
    [DataRow("""{"health": "no"}""", "health", "expected")]
    [DataRow("""{"health": 0}""", "health", "expected")]
    [DataRow("""{"health-max-lag": "soon"}""", "health-max-lag", "soon")]
    [DataRow("""{"health-max-lag": true}""", "health-max-lag", "true")]
    [DataRow("""{"health-max-lag": -1}""", "health-max-lag", "-1")]
    [DataRow("""{"health_max_lag": 5}""", "health_max_lag", "did you mean \"health-max-lag\"?")]
    public void A_wrong_value_is_told(string settings, string key, string words) =>
        Plans.From(settings).AssertProblem($"{Key}.{key}", words);
}
