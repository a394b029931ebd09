using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Configuration;

/// <summary>What all parts of the configuration are read with, and where what is found in them goes.</summary>
/// <param name="environment">The environment variables by name; null for one that is not set.</param>
internal sealed class PlanningContext(Func<string, string?> environment)
{
    public Func<string, string?> Environment => environment;

    public List<Problem> Problems { get; } = [];

    public HashSet<string> Secrets { get; } = new(StringComparer.Ordinal);

    public void Report(string path, string message) => Problems.Add(new Problem(path, message));
}
