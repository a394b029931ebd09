using Datasette.Litestream.Logging;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts into words what was done by hand.</summary>
internal static class DeedWording
{
    /// <summary>Who did what, in a sentence, and why it was not achieved.</summary>
    public static string Tell(Deed deed) => deed.Downloaded is { } state
        ? $"{deed.Actor} downloaded {deed.Database} {(state.At is { } at ? $"as it was at {Wording.Exact(at)}" : "in its newest state")}: {What(state)}."
        : $"{deed.Actor} {What(deed)} by hand.{(deed.Failure is { } failure ? $" {failure}" : "")}";

    /// <summary>The same in a line with the time.</summary>
    public static string Line(Deed deed) => $"{Wording.Exact(deed.At)}: {Tell(deed)}";

    /// <summary>Its level in the log: what only asks something, and gets a good answer, is no warning; but who got data is to be known.</summary>
    public static LogLevel LevelOf(Deed deed) =>
        deed is { Action: ManualAction.Sync or ManualAction.Check or ManualAction.Verify, Failure: null } ? LogLevel.Info : LogLevel.Warning;

    /// <summary>An action as its address has it.</summary>
    public static string Name(ManualAction action) => action.ToString().ToLowerInvariant();

    private static string What(DownloadedState state) => string.Join(", ", new[] { state.Point.Length > 0 ? $"state {state.Point}" : "", Wording.Size(state.Bytes), $"from {state.From}" }.Where(part => part.Length > 0));

    private static string What(Deed deed) => deed.Action switch
    {
        ManualAction.Sync => $"had {deed.Database} synced",
        ManualAction.Pause => $"paused {deed.Database}",
        ManualAction.Resume => $"resumed {deed.Database}",
        ManualAction.Register => $"had {deed.Database} replicated",
        ManualAction.Unregister => $"ended the replication of {deed.Database}",
        ManualAction.Accept => $"accepted the file of {deed.Database}",
        ManualAction.Check => $"had the backup of {deed.Database} checked",
        ManualAction.Verify => $"had the backup of {deed.Database} proven",
        _ => "restarted Litestream",
    };
}
