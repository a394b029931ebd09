namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Litestream itself fails, and what it says is not believed for longer than it is true.</summary>
[TestClass]
public sealed class LitestreamFaultSpecs
{
    [TestMethod]
    public Task Litestream_is_killed() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.SignalLitestream(Signals.SIGKILL));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });
}
