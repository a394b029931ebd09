using System.Globalization;
using System.Net;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// What a request asks for: a page of databases in some order, or one database. A value out of range becomes the nearest valid
/// one, and an unknown value becomes the default.
/// </summary>
/// <param name="Search">Part of a name, a path or a destination, ignoring case; null or empty for all databases.</param>
/// <param name="Sort"><c>state</c> (the worst first), <c>name</c>, <c>lag</c>, <c>last_sync</c> or <c>size</c>.</param>
/// <param name="Descending">Whether the order is reversed.</param>
/// <param name="Page">The number of the page, starting at 1.</param>
/// <param name="Size">Databases per page, at most 200.</param>
/// <param name="Database">The name of one database; null or empty for a page of databases.</param>
/// <param name="History">The range of its history: <c>hour</c> or <c>day</c>.</param>
/// <param name="At">The time to which it is to be restored, as somebody wrote it; null or empty for the newest state.</param>
internal sealed record StatusQuery(
    string? Search = null,
    string? Sort = null,
    bool Descending = false,
    int Page = 1,
    int Size = StatusQuery.DefaultSize,
    string? Database = null,
    string? History = null,
    string? At = null)
{
    private const int DefaultSize = 50, MaxSize = 200;
    private const string ByState = "state";

    private static readonly Dictionary<string, Func<DatabaseListing, IComparable?>> Keys = new(StringComparer.Ordinal)
    {
        [ByState] = database => -Severity(database.State),
        ["name"] = database => null,
        ["lag"] = database => database.Lag,
        ["last_sync"] = database => database.LastSyncAt,
        ["size"] = database => database.Bytes,
    };

    /// <summary>The sort order in effect.</summary>
    public string Order => Sort is { } sort && Keys.ContainsKey(sort) ? sort : ByState;

    public int PageSize => this == All ? Size : Math.Clamp(Size, 1, MaxSize);

    /// <summary>All databases on one page, which no request can ask for.</summary>
    public static StatusQuery All { get; } = new(Size: 1_000_000);

    /// <summary>The range of the history of <see cref="Database"/>.</summary>
    public HistoryRange Range => History == HistoryRange.Day.Name ? HistoryRange.Day : HistoryRange.Hour;

    /// <summary>The query as a relative link on the page.</summary>
    public string Link => $"?{string.Join('&', Parameters.Select(parameter => $"{parameter.Key}={Uri.EscapeDataString(parameter.Value)}"))}";

    /// <summary>The parameters that differ from their defaults.</summary>
    public IReadOnlyDictionary<string, string> Parameters
    {
        get
        {
            var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
            Add("database", Database);
            Add("history", History);
            Add("at", At);
            Add("search", Search);
            Add("sort", Order == ByState ? null : Order);
            Add("descending", Descending ? "1" : null);
            Add("size", PageSize == DefaultSize ? null : PageSize.ToString(CultureInfo.InvariantCulture));
            Add("page", Page <= 1 ? null : Page.ToString(CultureInfo.InvariantCulture));
            return parameters;

            void Add(string name, string? value)
            {
                if (!string.IsNullOrEmpty(value))
                {
                    parameters[name] = value;
                }
            }
        }
    }

    /// <summary>Reads the query string of an address; the first value counts if a name occurs twice.</summary>
    public static StatusQuery Parse(string queryString)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in queryString.Split('&'))
        {
            var parts = pair.Split('=', 2);
            values.TryAdd(WebUtility.UrlDecode(parts[0]), parts.Length > 1 ? WebUtility.UrlDecode(parts[1]) : "");
        }

        return new StatusQuery(
            values.GetValueOrDefault("search"),
            values.GetValueOrDefault("sort"),
            values.GetValueOrDefault("descending") == "1",
            Number("page", 1),
            Number("size", DefaultSize),
            values.GetValueOrDefault("database"),
            values.GetValueOrDefault("history"),
            values.GetValueOrDefault("at"));

        int Number(string name, int otherwise) =>
            int.TryParse(values.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
    }

    /// <summary>The databases that match, in order.</summary>
    /// <param name="databases">All of them.</param>
    /// <param name="list">What of one can be searched and sorted.</param>
    public IReadOnlyList<T> Select<T>(IEnumerable<T> databases, Func<T, DatabaseListing> list)
    {
        var all = databases.Select(database => (Database: database, Listed: list(database)));
        var matching = string.IsNullOrEmpty(Search) ? all : all.Where(one => Matches(one.Listed));
        var key = Keys[Order];
        var byName = StringComparer.OrdinalIgnoreCase;
        var sorted = Descending
            ? matching.OrderByDescending(one => key(one.Listed)).ThenByDescending(one => one.Listed.Name, byName)
            : matching.OrderBy(one => key(one.Listed)).ThenBy(one => one.Listed.Name, byName);
        return [.. sorted.Select(one => one.Database)];
    }

    private static int Severity(DatabaseState state) => state switch
    {
        DatabaseState.Failing => 6,
        DatabaseState.Stopped => 5,
        DatabaseState.Behind => 4,
        DatabaseState.Unknown => 3,
        DatabaseState.Starting => 2,
        DatabaseState.Unverified => 1,
        _ => 0,
    };

    private bool Matches(DatabaseListing database) => Contains(database.Name) || Contains(database.Path) || database.Destinations.Any(Contains);

    private bool Contains(string text) => text.Contains(Search!, StringComparison.OrdinalIgnoreCase);
}

/// <summary>What of a database can be searched and sorted.</summary>
/// <param name="Name">Datasette's name.</param>
/// <param name="Path">Its file.</param>
/// <param name="Destinations">Where it is replicated to.</param>
/// <param name="State">Its state.</param>
/// <param name="Lag">See <see cref="DatabaseReport.LagSeconds"/>.</param>
/// <param name="LastSyncAt">See <see cref="DatabaseReport.LastSyncAt"/>.</param>
/// <param name="Bytes">The size of the file.</param>
internal sealed record DatabaseListing(
    string Name, string Path, IEnumerable<string> Destinations, DatabaseState State, TimeSpan? Lag, DateTimeOffset? LastSyncAt, long? Bytes)
{
    /// <summary>What of an observation can be searched and sorted.</summary>
    public static DatabaseListing Of(DatabaseObservation database) => new(
        database.Plan.Name,
        database.Plan.Path,
        database.Plan.Replicas.Select(replica => replica.Destination),
        database.State,
        database.Lag,
        database.LastSyncAt,
        database.DatabaseBytes);
}
