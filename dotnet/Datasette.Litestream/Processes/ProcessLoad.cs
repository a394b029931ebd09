using System.Diagnostics;

namespace Datasette.Litestream.Processes;

/// <summary>How much this process, without its children, has to do.</summary>
internal static class ProcessLoad
{
    /// <summary>The part of one core below which the process counts as idle.</summary>
    private const double IdleLoad = 0.25;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns when the process has been idle for a tenth of a second, or after a limit.</summary>
    /// <param name="limit">The longest wait. It is of the real time, as the processor's is.</param>
    /// <param name="cancellationToken">Ends the wait, which is no error.</param>
    public static async Task WaitUntilIdleAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (limit - Stopwatch.GetElapsedTime(started) is var left && left > TimeSpan.Zero)
        {
            var (since, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            await Task.Delay(left < Interval ? left : Interval, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested || Environment.CpuUsage.TotalTime - used < IdleLoad * Stopwatch.GetElapsedTime(since))
            {
                return;
            }
        }
    }
}
