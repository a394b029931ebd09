using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class LitestreamVersionSpecs
{
    [TestMethod]
    [DataRow("v0.3.13", "0.3.13")]
    [DataRow("0.5.9", "0.5.9")]
    [DataRow("v0.5.16\n", "0.5.16")]
    [DataRow("Litestream v0.5.8-rc1", "0.5.8")]
    [DataRow("(development build)", null)]
    [DataRow("", null)]
    [DataRow("0.5", null)]
    [DataRow("version 1.2.3", null)]
    [DataRow("9999999999.0.0", null)]
    public void A_version_is_read_from_what_the_binary_prints(string text, string? version) =>
        Assert.AreEqual(version, LitestreamVersion.Parse(text)?.ToString());

    [TestMethod]
    [DataRow("0.3.13", "V03")]
    [DataRow("0.3.14", "V03")]
    [DataRow("0.5.17", "V05")]
    [DataRow("0.5.99", "V05")]
    [DataRow("0.3.12", null)]
    [DataRow("0.3.15", null)]
    [DataRow("0.4.0", null)]
    [DataRow("0.5.8", null)]
    [DataRow("0.5.16", null)]
    [DataRow("0.6.0", null)]
    [DataRow("1.5.8", null)]
    public void Two_generations_are_supported(string text, string? releaseLine)
    {
        var version = LitestreamVersion.Parse(text)!;
        Assert.AreEqual(releaseLine, version.ReleaseLine?.ToString());
        Assert.AreEqual(releaseLine is null, version.UnsupportedReason is not null);
    }
}
