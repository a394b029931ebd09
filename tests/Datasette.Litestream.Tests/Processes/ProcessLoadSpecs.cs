using System.Diagnostics;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
[DoNotParallelize]
public sealed class ProcessLoadSpecs
{
    private static readonly TimeSpan Forever = TimeSpan.FromDays(1);

    [TestMethod]
    public Task A_process_that_does_nothing_is_not_waited_for() => ProcessLoad.WaitUntilIdleAsync(Forever, CancellationToken.None).InTimeAsync();

    [TestMethod]
    public async Task A_process_that_uses_a_core_is_waited_for_until_the_limit()
    {
        using var stopping = new CancellationTokenSource();
        var working = Task.Factory.StartNew(() => Work(stopping.Token), TaskCreationOptions.LongRunning);
        var started = Stopwatch.GetTimestamp();
        var limit = TimeSpan.FromMilliseconds(450);
        await ProcessLoad.WaitUntilIdleAsync(limit, CancellationToken.None).InTimeAsync();
        var waited = Stopwatch.GetElapsedTime(started);
        await stopping.CancelAsync();
        await working;
        Assert.IsGreaterThanOrEqualTo(limit - TimeSpan.FromMilliseconds(5), waited);
    }

    [TestMethod]
    public async Task A_wait_without_a_limit_or_for_somebody_in_a_hurry_ends_at_once()
    {
        Assert.IsTrue(ProcessLoad.WaitUntilIdleAsync(TimeSpan.Zero, CancellationToken.None).IsCompletedSuccessfully);
        using var stopping = new CancellationTokenSource();
        var working = Task.Factory.StartNew(() => Work(stopping.Token), TaskCreationOptions.LongRunning);
        using var hurrying = new CancellationTokenSource();
        var wait = ProcessLoad.WaitUntilIdleAsync(Forever, hurrying.Token);
        await hurrying.CancelAsync();
        await wait.InTimeAsync();
        await stopping.CancelAsync();
        await working;
    }

    private static void Work(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Thread.SpinWait(1000);
        }
    }
}
