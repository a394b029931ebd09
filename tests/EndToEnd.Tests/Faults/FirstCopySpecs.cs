namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// The first copy of a big database over a slow line: nothing of it is safe until all of it is there. 15 MB, or 120 MB with
/// <c>DATASETTE_LITESTREAM_FULL=1</c>, at 1 MB a second; what was said is in <c>TestResults/first-copy.txt</c>.
/// </summary>
[TestClass]
public sealed class FirstCopySpecs
{
    private const int BytesPerSecond = 1_000_000;

    private static readonly int Bytes = Scale.IsFull ? 120_000_000 : 15_000_000;

    /// <summary>Until all of it was sent: as a change, as a snapshot, and what was sent before a fault.</summary>
    private static readonly int Patience = (3 * Bytes / BytesPerSecond) + 30;

    [TestMethod]
    public Task The_first_copy_takes_long() => FaultRun.RunAsync(async run =>
    {
        await run.StartS3Async(new() { Filler = Bytes }, proxy => proxy.Limit(BytesPerSecond));
        await run.BreakAsync(() => { });

        // Litestream gets some seconds to begin.
        await run.ExpectRedAsync("first_copy", within: 12);
        await run.ExpectHealthAsync("starting", within: 10);
        await run.ExpectGreenAsync(within: Patience);
        var results = Path.Combine(PluginEnvironment.RepositoryRoot, "TestResults");
        Directory.CreateDirectory(results);
        await File.WriteAllLinesAsync(Path.Combine(results, "first-copy.txt"), run.SecondBySecond);
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_first_copy_does_not_get_on() => FaultRun.RunAsync(async run =>
    {
        var (_, s3) = await run.StartS3Async(new() { Filler = Bytes }, proxy => proxy.Limit(BytesPerSecond));
        await run.LastAsync(4);
        await run.BreakAsync(s3.Freeze);
        await run.ExpectHealthAsync("^bad", within: 40);
        run.ExpectNeverGreen();
        run.Mend(s3.Forward);
        await run.ExpectGreenAsync(within: Patience);
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Litestream_is_killed_during_the_first_copy() => FaultRun.RunAsync(async run =>
    {
        await run.StartS3Async(new() { Filler = Bytes }, proxy => proxy.Limit(BytesPerSecond));
        await run.LastAsync(4);
        await run.BreakAsync(() => run.SignalLitestream(Signals.SIGKILL));
        await run.ExpectGreenAsync(within: Patience);
        await run.ExpectRestoredAsync();
    });
}
