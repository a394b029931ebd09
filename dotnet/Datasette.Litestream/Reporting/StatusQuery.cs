using System.Globalization;
using System.Net;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// What is asked for: a page of databases in an order, or one database. What is out of range is taken for the nearest that
/// is not, and what is not understood for what is so by default.
/// </summary>
/// <param name="Search">Part of a name, a path or a destination, in any case; null or empty for all.</param>
/// <param name="Sort"><c>name</c>, <c>state</c> (the worst first), <c>lag</c>, <c>last_sync</c> or <c>size</c>.</param>
/// <param name="Descending">The other way round.</param>
/// <param name="Page">From 1.</param>
/// <param name="Size">Databases a page, 200 at most.</param>
/// <param name="Database">The one that is asked for; null or empty for a page of them.</param>
/// <param name="History">How far back its history is to go: <c>hour</c> or <c>day</c>.</param>
internal sealed record StatusQuery(
    string? Search = null,
    string? Sort = null,
    bool Descending = false,
    int Page = 1,
    int Size = StatusQuery.DefaultSize,
    string? Database = null,
    string? History = null)
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
    public string Order => Sort is { } sort && Keys.ContainsKey(sort) ? sort : ByName;

    public int PageSize => Math.Clamp(Size, 1, LargestSize);

    /// <summary>How far back the history of <see cref="Database"/> is to go.</summary>
    public HistoryRange Range => History == HistoryRange.Day.Name ? HistoryRange.Day : HistoryRange.Hour;

    /// <summary>The address of what is asked for, on the page itself.</summary>
    public string Link => $"?{string.Join('&', Parameters.Select(parameter => $"{parameter.Key}={Uri.EscapeDataString(parameter.Value)}"))}";

    /// <summary>What is not so by default.</summary>
    public IReadOnlyDictionary<string, string> Parameters
    {
        get
        {
            var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
            Add("database", Database);
            Add("history", History);
            Add("search", Search);
            Add("sort", Order == ByName ? null : Order);
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

    /// <summary>Reads what comes after the <c>?</c> of an address; of a name that is there twice, the first.</summary>
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
