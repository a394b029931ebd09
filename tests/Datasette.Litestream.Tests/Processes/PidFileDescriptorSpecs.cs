using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class PidFileDescriptorSpecs
{
    [TestMethod]
    public async Task It_reaches_its_process_and_none_that_gets_its_number()
    {
        using var child = StartedChild.Shell("exec sleep 1000");
        using var descriptor = PidFileDescriptor.Of(child.Process.Id)!;
        Assert.AreEqual(0, descriptor.Send(LibC.SIGTERM));
        Assert.AreEqual(new ProcessExit(null, LibC.SIGTERM), await child.EndsAsync());

        // The kernel gives the number to whoever comes next.
        const string last = "/proc/sys/kernel/ns_last_pid";
        try
        {
            File.WriteAllText(last, $"{child.Process.Id - 1}");
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            Assert.Inconclusive($"{last} cannot be written to: {ex.Message}");
        }

        using var next = StartedChild.Shell("echo runs; exec sleep 1000");
        await next.SaysAsync("runs");
        if (next.Process.Id != child.Process.Id)
        {
            Assert.Inconclusive("somebody else was faster");
        }

        Assert.AreEqual(LibC.ESRCH, descriptor.Send(LibC.SIGKILL));
        Assert.IsNotNull(ProcessIdentity.Of(next.Process.Id));
    }

    [TestMethod]
    public void There_is_none_of_a_process_that_does_not_run() => Assert.IsNull(PidFileDescriptor.Of(int.MaxValue));
}
