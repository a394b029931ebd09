using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class OrphanedProcessSpecs
{
    // The real clock throughout: time that flies would run out before a busy machine has delivered a signal.
    private static readonly TimeSpan LongTimeout = TimeSpan.FromMinutes(1);

    [TestMethod]
    public async Task It_is_ended_gracefully()
    {
        using var leftover = StartedChild.Shell("echo runs; exec sleep 1000");
        await leftover.SaysAsync("runs");

        await OrphanedProcess.EndAsync(ProcessIdentity.Of(leftover.Process.Id)!, LongTimeout, TimeProvider.System).InTimeAsync();
        Assert.AreEqual(new ProcessExit(null, LibC.SIGTERM), await leftover.EndsAsync());
    }

    [TestMethod]
    public async Task One_that_ignores_SIGTERM_is_killed_after_the_timeout()
    {
        using var leftover = StartedChild.Shell("trap '' TERM; echo runs; exec sleep 1000");
        await leftover.SaysAsync("runs");
        await OrphanedProcess.EndAsync(ProcessIdentity.Of(leftover.Process.Id)!, TimeSpan.FromMilliseconds(50), TimeProvider.System).InTimeAsync();
        Assert.AreEqual(new ProcessExit(null, LibC.SIGKILL), await leftover.EndsAsync());
    }

    [TestMethod]
    public async Task One_that_ended_before_its_parent_reaped_it_is_gone()
    {
        // Its parent never reaps it, as a container's first process may not.
        using var parent = StartedChild.Shell("sh -c 'echo $$; exec sleep 1000' & exec sleep 1000");
        await Eventually.HoldsAsync(() => parent.Output.EndsWith('\n'));
        var leftover = ProcessIdentity.Of(int.Parse(parent.Output))!;
        await OrphanedProcess.EndAsync(leftover, LongTimeout, TimeProvider.System).InTimeAsync();
        Assert.IsFalse(leftover.IsRunning);
        StringAssert.Contains(File.ReadAllText($"/proc/{leftover.ProcessId}/stat"), ") Z ");
    }
}
