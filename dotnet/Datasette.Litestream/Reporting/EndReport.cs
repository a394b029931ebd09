using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Says at the end of replication what is not replicated.</summary>
internal static class EndReport
{
    /// <summary>How long a database must have failed to get no more than one try at the end.</summary>
    private static readonly TimeSpan FailedForLong = TimeSpan.FromMinutes(1);

    /// <summary>How many databases are named.</summary>
    private const int MaxNamed = 20;

    /// <summary>The files of the databases that have failed for more than a minute.</summary>
    public static HashSet<string> FailingForLong(ObservedDatabases observed, DateTimeOffset now) => observed.Databases
        .Where(database => (database.State is DatabaseState.Failing or DatabaseState.Stopped && now - database.Since > FailedForLong) || database.Lag > FailedForLong)
        .Select(database => database.Plan.Path)
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>Says that the end takes longer.</summary>
    /// <param name="left">How long it can take.</param>
    public static string Announce(TimeSpan left) =>
        $"The last changes are being replicated, which can take {Wording.Duration(left)} more. Press Ctrl-C again, or send SIGTERM again, to end now; what is not replicated then is named.";

    /// <summary>What was not replicated, and since when, in a line; null if everything was, and nothing else went wrong.</summary>
    /// <param name="result">How Litestream has ended.</param>
    /// <param name="lacks">The mirrors that lack the last changes.</param>
    /// <param name="plan">What is replicated.</param>
    /// <param name="observed">The last sample.</param>
    /// <param name="start">When replication started.</param>
    public static (LogLevel Level, string Sentence)? Describe(
        StopResult result, IReadOnlyList<MirrorLack> lacks, ReplicationPlan plan, ObservedDatabases observed, DateTimeOffset start)
    {
        var open = result.NotReplicated.ToHashSet(StringComparer.Ordinal);
        if (open.Count == 0)
        {
            return lacks.Count > 0 ? (LogLevel.Error, $"{Name(lacks)} {result.Error}".TrimEnd())
                : result.Error is { } error ? (LogLevel.Warning, error)
                : null;
        }

        var safeUntil = observed.Databases.DistinctBy(database => database.Plan.Path).ToDictionary(database => database.Plan.Path, database => database.Evidence.ReplicatedUntil, StringComparer.Ordinal);
        var names = plan.Databases.Where(database => open.Contains(database.Path))
            .Select(database => $"{database.Name} since {safeUntil.GetValueOrDefault(database.Path) ?? start:u}").ToList();
        return (LogLevel.Error, $"What was written to {Join(names)} is not known to be replicated. {(lacks.Count > 0 ? Name(lacks) : "")} {result.Error}".Replace("  ", " ", StringComparison.Ordinal).TrimEnd());
    }

    private static string Name(IReadOnlyList<MirrorLack> lacks) =>
        $"The last changes are not at {Join([.. lacks.Select(lack => $"{lack.Replica.Destination} ({lack.Database.Name}{(lack.Error is { } error ? $": {error}" : "")})")])}.";

    private static string Join(List<string> names)
    {
        var more = names.Count > MaxNamed ? $", and {names.Count - MaxNamed} more" : "";
        return string.Join(", ", names.Take(MaxNamed)) + more;
    }
}
