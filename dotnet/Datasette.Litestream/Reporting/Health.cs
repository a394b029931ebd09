using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Decides what health checks are told.</summary>
internal static class Health
{
    /// <param name="daemon">The status of Litestream; null if there is nothing to replicate.</param>
    /// <param name="credentials">The status of the credentials; null if the configuration does not set any.</param>
    /// <param name="observation">The databases.</param>
    /// <param name="maxLag">How long a change may wait for the replica, and anything that endangers it may last.</param>
    /// <param name="ignoresPaused">Whether databases that are paused by hand do not count.</param>
    /// <param name="start">When replication started.</param>
    /// <param name="now">The time.</param>
    public static HealthReport Judge(
        DaemonStatus? daemon, CredentialStatus? credentials, ObservedDatabases observation, TimeSpan maxLag, bool ignoresPaused, DateTimeOffset start, DateTimeOffset now)
    {
        var down = daemon?.DownSince is { } since ? $"Litestream has been down for {Wording.Duration(now - since)}" : null;
        if (now - daemon?.DownSince > maxLag)
        {
            return new HealthReport(true, false, $"bad: {down}");
        }

        if (daemon is not null && (observation.IsOutdated(now) || observation.Databases.Count == 0))
        {
            return new HealthReport(true, false, $"bad: {Wording.Outdated(observation, now)}");
        }

        var counted = ignoresPaused ? [.. observation.Databases.Where(database => database.Reason != StateReason.Paused)] : observation.Databases;
        var wrong = counted.Where(database => IsUnsafe(database, maxLag, start, now)).ToList();
        if (wrong.Count > 0)
        {
            return new HealthReport(true, false, Wording.DescribeHealth(wrong, counted.Count, now));
        }

        var paused = counted.Count < observation.Databases.Count ? $"not counted: {Wording.Count(observation.Databases.Count - counted.Count)} paused by hand" : null;

        var stale = credentials?.FailingSince is { } failing ? $"the credentials could not be read again for {Wording.Duration(now - failing)}" : null;
        return now - credentials?.FailingSince > maxLag
            ? new HealthReport(true, false, $"bad: {stale}")
            : new HealthReport(true, true, string.Join("; ", new[] { counted.Count == 0 && paused is not null ? "ok: nothing is replicated" : Wording.DescribeHealth(counted, now), paused, down, stale }.OfType<string>()));
    }

    private static bool IsUnsafe(DatabaseObservation database, TimeSpan maxLag, DateTimeOffset start, DateTimeOffset now) => database.Reason switch
    {
        // The file as it is now is in no backup, or its backup cannot be restored, or nobody makes one: the age of the last change does not matter.
        StateReason.FileMissing or StateReason.FileReplaced or StateReason.FileOverwritten or StateReason.SameFile
            or StateReason.NameNotSupported or StateReason.SettingsRefused or StateReason.BackupDamaged or StateReason.OtherWriter or StateReason.ReplicatedAnew
            or StateReason.WaitingForWriter or StateReason.TakenOver or StateReason.LogBlocked or StateReason.Paused
            or StateReason.FileEmpty or StateReason.FileOlder
            or StateReason.DrillFailed or StateReason.NotProvenAgain or StateReason.MirrorDrillFailed or StateReason.DatabaseDamaged or StateReason.DrillOverdue or StateReason.MirrorDrillOverdue => true,

        // Ended by whoever asks, a first copy would start from zero.
        StateReason.FirstCopy => !database.Evidence.IsMoving && now - (database.Evidence.MovedAt ?? database.Since) > maxLag,
        StateReason.NotKnownToBeBehind or StateReason.MirrorFirstCopy => false,

        // If the lag is unknown, the state decides.
        _ => (database.Lag ?? now - (database.State is DatabaseState.Failing or DatabaseState.Stopped ? database.Since : start)) > maxLag,
    };
}
