using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class ProcessIdentitySpecs
{
    [TestMethod]
    public void This_process_runs() => Assert.IsTrue(ProcessIdentity.Of(Environment.ProcessId)!.IsRunning);

    [TestMethod]
    public async Task One_whose_name_holds_anything_is_told_from_others()
    {
        using var folder = new TemporaryFolder();
        var path = folder["a) S 1 (b"];
        File.Copy("/bin/sleep", path);
        using var child = new StartedChild(path, ["1000"]);
        using var other = new StartedChild("/bin/sleep", ["1000"]);
        var identity = ProcessIdentity.Of(child.Process.Id)!;
        StringAssert.Contains(File.ReadAllText($"/proc/{child.Process.Id}/stat"), "(a) S 1 (b)");
        Assert.IsTrue(identity.IsRunning);
        Assert.IsGreaterThan(0, identity.StartTime);
        Assert.IsGreaterThanOrEqualTo(identity.StartTime, ProcessIdentity.Of(other.Process.Id)!.StartTime);
        child.Process.Send(LibC.SIGKILL);
        await child.EndsAsync();
        Assert.IsFalse(identity.IsRunning);
    }

    [TestMethod]
    public async Task One_that_ended_but_was_not_reaped_does_not_run()
    {
        using var child = StartedChild.Shell("sleep 1000 & exit 0", endsWithOutput: true);
        await Eventually.HoldsAsync(() => ProcessIdentity.Of(child.Process.Id) is null);
        StringAssert.Contains(File.ReadAllText($"/proc/{child.Process.Id}/stat"), ") Z ");
    }

    [TestMethod]
    public void The_same_number_at_another_time_or_elsewhere_is_another_process()
    {
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        Assert.IsFalse((self with { StartTime = self.StartTime + 1 }).IsRunning);
        Assert.IsFalse((self with { Boot = "another boot" }).IsRunning);
        Assert.IsFalse((self with { Namespace = "pid:[1]" }).IsRunning);
        Assert.IsFalse((self with { ProcessId = int.MaxValue }).IsRunning);
    }
}
