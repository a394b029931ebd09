using System.Text.Json.Serialization;

namespace Datasette.Litestream.Status;

/// <summary>Which databases a page shows, and in which order; what is out of range is taken for the nearest that is not.</summary>
/// <param name="Search">Part of a name, a path or a destination, in any case; null or empty for all.</param>
/// <param name="Sort"><c>name</c>, <c>state</c> (the worst first), <c>lag</c>, <c>last_sync</c> or <c>size</c>.</param>
/// <param name="Descending">The other way round.</param>
/// <param name="Page">From 1.</param>
/// <param name="Size">Databases a page, 200 at most.</param>
internal sealed record StatusQuery(
    string? Search = null, string? Sort = null, bool Descending = false, int Page = 1, int Size = StatusQuery.DefaultSize)
{
    private const int DefaultSize = 50, LargestSize = 200;
    private const string ByName = "name";

    private static readonly Dictionary<string, Func<DatabaseObservation, IComparable?>> Keys = new(StringComparer.Ordinal)
    {
        [ByName] = database => null,
        ["state"] = database => -Urgency(database.State),
        ["lag"] = database => database.Lag,
        ["last_sync"] = database => database.LastSyncAt,
        ["size"] = database => database.DatabaseBytes,
    };

    /// <summary>The order that is meant.</summary>
    [JsonIgnore]
    public string Order => Sort is { } sort && Keys.ContainsKey(sort) ? sort : ByName;

    [JsonIgnore]
    public int PageSize => Math.Clamp(Size, 1, LargestSize);

    /// <summary>The databases that match, in order.</summary>
    public IReadOnlyList<DatabaseObservation> Select(IEnumerable<DatabaseObservation> databases)
    {
        var matching = string.IsNullOrEmpty(Search) ? databases : databases.Where(Matches);
        var key = Keys[Order];
        var byName = StringComparer.OrdinalIgnoreCase;
        return Descending
            ? [.. matching.OrderByDescending(key).ThenByDescending(database => database.Plan.Name, byName)]
            : [.. matching.OrderBy(key).ThenBy(database => database.Plan.Name, byName)];
    }

    private static int Urgency(DatabaseState state) => state switch
    {
        DatabaseState.Failing => 5,
        DatabaseState.Stopped => 4,
        DatabaseState.Behind => 3,
        DatabaseState.Unknown => 2,
        DatabaseState.Starting => 1,
        _ => 0,
    };

    private bool Matches(DatabaseObservation database) =>
        Contains(database.Plan.Name) || Contains(database.Plan.Path) || database.Plan.Replicas.Any(replica => Contains(replica.Destination));

    private bool Contains(string text) => text.Contains(Search!, StringComparison.OrdinalIgnoreCase);
}
