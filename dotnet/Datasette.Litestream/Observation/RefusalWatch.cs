using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>Finds out whether S3 refuses the credentials.</summary>
internal static class RefusalWatch
{
    /// <summary>When S3 last refused them, if a database is not replicated because of that; null if none is.</summary>
    /// <param name="observed">The state of the databases.</param>
    /// <param name="heldOut">The databases that Litestream runs without, by their files' paths.</param>
    /// <param name="statistics">The figures from Litestream's log.</param>
    public static DateTimeOffset? LastRefusal(
        ObservedDatabases observed, IReadOnlyDictionary<string, HeldOutDatabase> heldOut, LogStatistics statistics)
    {
        return observed.Databases.Where(IsRefused).Max(database => TimeOf(database.Plan.Path));

        // A key that may not do everything can be good enough for uploads.
        static bool IsRefused(DatabaseObservation database) => RefusedCredentials.AreToldBy(database.Error)
            && database is { State: DatabaseState.Failing or DatabaseState.Behind, Reason: not StateReason.CompactionFailed };

        // An error that was logged is shown until the next upload has succeeded, possibly long after credentials have changed. Any
        // other one comes from the Litestream that runs.
        DateTimeOffset? TimeOf(string path) =>
            heldOut.GetValueOrDefault(path) is { } refused ? refused.RefusedAt
            : statistics.Of(path).LastError is { } logged && RefusedCredentials.AreToldBy(logged.ToString()) ? logged.Time
            : observed.At;
    }
}
