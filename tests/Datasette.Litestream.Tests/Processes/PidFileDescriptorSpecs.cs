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

        using var next = await StartWithNumberAsync(child.Process.Id);
        Assert.AreEqual(LibC.ESRCH, descriptor.Send(LibC.SIGKILL));
        Assert.IsNotNull(ProcessIdentity.Of(next.Process.Id));
    }

    /// <summary>The kernel reuses the process id for a later process, which may belong to another user.</summary>
    private static async Task<StartedChild> StartWithNumberAsync(int processId)
    {
        const string last = "/proc/sys/kernel/ns_last_pid";
        while (true)
        {
            try
            {
                await File.WriteAllTextAsync(last, $"{processId - 1}");
            }
            catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
            {
                throw Skip.Because($"{last} cannot be written to: {ex.Message}");
            }

            var next = StartedChild.Shell("echo runs; exec sleep 1000");
            if (next.Process.Id == processId)
            {
                await next.SaysAsync("runs");
                return next;
            }

            next.Dispose();
        }
    }

    [TestMethod]
    public void There_is_none_of_a_process_that_does_not_run() => Assert.IsNull(PidFileDescriptor.Of(int.MaxValue));
}
