using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts into words how far back, and how finely, a destination can be restored, and how far a restore is.</summary>
internal static class RestoreWording
{
    /// <summary>Which files give the points of a level, as reports name them.</summary>
    public static string Name(int level) => level switch
    {
        0 => "uploaded",
        LtxName.SnapshotLevel => Snapshots,
        _ => "merged",
    };

    /// <summary>Such as <c>12.0 MiB of 100.0 MiB, 8 s left</c>.</summary>
    public static string Progress(RestoreProgress progress) =>
        $"{Wording.Size(progress.Written)}{(progress.Total is { } total ? $" of {Wording.Size(total)}" : "")}{(progress.Left is { } left ? $", {Wording.Duration(left)} left" : "")}";

    /// <summary>Such as <c>every second since 12:00:00 UTC, every 30 s since 2026-05-01 12:00:00 UTC</c>.</summary>
    public static string Steps(RestorableReport restorable, DateTimeOffset now) =>
        string.Join(", ", restorable.Steps.Select(step => $"{Step(step)} since {Wording.Clock(step.Since, now)}"));

    /// <summary>What can be said of a release line whose destinations are not looked at; null if there is more to say.</summary>
    public static string? Note(ReleaseLine releaseLine) => releaseLine != ReleaseLine.V03 ? null
        : "How far back you can go is not looked at with Litestream 0.3, which keeps each sync since the oldest snapshot there. litestream snapshots, with the same address, lists those.";

    /// <summary>What is said above the plugin's own command.</summary>
    /// <param name="folder">Datasette's working directory.</param>
    /// <param name="name">The database.</param>
    public static string CommandNote(string folder, string name) =>
        $"Run it in {folder}. It writes {RestoreCommand.FileNameOf(name, "-restored")} there; --in-place replaces the database while Datasette is stopped, and --help tells the rest.";

    /// <summary>What a restore gives for which no time is chosen.</summary>
    public const string Newest = "The newest state is restored. Choose a time to go back.";

    /// <summary>What is said where nothing is known of the files.</summary>
    public const string NotListed = "Which state that is, is not known here. The restore says it.";

    /// <summary>What is said of a time that cannot be read.</summary>
    public static string NotUnderstood(string written) => $"{written} is no time: {WrittenTime.Expected}. Without a zone it is in UTC.";

    /// <summary>What is said of a time before everything that is known.</summary>
    public static string TooOld(DateTimeOffset oldest) => $"No state as old as that is known: the oldest is of {Wording.Exact(oldest)}.";

    /// <summary>Which state a restore to a time gives.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="points">What can be restored from it.</param>
    /// <param name="point">The state.</param>
    /// <param name="at">The time.</param>
    /// <param name="isNamed">Whether the destination is to be named.</param>
    /// <param name="now">The time now.</param>
    public static string State(DestinationObservation destination, RestorePoints points, KnownPoint point, DateTimeOffset at, bool isNamed, DateTimeOffset now)
    {
        var (since, until) = (Wording.Exact(point.Since), Wording.Exact(point.Until));
        var when = since == until ? $"of {since}" : $"between {since} and {until}";
        var later = at > points.ListedAt && point == points.Known[^1] ? $" Or a later one that is not after it: the files were listed at {Wording.Clock(points.ListedAt, now)}." : "";
        return string.Create(CultureInfo.InvariantCulture, $"The state {when} is restored, after transaction {point.Txid:x16}{(isNamed ? $", from {destination.Replica.Destination}" : "")}.{later}");
    }

    private const string Snapshots = "snapshots";

    private static string Step(RestoreStepReport step) => step switch
    {
        { Files: Snapshots } => "snapshots alone",
        { Seconds: 1 } => "every second",
        { Seconds: { } seconds } => $"every {Exact(seconds)}",
        _ => "merged files",
    };

    private static string Exact(double seconds)
    {
        var (count, unit) = seconds % 3600 == 0 ? (seconds / 3600, "h") : seconds % 60 == 0 ? (seconds / 60, "min") : (seconds, "s");
        return string.Create(CultureInfo.InvariantCulture, $"{count} {unit}");
    }
}
