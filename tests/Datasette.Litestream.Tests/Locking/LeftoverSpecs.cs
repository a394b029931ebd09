using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Locking;

[TestClass]
public sealed class LeftoverSpecs
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly TestClock _clock = new();

    [TestMethod]
    public async Task It_is_ended_gracefully()
    {
        using var leftover = StartedChild.Shell("echo runs; exec sleep 1000");
        await leftover.SaysAsync("runs");

        // The real clock: time that flies would run out before a busy machine has delivered the signal.
        await Leftover.EndAsync(ProcessIdentity.Of(leftover.Process.Id)!, TimeSpan.FromMinutes(1), TimeProvider.System).InTimeAsync();
        Assert.AreEqual(new ProcessExit(null, LibC.SIGTERM), await leftover.EndsAsync());
    }

    [TestMethod]
    public async Task One_that_ignores_SIGTERM_is_killed_after_the_timeout()
    {
        using var leftover = StartedChild.Shell("trap '' TERM; echo runs; exec sleep 1000");
        await leftover.SaysAsync("runs");
        var begin = _clock.Now;
        await _clock.PassUntilAsync(Leftover.EndAsync(ProcessIdentity.Of(leftover.Process.Id)!, Timeout, _clock));
        Assert.AreEqual(new ProcessExit(null, LibC.SIGKILL), await leftover.EndsAsync());
        Assert.IsGreaterThan(Timeout, _clock.Now - begin);
    }

    [TestMethod]
    public async Task One_that_ended_before_its_parent_reaped_it_is_gone()
    {
        // Its parent never reaps it, as a container's first process may not.
        using var parent = StartedChild.Shell("sh -c 'echo $$; exec sleep 1000' & exec sleep 1000");
        await Eventually.HoldsAsync(() => parent.Output.EndsWith('\n'));
        var leftover = ProcessIdentity.Of(int.Parse(parent.Output))!;
        await _clock.PassUntilAsync(Leftover.EndAsync(leftover, Timeout, _clock));
        Assert.IsFalse(leftover.IsRunning);
        StringAssert.Contains(File.ReadAllText($"/proc/{leftover.ProcessId}/stat"), ") Z ");
    }
}
