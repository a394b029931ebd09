namespace Datasette.Litestream.EndToEnd;

[TestClass]
public sealed class DumpComparisonSpecs
{
    private static readonly string Rows = string.Concat(Enumerable.Range(0, 10_000).Select(i => $"{i}|row {i}\n"));

    [TestMethod]
    public void Equal_dumps_have_no_difference() => Assert.IsNull(DumpComparison.FindDifference(Rows, Rows));

    [TestMethod]
    public void Only_the_first_differences_of_thousands_of_rows_are_told()
    {
        var difference = DumpComparison.FindDifference(Rows, Rows.Replace("|row 12", "|row X", StringComparison.Ordinal))!;
        StringAssert.Contains(difference, "lacks 111 ('12|row 12', '120|row 120', ");
        StringAssert.Contains(difference, "'12|row X'");
        Assert.IsLessThan(500, difference.Length);
    }

    [TestMethod]
    public void Rows_that_are_missing_doubled_or_in_another_order_are_told()
    {
        Assert.AreEqual("it has 2 lines for 3, lacks 1 ('b'), and has instead none", DumpComparison.FindDifference("a\nb\n", "a\n"));
        Assert.AreEqual("it has 3 lines for 2, lacks none, and has instead 1 ('a')", DumpComparison.FindDifference("a\n", "a\na\n"));
        Assert.AreEqual("its rows are in another order", DumpComparison.FindDifference("a\nb\n", "b\na\n"));
    }
}
