namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class VerifyIntervalSpecs
{
    [TestMethod]
    public void It_is_by_size_unless_it_is_set() => Assert.IsNull(Of("\"all-replicate\": \"file:///b/$DB_NAME\""));

    [TestMethod]
    [DataRow("\"12h\"", 12 * 3600)]
    [DataRow("60", 60)]
    [DataRow("\"off\"", null)]
    [DataRow("false", null)]
    public void One_at_top_level_is_that_of_every_database(string value, int? seconds) =>
        Assert.AreEqual(
            seconds is { } known ? TimeSpan.FromSeconds(known) : Timeout.InfiniteTimeSpan,
            Of($"\"all-replicate\": \"file:///b/$DB_NAME\", \"verify-interval\": {value}"));

    [TestMethod]
    public void One_of_a_database_comes_first() =>
        Assert.AreEqual(TimeSpan.FromHours(2), Plans.From(
            """{"all-replicate": "file:///b/$DB_NAME", "verify-interval": "off"}""", """{"parks": {"verify-interval": "2h"} }""").Sound.Databases.Single().VerifyInterval);

    [TestMethod]
    [DataRow("\"5s\"", "expected at least 10s, got 5s")]
    [DataRow("\"never\"", "expected a duration above zero")]
    [DataRow("true", "expected a duration above zero")]
    public void What_is_wrong_is_told(string value, string words) =>
        Plans.From($$"""{"all-replicate": "file:///b/$DB_NAME", "verify-interval": {{value}} }""").AssertProblem("plugins.datasette-litestream.verify-interval", words);

    private static TimeSpan? Of(string settings) => Plans.From($"{{{settings}}}").Sound.Databases.Single().VerifyInterval;
}
