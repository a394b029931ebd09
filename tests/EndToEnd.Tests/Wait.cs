using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Waits for conditions by polling.</summary>
internal static class Wait
{
    /// <summary>Several tests that ask a browser all the time would leave nothing of the machine to what they wait for.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(25);

    public static Task<TimeSpan> UntilAsync(Func<bool> isSo, string what, TimeSpan? patience = null) =>
        UntilAsync(() => Task.FromResult(isSo()), what, patience);

    /// <summary>Checks until the condition is met, and fails if it never is.</summary>
    /// <param name="isSo">The condition.</param>
    /// <param name="what">What it is, for people.</param>
    /// <param name="patience">How long it may take.</param>
    /// <param name="interval">How often it is checked, where that takes much of the machine.</param>
    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> UntilAsync(Func<Task<bool>> isSo, string what, TimeSpan? patience = null, TimeSpan? interval = null)
    {
        var started = Stopwatch.GetTimestamp();
        var most = patience ?? DatasetteProcess.Patience;
        while (!await isSo())
        {
            Assert.IsLessThan(most, Stopwatch.GetElapsedTime(started), $"waited in vain until {what}");
            await Task.Delay(interval ?? PollInterval);
        }

        return Stopwatch.GetElapsedTime(started);
    }
}
