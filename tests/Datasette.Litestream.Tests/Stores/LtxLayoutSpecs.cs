using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Tests.Stores;

[TestClass]
public sealed class LtxLayoutSpecs
{
    [TestMethod]
    public void Each_store_has_its_own_names()
    {
        var name = new LtxName(9, 1, 0xab);
        Assert.AreEqual("ltx/9/0000000000000001-00000000000000ab.ltx", LtxLayout.Folder.NameOf(name));
        Assert.AreEqual("0009/0000000000000001-00000000000000ab.ltx", LtxLayout.S3.NameOf(name));
        foreach (var (layout, other) in new[] { (LtxLayout.Folder, LtxLayout.S3), (LtxLayout.S3, LtxLayout.Folder) })
        {
            Assert.IsTrue(layout.TryParse(layout.NameOf(name), out var parsed));
            Assert.AreEqual(name, parsed);
            Assert.StartsWith($"{layout.FolderOf(9)}/", layout.NameOf(name));
            foreach (var wrong in new[] { other.NameOf(name), "", "x", $"x/{layout.NameOf(name)}", $"{layout.NameOf(name)}.tmp", name.FileName })
            {
                Assert.IsFalse(layout.TryParse(wrong, out _), wrong);
            }
        }
    }
}
