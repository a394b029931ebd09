namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>A destination that cannot be reached, or refuses what is sent to it.</summary>
[TestClass]
public sealed class DestinationFaultSpecs
{
    private const string Unreachable = "upload_failed|waiting_too_long|no_answer|error_logged|sync_failed";

    [TestMethod]
    public Task S3_refuses_connections() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async();
        await run.AllGreenAsync();
        await run.BreakAsync(s3.Refuse);
        await run.ExpectRedAsync(Unreachable, within: 12);
        await run.ExpectHealthAsync("^bad", within: 14);
        run.Mend(s3.Forward);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });
}
