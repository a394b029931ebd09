using System.Collections.Immutable;
using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// A Litestream that this plugin did not start, and that has databases open which this plugin replicates: one that another
/// plugin left behind, or that a service manager runs. Each of the two keeps the other from emptying the write-ahead log.
/// </summary>
/// <param name="ProcessId">Its process id.</param>
/// <param name="UserId">Its user.</param>
/// <param name="Since">When it was started; null if unknown.</param>
/// <param name="Databases">Datasette's names of the databases that it has open, sorted.</param>
internal sealed record OtherLitestream(int ProcessId, uint UserId, DateTimeOffset? Since, ImmutableArray<string> Databases)
{
    private const int ShownDatabases = 3;

    /// <summary>What is wrong, and what to do.</summary>
    public string Sentence
    {
        get
        {
            var since = Since is { } time ? string.Create(CultureInfo.InvariantCulture, $", since {time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC") : "";
            var names = Databases.Length <= ShownDatabases
                ? string.Join(", ", Databases)
                : $"{string.Join(", ", Databases.Take(ShownDatabases))} and {Databases.Length - ShownDatabases} more";
            return $"Another Litestream (process {ProcessId} of user {UserId}{since}) replicates {names} too. Neither can empty the write-ahead log while "
                + $"the other runs, so it grows without end. End the other one: kill {ProcessId}, or stop the service that starts it.";
        }
    }

    /// <summary>
    /// Finds them by the locks on the databases. A pass over 1,000 databases takes about 20 ms of CPU time. The system's list is not
    /// read at once, so that a lock may be missing from it that changes meanwhile.
    /// </summary>
    /// <param name="databases">The databases that this plugin replicates.</param>
    /// <param name="ours">This plugin's own processes: Datasette, and its Litestream if that runs.</param>
    public static Task<IReadOnlyList<OtherLitestream>> FindAsync(IReadOnlyList<DatabasePlan> databases, IReadOnlySet<int> ours) =>
        IdentifyAsync(databases, FileHolders.ByLocks(Paths(databases), ours));

    /// <summary>Finds them by <c>lsof</c>, which takes a second: for macOS, at the start.</summary>
    /// <param name="databases">The databases that this plugin replicates.</param>
    /// <param name="ours">This plugin's own processes.</param>
    /// <param name="environment">Where to find <c>lsof</c>.</param>
    public static async Task<IReadOnlyList<OtherLitestream>> FindByLsofAsync(
        IReadOnlyList<DatabasePlan> databases, IReadOnlySet<int> ours, IReadOnlyDictionary<string, string> environment) =>
        await IdentifyAsync(databases, await FileHolders.ByLsofAsync(Paths(databases), ours, "litestream", environment).ConfigureAwait(false)).ConfigureAwait(false);

    private static List<string> Paths(IReadOnlyList<DatabasePlan> databases) => [.. databases.Select(database => database.Path)];

    private static async Task<IReadOnlyList<OtherLitestream>> IdentifyAsync(IReadOnlyList<DatabasePlan> databases, ILookup<int, string> holders)
    {
        var found = new List<OtherLitestream>();
        foreach (var holder in holders)
        {
            // Others that have a database open are no harm: another reader, or a shell of SQLite.
            if (await RunningProgram.OfAsync(holder.Key).ConfigureAwait(false) is { } program && IsLitestream(program.CommandLine))
            {
                var paths = holder.ToHashSet(StringComparer.Ordinal);
                found.Add(new OtherLitestream(
                    holder.Key,
                    program.UserId,
                    ProcessIdentity.Of(holder.Key)?.StartedAt,
                    [.. databases.Where(database => paths.Contains(database.Path)).Select(database => database.Name).Order(StringComparer.Ordinal)]));
            }
        }

        return found;
    }

    // Its file may have any name, but its first argument is always the same.
    private static bool IsLitestream(string commandLine) =>
        commandLine.Split(' ') is [var program, .. var arguments]
        && (Path.GetFileName(program).Contains("litestream", StringComparison.OrdinalIgnoreCase) || arguments is ["replicate", ..]);
}
