using System.Diagnostics;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
[DoNotParallelize]
public sealed class ProcessLoadSpecs
{
    private static readonly TimeSpan Forever = TimeSpan.FromDays(1), Interval = TimeSpan.FromMilliseconds(100);

    [TestMethod]
    public async Task A_process_that_does_nothing_is_idle_after_a_tenth_of_a_second()
    {
        var clock = new TestClock();
        var idle = ProcessLoad.WaitUntilIdleAsync(Forever, clock, CancellationToken.None);
        await clock.PassUntilAsync(idle).InTimeAsync();
    }

    [TestMethod]
    public async Task A_process_that_uses_a_core_is_waited_for_until_the_limit()
    {
        using var stopping = new CancellationTokenSource();
        var working = Task.Factory.StartNew(() => Work(stopping.Token), TaskCreationOptions.LongRunning);
        var started = Stopwatch.GetTimestamp();
        var limit = TimeSpan.FromMilliseconds(450);
        await ProcessLoad.WaitUntilIdleAsync(limit, TimeProvider.System, CancellationToken.None).InTimeAsync();
        var waited = Stopwatch.GetElapsedTime(started);
        await stopping.CancelAsync();
        await working;
        Assert.IsGreaterThanOrEqualTo(limit - TimeSpan.FromMilliseconds(5), waited);
    }

    [TestMethod]
    public async Task A_wait_without_a_limit_or_for_somebody_in_a_hurry_ends_at_once()
    {
        var clock = new TestClock();
        Assert.IsTrue(ProcessLoad.WaitUntilIdleAsync(TimeSpan.Zero, clock, CancellationToken.None).IsCompletedSuccessfully);
        using var hurrying = new CancellationTokenSource();
        var wait = ProcessLoad.WaitUntilIdleAsync(Forever, clock, hurrying.Token);
        await clock.IsAwaitedAsync(Interval);
        await hurrying.CancelAsync();
        await wait.InTimeAsync();
    }

    private static void Work(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Thread.SpinWait(1000);
        }
    }
}
