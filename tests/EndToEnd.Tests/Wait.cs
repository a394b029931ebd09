using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Waits for conditions by polling.</summary>
internal static class Wait
{
    /// <summary>
    /// After each check a tenth of the time so far passes, at least and at most these: several tests that asked all the time would leave
    /// nothing of the machine to what they wait for.
    /// </summary>
    private static readonly TimeSpan MinInterval = TimeSpan.FromMilliseconds(25), MaxInterval = TimeSpan.FromSeconds(0.5);

    public static Task<TimeSpan> UntilAsync(Func<bool> isSo, string what, TimeSpan? patience = null) =>
        UntilAsync(() => Task.FromResult(isSo()), what, patience);

    /// <summary>Checks until the condition is met, and fails if it never is.</summary>
    /// <param name="isSo">The condition.</param>
    /// <param name="what">What it is, for people.</param>
    /// <param name="patience">How long it may take.</param>
    /// <param name="minInterval">The least time between two checks, where one takes much of the machine.</param>
    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> UntilAsync(Func<Task<bool>> isSo, string what, TimeSpan? patience = null, TimeSpan? minInterval = null)
    {
        var started = Stopwatch.GetTimestamp();
        var most = patience ?? DatasetteProcess.Patience;
        while (!await isSo())
        {
            var elapsed = Stopwatch.GetElapsedTime(started);
            Assert.IsLessThan(most, elapsed, $"waited in vain until {what}");
            var min = minInterval ?? MinInterval;
            await Task.Delay(TimeSpan.FromTicks(Math.Clamp(elapsed.Ticks / 10, min.Ticks, Math.Max(min.Ticks, MaxInterval.Ticks))));
        }

        return Stopwatch.GetElapsedTime(started);
    }
}
