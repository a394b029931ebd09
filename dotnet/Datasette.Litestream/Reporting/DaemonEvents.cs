using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// Describes a planned change of Litestream's state to the operator, in a sentence. <see cref="LitestreamEvents"/> tells of
/// failures.
/// </summary>
internal static class DaemonEvents
{
    /// <summary>The sentence and its log level; null if there is nothing to say.</summary>
    /// <param name="before">The status before the change.</param>
    /// <param name="after">The status after the change.</param>
    public static (LogLevel Level, string Sentence)? Describe(DaemonStatus before, DaemonStatus after)
    {
        if (after.Restarts.Count > 0 && after.Restarts[0] is var restart && (before.Restarts.Count == 0 || before.Restarts[0] != restart))
        {
            // Of a database that is held out now, DatabaseEvents tells, however many there are.
            var isWarning = restart.HasFailed && after.HeldOut.Count <= before.HeldOut.Count;
            return IsIntended(restart) ? (isWarning ? LogLevel.Warning : LogLevel.Info, restart.Message) : null;
        }

        return (before.State, after.State) switch
        {
            (DaemonState.Running, DaemonState.Running) => null,
            (_, DaemonState.Running) => (LogLevel.Info, $"Litestream runs (process {after.ProcessId})."),
            (not DaemonState.Stopped, DaemonState.Stopped) => (LogLevel.Info, "Litestream has ended."),
            _ => null,
        };
    }

    private static bool IsIntended(Restart restart) =>
        restart.Reason is RestartReason.Credentials or RestartReason.Destination or RestartReason.Renewal;
}
