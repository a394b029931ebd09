using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Every figure in words, and how replication stands in sentences. Nothing else puts a figure into words.</summary>
internal static class Wording
{
    public const string Unknown = "–";

    private const int MaxNames = 3;

    private static readonly string[] SizeUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Whether a state is as it should be.</summary>
    public static bool IsFine(DatabaseState state) => state is DatabaseState.Replicating or DatabaseState.Starting;

    /// <summary>The first line of the page.</summary>
    public static string Summarize(DaemonStatus? daemon, ObservedDatabases observation, DateTimeOffset now)
    {
        var databases = observation.Databases;
        var wrong = databases.Where(database => !IsFine(database.State)).ToList();
        return daemon switch
        {
            null => "No database is replicated.",
            { State: DaemonState.Waiting, DownSince: { } down, NextStartAt: { } next } =>
                $"Litestream has been down since {Clock(down)}, and nothing is replicated. It is started again in {Duration(next > now ? next - now : TimeSpan.Zero)}.",
            { State: not DaemonState.Running } => $"Litestream is {daemon.State.ToString().ToLowerInvariant()}.",
            _ when wrong.Count > 0 => Complain(wrong, databases.Count),
            _ => $"{All(databases.Count)} replicated{Safe(databases, now)}.",
        };
    }

    /// <summary>One database in a line.</summary>
    public static string Describe(DatabaseObservation database, DateTimeOffset now) => database.State switch
    {
        DatabaseState.Replicating => $"replicated{Safe([database], now)}",
        DatabaseState.Starting => "being replicated for the first time",
        DatabaseState.Behind => $"behind: the oldest change has waited for {Duration(database.Lag ?? TimeSpan.Zero)}",
        _ => $"{Word(database.State)} since {Clock(database.Since)}",
    };

    /// <summary>A state as reports and metrics name it.</summary>
    public static string Word(DatabaseState state) => state.ToString().ToLowerInvariant();

    /// <summary>A reason as reports name it, such as <c>all_replicated</c>.</summary>
    public static string Word(StateReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    /// <summary>Why a database is in its state, from the figures that it was concluded from.</summary>
    public static string Explain(StateReason reason, Evidence evidence) => reason switch
    {
        StateReason.AllReplicated => "Litestream took the database after its last change, and all that it took is at the replica.",
        StateReason.OnTheWay => $"What was written after {Moment(evidence.ReplicatedUntil)} is not at the replica yet, which is usual for a few seconds.",
        StateReason.NoErrorLogged => "Litestream 0.3 cannot be asked what it has replicated. Its log tells of no error.",
        StateReason.NothingReplicatedYet => "Nothing was seen at the replica yet.",
        StateReason.WaitingTooLong =>
            $"What was written after {Moment(evidence.ReplicatedUntil)} is not at the replica, and has waited for longer than is usual.",
        StateReason.SyncFailed => "Litestream logged that it cannot read the database's changes, and has read none since.",
        StateReason.ErrorLogged => "Litestream logged an error, and has reported no success since.",
        StateReason.ErrorReported => "Litestream reports that its last sync of the database failed.",
        StateReason.LitestreamDown => "Litestream does not run.",
        StateReason.ReplicationStopped => "Litestream runs, but has stopped replicating this database.",
        _ => evidence.Activity is { IsActive: true, StartedAt: { } start }
            ? $"Litestream does not say how the database stands. It has been busy with it since {Clock(start)}."
            : "Litestream does not say how the database stands.",
    };

    /// <summary>A reason as reports and metrics name it.</summary>
    public static string Word(RestartReason reason) => reason switch
    {
        RestartReason.FailedStart => "failed start",
        _ => reason.ToString().ToLowerInvariant(),
    };

    /// <summary>One database's own page starts with this.</summary>
    public static string Summarize(DatabaseObservation database, string? error, DateTimeOffset now)
    {
        var line = Describe(database, now);
        return $"{char.ToUpperInvariant(line[0])}{line[1..]}{(error is null ? "." : $": {error}")}";
    }

    /// <summary>Whether a state is as it should be; null where that is yet to be seen.</summary>
    public static bool? IsHealthy(DatabaseState state) => state switch
    {
        DatabaseState.Replicating => true,
        DatabaseState.Starting or DatabaseState.Unknown => null,
        _ => false,
    };

    /// <summary>Such as <c>0.8 s</c>, <c>12 min</c>, <c>3 h 20 min</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: >= 0.05 and < 9.95 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Days} d {time.Hours} h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Hours} h {time.Minutes} min"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.Seconds} s"),
    };

