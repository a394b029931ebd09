using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
public sealed class RunningProgramSpecs
{
    [TestMethod]
    [DataRow(false, DisplayName = "from /proc")]
    [DataRow(true, DisplayName = "from ps")]
    public async Task A_program_is_told_with_its_arguments_and_its_user(bool fromPs)
    {
        var arguments = string.Join(' ', Enumerable.Repeat("far-more-than-a-terminal-is-wide", 10));
        using var child = new StartedChild("/bin/sh", ["-c", "echo runs; sleep 1000; :", .. arguments.Split(' ')]);
        await child.SaysAsync("runs");
        var expected = new RunningProgram(LibC.geteuid(), $"/bin/sh -c echo runs; sleep 1000; : {arguments}");
        Assert.AreEqual(expected, await AskAsync(child.Process.Id));
        Assert.IsNull(await AskAsync(int.MaxValue));

        Task<RunningProgram?> AskAsync(int id) => fromPs ? RunningProgram.AskPsAsync(id) : RunningProgram.OfAsync(id);
    }
}
