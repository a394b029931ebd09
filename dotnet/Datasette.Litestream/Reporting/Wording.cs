using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts figures into words, and the state of replication into sentences. No other code does.</summary>
internal static class Wording
{
    public const string Unknown = "–";

    private const int MaxNames = 3;

    private static readonly string[] SizeUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Whether a state is good.</summary>
    public static bool IsFine(DatabaseState state) => state is DatabaseState.Replicating or DatabaseState.Unverified or DatabaseState.Starting;

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
            _ when wrong.Count > 0 => DescribeProblems(wrong, databases.Count),
            _ => $"{All(databases.Count)} replicated{DescribeSafety(databases, now)}.",
        };
    }

    /// <summary>One database in a line.</summary>
    public static string Describe(DatabaseObservation database, DateTimeOffset now) => database.State switch
    {
        DatabaseState.Replicating => $"replicated{DescribeSafety([database], now)}",
        DatabaseState.Starting => "being replicated for the first time",
        DatabaseState.Behind => $"behind: the oldest change has waited for {Duration(database.Lag ?? TimeSpan.Zero)}",
        _ => $"{Name(database.State)} since {Clock(database.Since)}",
    };

    /// <summary>A state as reports and metrics name it.</summary>
    public static string Name(DatabaseState state) => state.ToString().ToLowerInvariant();

    /// <summary>A reason as reports name it, such as <c>all_replicated</c>.</summary>
    public static string Name(StateReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    /// <summary>Explains why a database is in its state, from the figures from which the state was derived.</summary>
    public static string Explain(StateReason reason, Evidence evidence) => reason switch
    {
        StateReason.AllReplicated => "Litestream synced the database after its last change, and everything that it synced is at the replica.",
        StateReason.OnTheWay => $"Changes after {Moment(evidence.ReplicatedUntil)} are not at the replica yet, which is normal for a few seconds.",
        StateReason.NotKnownToBeBehind => "Litestream 0.3 cannot report what it has replicated. Its log contains no error.",
        StateReason.Starting => "Litestream was just started, and has not reported yet what it has replicated.",
        StateReason.FirstCopy => "The database is being copied to the replica for the first time, and nothing of it is safe yet.",
        StateReason.NotCheckedYet => "Everything is replicated, but whether it can be restored has not been checked since the start.",
        StateReason.WaitingTooLong =>
            $"Changes after {Moment(evidence.ReplicatedUntil)} are not at the replica, and have waited for longer than usual.",
        StateReason.SyncFailed => "Litestream cannot read the database's changes, and has read none since.",
        StateReason.UploadFailed => "Litestream cannot upload the database's changes, and has uploaded none since.",
        StateReason.ErrorLogged => "Litestream logged an error, and has reported no success since.",
        StateReason.CompactionFailed => "Litestream cannot merge the files at the replica, and has not succeeded since.",
        StateReason.DestinationRefused => "The destination refused Litestream, which runs without this database until the destination answers.",
        StateReason.LitestreamDown => "Litestream is not running.",
        StateReason.ReplicationStopped => "Litestream is running, but has stopped replicating this database.",
        StateReason.FileUnreadable => "The file that Datasette serves cannot be looked at.",
        StateReason.FileMissing => "The file that Datasette serves is gone.",
        StateReason.FileReplaced => "The file was replaced: Datasette serves another file than the one that is replicated.",
        StateReason.FileOverwritten => "The file was overwritten from outside of SQLite.",
        StateReason.SameFile => "Another database of this Datasette is the same file, which is replicated once.",
        StateReason.NameNotSupported => "Litestream cannot open a file with this name. Rename the file.",
        StateReason.FolderRemoved => "Litestream's folder beside the database was removed.",
        StateReason.BackupDamaged => "The backup is damaged: it cannot be restored up to the last change.",
        StateReason.OtherWriter => "Another Litestream writes to the same destination, and the two destroy each other's backup.",
        StateReason.ReplicatedAnew => "The database is being replicated anew, and what was written since the fault is not safe yet.",
        _ => evidence.Activity is { IsActive: true, StartedAt: { } start }
            ? $"Litestream does not report the state of the database. It has been busy with it since {Clock(start)}."
            : "Litestream does not report the state of the database.",
    };

    /// <summary>A reason as reports and metrics name it.</summary>
    public static string Name(RestartReason reason) => reason switch
    {
        RestartReason.FailedStart => "failed start",
        _ => reason.ToString().ToLowerInvariant(),
    };

    /// <summary>The first line of a database's own page.</summary>
    public static string Summarize(DatabaseObservation database, string? error, DateTimeOffset now)
    {
        var line = Describe(database, now);
        return $"{char.ToUpperInvariant(line[0])}{line[1..]}{(error is null ? "." : $": {error}")}";
    }

    /// <summary>Whether a state is good; null if that is not known yet.</summary>
    public static bool? IsHealthy(DatabaseState state) => state switch
    {
        DatabaseState.Replicating => true,
        DatabaseState.Unverified or DatabaseState.Starting or DatabaseState.Unknown => null,
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
    public static string Ago(DateTimeOffset? moment, DateTimeOffset now) => RelativeTime(moment, now, "", " ago");

    /// <summary>Such as <c>for 3 s</c>.</summary>
    public static string For(DateTimeOffset? moment, DateTimeOffset now) => RelativeTime(moment, now, "for ", "");

    /// <summary>Such as <c>2026-05-01 12:00:00 UTC</c>.</summary>
    public static string Exact(DateTimeOffset moment) => $"{DateAndTime(moment)} UTC";

    /// <summary>A line of Litestream's log.</summary>
    public static string Line(LogReport entry) => $"{DateAndTime(entry.Time)} {entry.Level} {entry.Message} {entry.Details}".TrimEnd();

    /// <summary>A restart in a line.</summary>
    public static string Line(RestartReport restart) =>
        $"{Exact(restart.At)}: {restart.Reason}{(restart.Message.Length > 0 ? $" – {restart.Message}" : "")}";

    /// <summary>
    /// What a page says when Datasette no longer answers: it still shows the state at the time when it was made.
    /// </summary>
    public static string ConnectionLost(DateTimeOffset now) => $"No answer from Datasette since {Exact(now)}. This page shows the state at that time.";

    /// <summary>The message for a name that is not replicated.</summary>
    public static string NotReplicated(string name) => $"{name} is not replicated";

    private static string DescribeProblems(List<DatabaseObservation> wrong, int total)
    {
        var worst = wrong.MinBy(database => database.Since)!;
        var names = string.Join(", ", wrong.Take(MaxNames).Select(database => database.Plan.Name));
        var more = wrong.Count > MaxNames ? $" and {wrong.Count - MaxNames} more" : "";
        var states = string.Join(" or ", wrong.Select(database => Name(database.State)).Distinct());
        return total == 1
            ? $"The database {names} has been {states} since {Clock(worst.Since)}."
            : $"{wrong.Count} of {total} databases {(wrong.Count == 1 ? "has" : "have")} been {states} since {Clock(worst.Since)}: {names}{more}.";
    }

    private static string All(int count) => count == 1 ? "The database is" : $"All {count} databases are";

    // Everything written before the earliest of the databases' last syncs is safe.
    private static string DescribeSafety(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
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

    private static string RelativeTime(DateTimeOffset? moment, DateTimeOffset now, string before, string after)
    {
        if (moment is not { } known)
        {
            return Unknown;
        }

        // Whole seconds, since the clocks of the server and the browser may differ slightly.
        var seconds = Math.Truncate((now - known).TotalSeconds);
        var time = TimeSpan.FromSeconds(Math.Abs(seconds));
        var words = seconds is > -60 and < 60 ? $"{time.Seconds} s" : Duration(time);
        return seconds is >= -1 and <= 1 ? "just now" : seconds < 0 ? $"in {words}" : before + words + after;
    }

    private static string DateAndTime(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Moment(DateTimeOffset? time) => time is { } known ? Clock(known) : "the start";

    private static string Clock(DateTimeOffset time) => string.Create(CultureInfo.InvariantCulture, $"{time.UtcDateTime:HH:mm:ss} UTC");
}
