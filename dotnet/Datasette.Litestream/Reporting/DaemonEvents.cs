using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Reporting;

/// <summary>What a change of Litestream's state means to an operator, in a sentence.</summary>
internal static class DaemonEvents
{
    /// <summary>The sentence and its weight; null where there is nothing to say.</summary>
    /// <param name="before">How Litestream stood.</param>
    /// <param name="after">How it stands now.</param>
    public static (LogLevel Level, string Sentence)? Describe(DaemonStatus before, DaemonStatus after)
    {
        if (after.Restarts.Count > 0 && after.Restarts[0] is var restart && (before.Restarts.Count == 0 || before.Restarts[0] != restart))
        {
            return restart.Reason == RestartReason.Credentials
                ? (restart.HasFailed ? LogLevel.Warning : LogLevel.Info, restart.Message)
                : (LogLevel.Warning, $"{restart.Message} It is started again in {Wording.Duration((after.NextStartAt ?? restart.At) - restart.At)}.");
        }

        return (before.State, after.State) switch
        {
            (DaemonState.Running, DaemonState.Running) => null,
            (_, DaemonState.Running) => after.Failures > 0 && before.DownSince is { } down
                ? (LogLevel.Warning, $"Litestream runs again, after {Wording.Duration(after.StartedAt!.Value - down)} (process {after.ProcessId}).")
                : (LogLevel.Info, $"Litestream runs (process {after.ProcessId})."),
            (not DaemonState.Stopped, DaemonState.Stopped) => (LogLevel.Info, "Litestream has ended."),
            _ => null,
        };
    }
}
