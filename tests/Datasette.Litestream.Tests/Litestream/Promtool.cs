using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>Prometheus' own check of an exposition.</summary>
internal static class Promtool
{
    /// <summary>What it has to say, one line each; the test is skipped where it is not installed.</summary>
    public static async Task<(bool IsValid, string[] Complaints)> CheckAsync(string exposition)
    {
        using var check = new StartedChild(Programs.Require("promtool"), ["check", "metrics"], input: exposition);
        var exit = await check.EndsAsync();

        // 3: it can be read, and could be better.
        return (exit is { Code: 0 or 3 }, (check.Output + check.Errors).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
