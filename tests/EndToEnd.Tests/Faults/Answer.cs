using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Who answered.</summary>
internal enum AnswerSource
{
    Page,
    Json,
    Health,
    Metrics,
}

/// <summary>What was said of one database.</summary>
/// <param name="Database">Datasette's name.</param>
/// <param name="Until">Everything that was committed before this time is in the backup, as was said.</param>
/// <param name="SampledAt">When what was said was found out, at the earliest.</param>
/// <param name="CheckedAt">When the backup was last checked, as was said; null if that was not said.</param>
internal sealed record Claim(string Database, DateTimeOffset Until, DateTimeOffset SampledAt, DateTimeOffset? CheckedAt = null);

/// <summary>A database in the status JSON.</summary>
/// <param name="Name">Datasette's name.</param>
/// <param name="State">Such as <c>replicating</c>, which is green.</param>
/// <param name="Code">The code of the reason.</param>
/// <param name="Claim">What is claimed of it; null if nothing is.</param>
internal sealed record DatabaseAnswer(string Name, string State, string Code, Claim? Claim)
{
    public bool IsGreen => State == "replicating";
}

/// <summary>One answer of Datasette.</summary>
/// <param name="Source">Who answered.</param>
/// <param name="AskedAt">Just before the request.</param>
/// <param name="AnsweredAt">Just after the answer.</param>
/// <param name="Text">The first line of the page or of the health check, the JSON's summary; for people.</param>
/// <param name="Claims">What it says is safe.</param>
/// <param name="Databases">The databases in the JSON; empty for other sources.</param>
internal sealed partial record Answer(
    AnswerSource Source,
    DateTimeOffset AskedAt,
    DateTimeOffset AnsweredAt,
    string Text,
    IReadOnlyList<Claim> Claims,
    IReadOnlyList<DatabaseAnswer> Databases)
{
    /// <summary>The setting <c>health-max-lag</c>, which is a part of what the health check claims.</summary>
    public static readonly TimeSpan HealthMaxLag = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How old an answer may be that does not tell when it was found out: the databases are looked at every 2 s, and a look
    /// takes its time on a busy machine.
    /// </summary>
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(3);

    /// <summary>Where each source is asked.</summary>
    public static string Address(AnswerSource source) => source switch
    {
        AnswerSource.Page => "/-/litestream-status",
        AnswerSource.Json => "/-/litestream-status.json",
        AnswerSource.Health => "/-/litestream/health",
        _ => "/-/litestream/metrics",
    };

    /// <summary>Reads what was answered.</summary>
    /// <param name="source">Who answered.</param>
    /// <param name="askedAt">Just before the request.</param>
    /// <param name="answeredAt">Just after the answer.</param>
    /// <param name="body">The answer's body.</param>
    /// <param name="names">The databases of which the page and the health check speak without their names.</param>
    public static Answer Read(AnswerSource source, DateTimeOffset askedAt, DateTimeOffset answeredAt, string body, IReadOnlyList<string> names)
    {
        switch (source)
        {
            case AnswerSource.Json:
                var status = JsonNode.Parse(body)!;
                var databases = (status["databases"]?.AsArray() ?? []).Select(database => ReadDatabase(database!, Time(status["updated_at"]))).ToList();
                return new(source, askedAt, answeredAt, (string?)status["summary"] ?? "", [.. databases.Select(database => database.Claim).OfType<Claim>()], databases);
            case AnswerSource.Metrics:
                var claims = ReplicatedUntil().Matches(body).Select(line => new Claim(
                    line.Groups[1].Value,
                    DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(line.Groups[2].Value, CultureInfo.InvariantCulture)),
                    askedAt - Age));
                return new(source, askedAt, answeredAt, "", [.. claims], []);
            case AnswerSource.Health:
                // Of Litestream 0.3 it says that no more is known than that nothing is wrong.
                var isClaim = body.StartsWith("ok", StringComparison.Ordinal) && !body.Contains("not known", StringComparison.Ordinal);
                return Of(body.Trim(), isClaim ? askedAt - HealthMaxLag - Age : null);
            default:
                var line = Summary().Match(body).Groups[1].Value;
                return Of(Tag().Replace(line, ""), ReadSafety(line, askedAt));
        }

        Answer Of(string text, DateTimeOffset? until) => new(
            source, askedAt, answeredAt, text, until is { } known ? [.. names.Select(name => new Claim(name, known, askedAt - Age))] : [], []);
    }

    private static DatabaseAnswer ReadDatabase(JsonNode database, DateTimeOffset? updatedAt)
    {
        var (name, state, reason) = ((string)database["name"]!, (string)database["state"]!, database["reason"]!);
        var until = (double?)database["lag_seconds"] == 0 ? updatedAt : Time(reason["replicated_until"]);
        return new(
            name,
            state,
            (string)reason["code"]!,
            state == "replicating" && until is { } known ? new Claim(name, known, updatedAt!.Value, Time(reason["checked_at"])) : null);
    }

    /// <summary>The time up to which the page's first line says that everything is safe; null if it does not.</summary>
    private static DateTimeOffset? ReadSafety(string line, DateTimeOffset askedAt)
    {
        if (SomeOfThem().IsMatch(line))
        {
            return null;
        }

        if (line.Contains("everything written is safe", StringComparison.OrdinalIgnoreCase))
        {
            return askedAt - Age;
        }

        if (UnsafeSince().Match(line) is { Success: true } since)
        {
            return since.Groups["at"].Success ? DateTimeOffset.Parse(since.Groups["at"].Value, CultureInfo.InvariantCulture) : LastTime(since.Groups["clock"].Value, askedAt);
        }

        // Words of a former version, whose whole seconds leave out what is below one.
        return SafeUntilAgo().Match(line).Groups[1] is { Success: true, Value: var seconds }
            ? askedAt - TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture) + (seconds.Contains('.', StringComparison.Ordinal) ? 0.1 : 1))
            : null;
    }

    /// <summary>The last time at which a clock in UTC showed this.</summary>
    private static DateTimeOffset LastTime(string clock, DateTimeOffset now)
    {
        var today = new DateTimeOffset(now.UtcDateTime.Date + TimeSpan.Parse(clock, CultureInfo.InvariantCulture), TimeSpan.Zero);
        return today > now ? today.AddDays(-1) : today;
    }

    private static DateTimeOffset? Time(JsonNode? time) =>
        (string?)time is { } known ? DateTimeOffset.Parse(known, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex("""^datasette_litestream_database_replicated_until_timestamp_seconds\{database="([^"]*)"\} (\S+)""", RegexOptions.Multiline)]
    private static partial Regex ReplicatedUntil();

    [GeneratedRegex("""<p class="litestream-summary"[^>]*>(.*?)</p>""", RegexOptions.Singleline)]
    private static partial Regex Summary();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\b\d+ of \d+ databases")]
    private static partial Regex SomeOfThem();

    [GeneratedRegex(@"until ([\d.]+) s ago is safe")]
    private static partial Regex SafeUntilAgo();

    [GeneratedRegex("""what was written since (<time datetime="(?<at>[^"]+)">)?(?<clock>\d\d:\d\d:\d\d)[^<]*?(</time>)? is not safe""", RegexOptions.IgnoreCase)]
    private static partial Regex UnsafeSince();
}
