using System.Globalization;
using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Status;

/// <summary>How replication stands, in sentences.</summary>
internal static class Wording
{
    private const int MostNames = 3;

    /// <summary>Whether a state is as it should be.</summary>
    public static bool IsFine(DatabaseState state) => state is DatabaseState.Replicating or DatabaseState.Starting;

    /// <summary>The first line of the page.</summary>
    public static string Summarize(DaemonStatus? daemon, Observation observation, DateTimeOffset now)
    {
        var databases = observation.Databases;
        var wrong = databases.Where(database => !IsFine(database.State)).ToList();
        return daemon switch
        {
            null => "No database is replicated.",
            { State: DaemonState.Waiting, DownSince: { } down, NextStartAt: { } next } =>
                $"Litestream is down since {Clock(down)}, and nothing is replicated. It is started again in {Seconds(next > now ? next - now : TimeSpan.Zero)}.",
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
        DatabaseState.Behind => $"behind: the oldest change has waited for {Seconds(database.Lag ?? TimeSpan.Zero)}",
        _ => $"{Word(database.State)} since {Clock(database.Since)}",
    };

    /// <summary>A state as reports and metrics name it.</summary>
    public static string Word(DatabaseState state) => state.ToString().ToLowerInvariant();

    /// <summary>A reason as reports and metrics name it.</summary>
    public static string Word(RestartReason reason) => reason switch
    {
        RestartReason.FailedStart => "failed start",
        _ => reason.ToString().ToLowerInvariant(),
    };

    public static string Seconds(TimeSpan time) => time.TotalSeconds switch
    {
        < 60 => $"{time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s",
        < 3600 => $"{time.TotalMinutes.ToString("0", CultureInfo.InvariantCulture)} min",
        _ => $"{time.TotalHours.ToString("0.0", CultureInfo.InvariantCulture)} h",
    };

    private static string Complain(List<DatabaseObservation> wrong, int total)
    {
        var worst = wrong.MinBy(database => database.Since)!;
        var names = string.Join(", ", wrong.Take(MostNames).Select(database => database.Plan.Name));
        var more = wrong.Count > MostNames ? $" and {wrong.Count - MostNames} more" : "";
        var states = string.Join(" or ", wrong.Select(database => Word(database.State)).Distinct());
        return total == 1
            ? $"The database {names} is {states} since {Clock(worst.Since)}."
            : $"{wrong.Count} of {total} databases {(wrong.Count == 1 ? "is" : "are")} {states} since {Clock(worst.Since)}: {names}{more}.";
    }

    private static string All(int count) => count == 1 ? "The database is" : $"All {count} databases are";

    // What was written before the earliest of the last syncs, or is not waiting, is safe.
    private static string Safe(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        var syncs = databases.Select(database => database.LastSyncAt).ToList();
        return syncs.Count > 0 && syncs.All(sync => sync is not null)
            ? $"; what was written until {Seconds(now > syncs.Min()!.Value ? now - syncs.Min()!.Value : TimeSpan.Zero)} ago is safe"
            : "";
    }

    private static string Clock(DateTimeOffset time) => $"{time.UtcDateTime:HH:mm:ss} UTC";
}