    public static string Duration(double? seconds) => seconds is { } known ? Duration(TimeSpan.FromSeconds(known)) : Unknown;

    /// <summary>Such as <c>4.0 KiB</c>.</summary>
    public static string Size(double? bytes)
    {
        if (bytes is not { } size)
        {
            return Unknown;
        }

        var unit = 0;
        for (; size >= 1024 && unit < SizeUnits.Length - 1; unit++)
        {
            size /= 1024;
        }

        return size.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + SizeUnits[unit];
    }

    /// <summary>Such as <c>12,000</c>.</summary>
    public static string Count(double? number) => number?.ToString("#,0", CultureInfo.InvariantCulture) ?? Unknown;

    /// <summary>Such as <c>3 s ago</c>.</summary>
    public static string Ago(DateTimeOffset? moment, DateTimeOffset now) => Apart(moment, now, "", " ago");

    /// <summary>Such as <c>for 3 s</c>.</summary>
    public static string For(DateTimeOffset? moment, DateTimeOffset now) => Apart(moment, now, "for ", "");

    /// <summary>Such as <c>2026-05-01 12:00:00 UTC</c>.</summary>
    public static string Exact(DateTimeOffset moment) => $"{DateAndTime(moment)} UTC";

    /// <summary>A line of Litestream's log.</summary>
    public static string Line(LogReport entry) => $"{DateAndTime(entry.Time)} {entry.Level} {entry.Message} {entry.Details}".TrimEnd();

    /// <summary>A restart in a line.</summary>
    public static string Line(RestartReport restart) =>
        $"{Exact(restart.At)}: {restart.Reason}{(restart.Message.Length > 0 ? $" – {restart.Message}" : "")}";

    /// <summary>What a page says once nobody has answered it; all that it shows is as it was when it was made.</summary>
    public static string Lost(DateTimeOffset now) => $"No answer from Datasette since {Exact(now)}; what is shown is from then.";

    /// <summary>What is said where a name is asked for that is not replicated.</summary>
    public static string NotReplicated(string name) => $"{name} is not replicated";

    private static string Complain(List<DatabaseObservation> wrong, int total)
    {
        var worst = wrong.MinBy(database => database.Since)!;
        var names = string.Join(", ", wrong.Take(MaxNames).Select(database => database.Plan.Name));
        var more = wrong.Count > MaxNames ? $" and {wrong.Count - MaxNames} more" : "";
        var states = string.Join(" or ", wrong.Select(database => Word(database.State)).Distinct());
        return total == 1
            ? $"The database {names} has been {states} since {Clock(worst.Since)}."
            : $"{wrong.Count} of {total} databases {(wrong.Count == 1 ? "has" : "have")} been {states} since {Clock(worst.Since)}: {names}{more}.";
    }

    private static string All(int count) => count == 1 ? "The database is" : $"All {count} databases are";

    // What was written before the earliest of the last syncs, or is not waiting, is safe.
    private static string Safe(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        DateTimeOffset? earliest = null;
        foreach (var database in databases)
        {
            if (database.LastSyncAt is not { } sync)
            {
                return "";
            }

            earliest = earliest < sync ? earliest : sync;
        }

        return earliest is { } safe ? $"; what was written until {Duration(now > safe ? now - safe : TimeSpan.Zero)} ago is safe" : "";
    }

    private static string Apart(DateTimeOffset? moment, DateTimeOffset now, string before, string after)
    {
        if (moment is not { } known)
        {
            return Unknown;
        }

        // Whole seconds; two clocks are never quite the same.
        var seconds = Math.Truncate((now - known).TotalSeconds);
        var time = TimeSpan.FromSeconds(Math.Abs(seconds));
        var words = seconds is > -60 and < 60 ? $"{time.Seconds} s" : Duration(time);
        return seconds is >= -1 and <= 1 ? "just now" : seconds < 0 ? $"in {words}" : before + words + after;
    }

    private static string DateAndTime(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Moment(DateTimeOffset? time) => time is { } known ? Clock(known) : "the start";

    private static string Clock(DateTimeOffset time) => string.Create(CultureInfo.InvariantCulture, $"{time.UtcDateTime:HH:mm:ss} UTC");
}
