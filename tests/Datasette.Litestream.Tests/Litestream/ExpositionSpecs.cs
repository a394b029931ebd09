using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class ExpositionSpecs
{
    [TestMethod]
    [DataRow("up 1", 1.0)]
    [DataRow("up{} 1.5e3", 1500.0)]
    [DataRow("up -0.25 1700000000000", -0.25, DisplayName = "with a timestamp")]
    [DataRow("up   7\r", 7.0, DisplayName = "with spaces and a carriage return")]
    [DataRow("up +Inf", double.PositiveInfinity)]
    [DataRow("up -Inf", double.NegativeInfinity)]
    [DataRow("up NaN", double.NaN)]
    public void A_value_is_read(string line, double value)
    {
        var sample = Exposition.Parse(line).Single();
        Assert.AreEqual("up", sample.Name);
        Assert.AreEqual(value, sample.Value);
        Assert.IsEmpty(sample.Labels);
    }

    [TestMethod]
    [DataRow("""m{db="/data/a.db",mode="PASSIVE"} 3""", "/data/a.db", "PASSIVE")]
    [DataRow("""m{db="a b, c=\"d\" {e} \\ é", mode="",} 3""", "a b, c=\"d\" {e} \\ é", "")]
    [DataRow("""m{db="line\nbreak",mode="\x"} 3 1700000000000""", "line\nbreak", "x")]
    public void Labels_are_read_whatever_they_hold(string line, string db, string mode)
    {
        var sample = Exposition.Parse(line).Single();
        Assert.AreEqual(3, sample.Value);
        CollectionAssert.AreEquivalent(new Dictionary<string, string> { ["db"] = db, ["mode"] = mode }, sample.Labels.ToDictionary());
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("# TYPE up gauge")]
    [DataRow("up")]
    [DataRow("up ")]
    [DataRow("up one")]
    [DataRow(" 1")]
    [DataRow("{a=\"b\"} 1")]
    [DataRow("up{a} 1")]
    [DataRow("up{a=\"b} 1")]
    [DataRow("up{a=\"b\\")]
    [DataRow("up{a=\"b\"")]
    [DataRow("up{a=\"b\"}")]
    [DataRow("up{a=\"b\",")]
    public void A_line_that_is_no_sample_is_passed_over(string line) =>
        Assert.AreEqual("next", Exposition.Parse($"{line}\nnext 1\n").Single().Name);

    [TestMethod]
    public void Samples_keep_their_order() =>
        CollectionAssert.AreEqual(
            new[] { "a_bucket", "a_sum", "a_count" },
            Exposition.Parse("# HELP a b\na_bucket{le=\"+Inf\"} 1\na_sum 2\n\na_count 1\n").Select(sample => sample.Name).ToArray());
}
