using System.Globalization;
using System.Text;
using System.Text.Json;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Tests.Replicas;

[TestClass]
public sealed class LtxInventorySpecs
{
    [TestMethod]
    public void It_reads_what_Litestream_lists()
    {
        var inventory = LtxInventory.Parse(Encoding.UTF8.GetBytes(
            """[{"level": 9, "min_txid": "0000000000000001", "max_txid": "000000000000001c", "size": 259350, "timestamp": "2026-11-26T03:00:50Z"}]"""));
        Assert.AreEqual(
            new LtxFileInfo(9, 1, 28, 259350, new DateTimeOffset(2026, 11, 26, 3, 0, 50, TimeSpan.Zero)), inventory.Files.Single());
        Assert.AreEqual("ltx/9/0000000000000001-000000000000001c.ltx", inventory.Files.Single().Name.ToString());
    }

    [TestMethod]
    [DataRow("{}")]
    [DataRow("[{}]")]
    [DataRow("nothing")]
    [DataRow("""[{"level": 10, "min_txid": "0000000000000001", "max_txid": "0000000000000001", "size": 1, "timestamp": "2026-11-26T03:00:50Z"}]""")]
    [DataRow("""[{"level": 1, "min_txid": "one", "max_txid": "0000000000000001", "size": 1, "timestamp": "2026-11-26T03:00:50Z"}]""")]
    [DataRow("""[{"level": 1, "min_txid": "0000000000000001", "max_txid": "0000000000000001", "size": 1, "timestamp": "today"}]""")]
    public void Another_answer_is_an_error(string json) =>
        Assert.Throws<JsonException>(() => LtxInventory.Parse(Encoding.UTF8.GetBytes(json)));

    // Level:first-last, as Litestream leaves them.
    [TestMethod]
    [DataRow("", null, false, 0)]
    [DataRow("0:1-1", 1, false, 1)]
    [DataRow("0:1-1 0:2-2 0:3-3", 3, false, 3)]
    [DataRow("0:1-1 0:3-3", 1, true, 3, DisplayName = "a file is missing")]
    [DataRow("0:2-2", null, true, 2, DisplayName = "the beginning is missing")]
    [DataRow("0:5-5 1:1-4", 5, false, 5, DisplayName = "merged")]
    [DataRow("0:3-3 0:4-4 0:5-5 1:1-4", 5, false, 5, DisplayName = "merged, and not deleted yet")]
    [DataRow("0:6-6 1:1-4", 4, true, 6, DisplayName = "what was not merged is missing")]
    [DataRow("0:31-31 1:28-28 1:29-30 2:28-29 9:1-18 9:1-28", 31, false, 31, DisplayName = "levels overlap")]
    [DataRow("9:1-18 9:1-28 0:30-30", 28, true, 30, DisplayName = "behind a snapshot")]
    [DataRow("9:1-18", 18, false, 18, DisplayName = "a snapshot alone")]
    [DataRow("0:2-2 0:3-3 9:1-18", 18, false, 18, DisplayName = "only a snapshot is new")]
    [DataRow("0:1-1 0:2-2 9:1-18", 18, false, 18, DisplayName = "ids began again below a snapshot")]
    public void The_names_tell_how_far_a_restore_reaches(string files, int? reach, bool hasGap, int highest)
    {
        var inventory = Inventory(files);
        Assert.AreEqual((ulong?)reach, inventory.RestorableUpTo);
        Assert.AreEqual(hasGap, inventory.HasGap);
        Assert.AreEqual((ulong)highest, inventory.HighestTxid);
    }

    [TestMethod]
    public void It_knows_the_highest_transaction_of_each_level()
    {
        var inventory = Inventory("0:30-30 0:31-31 9:1-28");
        Assert.AreEqual((31UL, 0UL, 28UL), (inventory.HighestOf(0), inventory.HighestOf(1), inventory.HighestOf(9)));
    }

    [TestMethod]
    [DataRow("", true)]
    [DataRow("0:1-1 0:2-2 0:3-3", true)]
    [DataRow("0:1-1 0:3-3 9:1-2", false, DisplayName = "a file is missing, and a snapshot makes up for it")]
    [DataRow("0:1-1 0:3-3 0:4-4 1:1-2", true, DisplayName = "what is missing was merged")]
    [DataRow("0:2-2 0:3-3 0:5-5 1:1-2", false, DisplayName = "a file is missing above what was merged")]
    public void The_names_tell_whether_Litestream_can_merge_files(string files, bool can) => Assert.AreEqual(can, Inventory(files).CanBeMerged);

    private static LtxInventory Inventory(string files) => LtxInventory.Parse(JsonSerializer.SerializeToUtf8Bytes(
        files.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(file => file.Split(':', '-')).Select(parts => new Dictionary<string, object>
        {
            ["level"] = int.Parse(parts[0], CultureInfo.InvariantCulture),
            ["min_txid"] = Txid(parts[1]),
            ["max_txid"] = Txid(parts[2]),
            ["size"] = 1,
            ["timestamp"] = "2026-11-26T03:00:50Z",
        })));

    private static string Txid(string number) => ulong.Parse(number, CultureInfo.InvariantCulture).ToString("x16", CultureInfo.InvariantCulture);
}
