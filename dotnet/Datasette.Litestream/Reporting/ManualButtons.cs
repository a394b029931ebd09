using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>What a page lets somebody do by hand: only what has an effect as things stand, and nothing for those who may not.</summary>
internal static class ManualButtons
{
    /// <summary>What can be done with Litestream.</summary>
    public static IReadOnlyList<ButtonText> Of(StatusReport report) => report is { MayManage: true, Litestream: var litestream } && report.Counts.Total > 0
        ? [Button(ManualAction.Restart, litestream.NextStartAt is null ? "Restart Litestream" : "Start Litestream now", database: null)]
        : [];

    /// <summary>What can be done with a database.</summary>
    public static IReadOnlyList<ButtonText> Of(DatabaseDetailReport report)
    {
        var database = report.Database;
        if (!report.MayManage || !database.IsReplicable)
        {
            return [];
        }

        var check = Button(ManualAction.Check, "Check the backup now", database.Name);
        ButtonText[] verify = database.Replicas.Any(replica => replica.Drill?.Progress is not null) ? [] : [Button(ManualAction.Verify, "Verify now", database.Name)];
        var end = Button(ManualAction.Unregister, "End replication", database.Name);
        return database.Reason.IsHeldBack
            ? [Button(ManualAction.Accept, "Accept this file", database.Name), check, .. verify, end]
            : database.Paused is null
            ? [Button(ManualAction.Sync, "Sync now", database.Name), check, .. verify, Button(ManualAction.Pause, "Pause", database.Name), end]
            : [Button(ManualAction.Resume, "Resume", database.Name), check, .. verify, end];
    }

    /// <summary>What can be done with a database that is not replicated; null if nothing can.</summary>
    public static ButtonText? Of(SkippedReport database) => database.Registration switch
    {
        Registration.Impossible => null,
        Registration.ToConfigured => Button(ManualAction.Register, "Replicate", database.Name),
        _ => Button(ManualAction.Register, "Replicate", database.Name) with { Field = "Destination" },
    };

    private static ButtonText Button(ManualAction action, string label, string? database) => new(DeedWording.Name(action), label, database);
}
