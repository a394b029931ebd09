using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Daemon;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class OrphanedProcessSpecs
{
    [TestMethod]
    public async Task It_is_killed_at_once()
    {
        using var leftover = DaemonFixture.StartLeftover();
        await leftover.SaysAsync("ready");
        Assert.IsTrue(await KillAsync(leftover.Process.Id));
        Assert.AreEqual(new ProcessExit(null, LibC.SIGKILL), await leftover.EndsAsync());
    }

    [TestMethod]
    public async Task One_that_a_script_started_or_whose_file_was_replaced_since_is_ended_too()
    {
        using var folder = new TemporaryFolder();
        var script = folder.WriteScript("any-name", "echo ready; while :; do sleep 0.01; done");
        using var leftover = new StartedChild(script, LitestreamProcess.Arguments);
        await leftover.SaysAsync("ready");
        File.Delete(script);
        Assert.IsTrue(await KillAsync(leftover.Process.Id));
        Assert.AreEqual(new ProcessExit(null, LibC.SIGKILL), await leftover.EndsAsync());
    }

    [TestMethod]
    public async Task One_that_ended_before_its_parent_reaped_it_is_gone()
    {
        // Its parent never reaps it, as a container's first process may not.
        using var parent = new StartedChild(
            "/bin/sh", ["-c", $"{DaemonFixture.FakeLitestream} {string.Join(' ', LitestreamProcess.Arguments)} & echo $!; exec sleep 1000"], DaemonFixture.Variables("never-ready says=ready"));
        await Eventually.HoldsAsync(() => parent.Output.EndsWith("ready\n", StringComparison.Ordinal));
        var leftover = ProcessIdentity.Of(int.Parse(parent.Output.Split('\n')[0]))!;
        Assert.IsTrue(await KillAsync(leftover.ProcessId));
        Assert.IsFalse(leftover.IsRunning);
        StringAssert.Contains(File.ReadAllText($"/proc/{leftover.ProcessId}/stat"), ") Z ");
    }

    [TestMethod]
    public async Task Another_program_is_left_alone()
    {
        using var stranger = StartedChild.Shell("echo runs; exec sleep 1000");
        await stranger.SaysAsync("runs");
        Assert.IsFalse(await KillAsync(stranger.Process.Id));
        Assert.IsNotNull(ProcessIdentity.Of(stranger.Process.Id));
    }

    [TestMethod]
    public async Task Another_users_Litestream_is_left_alone_and_is_an_error()
    {
        const uint nobody = 65534;
        if (LibC.geteuid() != 0)
        {
            throw Skip.Because("only root can start another user's process");
        }

        using var leftover = new StartedChild(
            Programs.Require("setpriv"), [$"--reuid={nobody}", "/bin/sh", "-c", "echo runs; sleep 1000; :", .. LitestreamProcess.Arguments]);
        await leftover.SaysAsync("runs");
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => KillAsync(leftover.Process.Id));
        Assert.AreEqual(
            $"A Litestream (process {leftover.Process.Id}) was left over from a Datasette that was killed, and cannot be ended: it is another user's "
            + $"({nobody}). Two would destroy the backup. End that process first.",
            error.Message);
        Assert.IsNotNull(ProcessIdentity.Of(leftover.Process.Id));
    }

    // With the real clock: a test clock would time out before a busy machine has delivered a signal.
    private static Task<bool> KillAsync(int processId) =>
        OrphanedProcess.KillAsync(ProcessIdentity.Of(processId)!, LitestreamProcess.Arguments, TimeProvider.System).InTimeAsync();
}
