using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

[TestClass]
public sealed class LtxFilesSpecs : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    public LtxFilesSpecs() => Directory.CreateDirectory(_folder[".a b.db-litestream/ltx/0"]);

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void A_file_is_named_as_Litestream_names_it() =>
        Assert.AreEqual("00000000000000af-00000000000000af.ltx", LtxFiles.NameOf(0xaf));

    [TestMethod]
    public void Only_what_is_new_at_the_replica_is_counted()
    {
        for (ulong txid = 1; txid <= 20; txid++)
        {
            Write(txid, bytes: (int)txid, Start);
        }

        Assert.AreEqual(11L + 12 + 13, Measure(after: 10, upTo: 13));
        Assert.AreEqual(0, Measure(after: 13, upTo: 13));
        Assert.AreEqual(0, Measure(after: 13, upTo: 0));
    }

    [TestMethod]
    public void What_Litestream_has_removed_or_another_Datasette_left_is_not_counted()
    {
        Write(4, bytes: 4, Start);
        Write(6, bytes: 6, Start.AddSeconds(-1));
        Write(7, bytes: 7, Start);
        Write(8, bytes: 8, Start.AddSeconds(1));
        Assert.AreEqual(15, Measure(after: 0, upTo: 8));
        Assert.AreEqual(0, Measure(after: 0, upTo: 5));
        Assert.AreEqual(0, LtxFiles.Measure("/not/there", 0, ulong.MaxValue, Start));
    }

    private long Measure(ulong after, ulong upTo) => LtxFiles.Measure(LitestreamFolder.Of(_folder["a b.db"]), after, upTo, Start);

    private void Write(ulong txid, int bytes, DateTimeOffset at)
    {
        var path = _folder[$".a b.db-litestream/ltx/0/{LtxFiles.NameOf(txid)}"];
        File.WriteAllBytes(path, new byte[bytes]);
        File.SetLastWriteTimeUtc(path, at.UtcDateTime);
    }
}
