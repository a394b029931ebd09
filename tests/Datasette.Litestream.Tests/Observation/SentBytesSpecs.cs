using Datasette.Litestream.Observation;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>The real kernel counts what a process writes.</summary>
[TestClass]
public sealed class SentBytesSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 8, 0, 0, TimeSpan.Zero);

    [TestMethod]
    public async Task What_is_written_to_a_disk_is_not_sent_to_a_server()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw Skip.Because("only Linux counts the bytes of each process");
        }

        // A pipe stands in for a socket. The shell writes by itself, not by a child.
        using var folder = new TemporaryFolder();
        using var child = StartedChild.Shell(
            $"step() {{ echo $1; until [ -e {folder["go"]}$1 ]; do sleep 0.01; done; }}; step 0; "
            + $"printf '%*s' 65536 '' > {folder["file"]}; step 1; printf '%*s\\n' 65536 ''; step 2");
        var sent = new SentBytes();
        await child.SaysAsync("0");
        sent.Look(Start, child.Process.Id);
        Assert.IsNull(sent.LastAt);
        Assert.IsNull(sent.LastToServerAt);

        folder.Write("go0", "");
        await child.SaysAsync("1");
        sent.Look(Start.AddSeconds(2), child.Process.Id);
        Assert.AreEqual(Start.AddSeconds(2), sent.LastAt);
        Assert.IsNull(sent.LastToServerAt);

        folder.Write("go1", "");
        await child.SaysAsync("2");
        sent.Look(Start.AddSeconds(4), child.Process.Id);
        Assert.AreEqual(Start.AddSeconds(4), sent.LastAt);
        Assert.AreEqual(Start.AddSeconds(4), sent.LastToServerAt);

        sent.Look(Start.AddSeconds(6), child.Process.Id);
        sent.Look(Start.AddSeconds(8), processId: null);
        Assert.AreEqual(Start.AddSeconds(4), sent.LastToServerAt);
    }
}
