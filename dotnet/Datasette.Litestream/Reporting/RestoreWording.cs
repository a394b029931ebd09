using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts into words how far back, and how finely, a destination can be restored.</summary>
internal static class RestoreWording
{
    /// <summary>Which files give the points of a level, as reports name them.</summary>
    public static string Name(int level) => level switch
    {
        0 => "uploaded",
        LtxName.SnapshotLevel => Snapshots,
        _ => "merged",
    };

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
        $"Run it in {folder}. It writes {RestoreCommand.FileNameOf(name, "-restored")} there; --at \"10 minutes ago\" restores an earlier state, --in-place replaces the database while Datasette is stopped, and --help tells the rest.";

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
