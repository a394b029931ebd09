using Datasette.Litestream.Reporting;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class DrawingSpecs
{
    [TestMethod]
    public void A_line_has_gaps_dots_and_one_stroke_for_equal_values()
    {
        Assert.AreEqual("", Drawing.Line([null, null], 10, 20));
        Assert.AreEqual("M2 20h0H6L8 10L10 0", Drawing.Line([null, 0, 0, 0, 5, 10], 10, 20));
        Assert.AreEqual("M0 10h0M4 10h0", Drawing.Line([5, null, 5], 10, 20));
        Assert.AreEqual("M0 10h0H2M6 0h0", Drawing.Line([5, 5, null, 10], 10, 20));
    }

    [TestMethod]
    public void A_bar_stands_for_what_is_more_than_nothing() =>
        Assert.AreEqual("M2 20V19M6 20V0", Drawing.Bars([0, 0.001f, null, 10], 10, 20));

    [TestMethod]
    public void The_highest_is_no_less_than_what_is_calm()
    {
        Assert.AreEqual(10, Drawing.Highest([null, 3], Drawing.MinLagScale));
        Assert.AreEqual(30, Drawing.Highest([null, 30, 3], Drawing.MinLagScale));
        Assert.AreEqual(0, Drawing.Highest([]));
    }

    [TestMethod]
    [DataRow(10.0, 5.0)]
    [DataRow(41.0, 15.0)]
    [DataRow(3600.0, 900.0)]
    [DataRow(400_000.0, 172_800.0)]
    public void Marks_of_seconds_are_round(double highest, double step) => Assert.AreEqual(step, Drawing.StepOfSeconds(highest));

    [TestMethod]
    [DataRow(65536.0, 16384.0)]
    [DataRow(65537.0, 32768.0)]
    [DataRow(1.0, 1.0)]
    public void Marks_of_bytes_are_powers_of_two(double highest, double step) => Assert.AreEqual(step, Drawing.StepOfBytes(highest));
}
