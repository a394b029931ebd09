using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// Tells the operator of failures of Litestream: once when it is down and once when it runs again, and at most once a minute,
/// since a crash loop would flood the log. What changes within the minute is told when it is over, if it is still so. Whoever
/// looks owns its state.
/// </summary>
internal sealed class LitestreamEvents(TimeProvider time)
{
    private long? _toldAt;
    private bool _isToldDown;
    private int _toldFailures;
    private DateTimeOffset? _toldDownSince;
    private DateTimeOffset? _lastDownSince;

    /// <summary>The sentences that are due, with their levels.</summary>
    /// <param name="daemon">The current status; null if there is nothing to replicate.</param>
    public IEnumerable<(LogLevel Level, string Sentence)> Look(DaemonStatus? daemon)
    {
        if (daemon is null)
        {
            return [];
        }

        _lastDownSince = daemon.DownSince ?? _lastDownSince;

        // While it is down, failed starts are no news; afterwards, a failure is told even if it was over by this look.
        var failures = daemon.Failures - _toldFailures;
        var isRunning = daemon.State == DaemonState.Running;
        var isNews = isRunning ? _isToldDown || failures > 0
            : daemon.State == DaemonState.Stopped ? !_isToldDown
            : failures > 0 && !(_isToldDown && _toldDownSince == daemon.DownSince);
        if (!isNews || DatabaseEvents.IsWithinMinute(_toldAt, time))
        {
            return [];
        }

        var wasToldDown = _isToldDown;
        (_toldAt, _isToldDown, _toldDownSince, _toldFailures) = (time.GetTimestamp(), !isRunning, daemon.DownSince, daemon.Failures);
        var others = wasToldDown && isRunning ? failures : failures - 1;
        var more = others > 0 ? $" ({Wording.Count(others)} more {(others == 1 ? "failure" : "failures")} since the last message.)" : "";
        var sentence = !isRunning ? $"{daemon.LastFailure ?? "Litestream has ended."}{NextStart(daemon)}"
            : wasToldDown ? $"Litestream runs again since {Wording.Exact(daemon.StartedAt!.Value)}{After(daemon)} (process {daemon.ProcessId})."
            : $"{daemon.LastFailure} It runs again since {Wording.Exact(daemon.StartedAt!.Value)} (process {daemon.ProcessId}).";
        return [(LogLevel.Warning, sentence + more)];
    }

    private string NextStart(DaemonStatus daemon) => daemon.NextStartAt is { } next && next > time.GetUtcNow()
        ? $" It is started again in {Wording.Duration(next - time.GetUtcNow())}. Until then, nothing is replicated."
        : " Until it runs again, nothing is replicated.";

    private string After(DaemonStatus daemon) =>
        _lastDownSince is { } down && daemon.StartedAt > down ? $", after {Wording.Duration(daemon.StartedAt.Value - down)}" : "";
}
