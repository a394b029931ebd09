using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>Prometheus' own checker of an exposition.</summary>
internal static class Promtool
{
    /// <summary>Its messages, one line each; the test is skipped if it is not installed.</summary>
    public static async Task<(bool IsValid, string[] Complaints)> CheckAsync(string exposition)
    {
        using var check = new StartedChild(Programs.Require("promtool"), ["check", "metrics"], input: exposition);
        var exit = await check.EndsAsync();

        // Exit code 3: it is valid, but has style problems.
        return (exit is { Code: 0 or 3 }, (check.Output + check.Errors).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
