using System.Globalization;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>The processes that a test started, each of which has added its id as a line to a file.</summary>
internal sealed class StartedProcesses(string file)
{
    /// <summary>Their ids, in order.</summary>
    public IReadOnlyList<int> Ids => File.Exists(file)
        ? [.. File.ReadLines(file).Select(line => int.Parse(line, CultureInfo.InvariantCulture))]
        : [];

    /// <summary>The ids of those that are running.</summary>
    public IReadOnlyList<int> Running => [.. Ids.Where(id => ProcessIdentity.Of(id) is not null)];

    /// <summary>Kills those that are running, and returns their ids.</summary>
    public IReadOnlyList<int> Kill()
    {
        var running = Running;
        foreach (var id in running)
        {
            _ = LibC.kill(id, LibC.SIGKILL);
        }

        return running;
    }
}
