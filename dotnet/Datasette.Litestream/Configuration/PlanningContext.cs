using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// The context for reading all parts of the configuration: the environment, and the problems, secrets and access key ids found.
/// </summary>
/// <param name="environment">Returns an environment variable by name; null if it is not set.</param>
internal sealed class PlanningContext(Func<string, string?> environment)
{
    public Func<string, string?> Environment => environment;

    public List<Problem> Problems { get; } = [];

    public HashSet<string> Secrets { get; } = new(StringComparer.Ordinal);

    public HashSet<string> AccessKeyIds { get; } = new(StringComparer.Ordinal);

    public void Report(string path, string message) => Problems.Add(new Problem(path, message));
}
