using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Tests.Restoring;

[TestClass]
public sealed class RestoreTargetSpecs
{
    [TestMethod]
    [DataRow("000000000000002a", 42UL)]
    [DataRow("0x2A", 42UL)]
    [DataRow("10", 16UL)]
    [DataRow("ffffffffffffffff", ulong.MaxValue)]
    public void A_transaction_is_hexadecimal(string text, ulong expected) => Assert.AreEqual(expected, RestoreTarget.ParseTxid(text));

    [TestMethod]
    [DataRow("")]
    [DataRow("0x")]
    [DataRow("0")]
    [DataRow("-1")]
    [DataRow("fg")]
    [DataRow("10000000000000000")]
    public void Anything_else_is_none(string text) => Assert.IsNull(RestoreTarget.ParseTxid(text));
}
