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
internal sealed record StatusQuery(
    string? Search = null,
    string? Sort = null,
    bool Descending = false,
    int Page = 1,
    int Size = StatusQuery.DefaultSize,
    string? Database = null,
    string? History = null)
{
    private const int DefaultSize = 50, MaxSize = 200;
    private const string ByState = "state";

    private static readonly Dictionary<string, Func<DatabaseObservation, IComparable?>> Keys = new(StringComparer.Ordinal)
    {
        [ByState] = database => -Severity(database.State),
        ["name"] = database => null,
        ["lag"] = database => database.Lag,
        ["last_sync"] = database => database.LastSyncAt,
        ["size"] = database => database.DatabaseBytes,
    };

    /// <summary>The sort order in effect.</summary>
    public string Order => Sort is { } sort && Keys.ContainsKey(sort) ? sort : ByState;

    public int PageSize => Math.Clamp(Size, 1, MaxSize);

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
            values.GetValueOrDefault("history"));

        int Number(string name, int otherwise) =>
            int.TryParse(values.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
    }

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

    private bool Matches(DatabaseObservation database) =>
        Contains(database.Plan.Name) || Contains(database.Plan.Path) || database.Plan.Replicas.Any(replica => Contains(replica.Destination));

    private bool Contains(string text) => text.Contains(Search!, StringComparison.OrdinalIgnoreCase);
}
