using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Waits for conditions by polling.</summary>
internal static class Wait
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    public static Task<TimeSpan> UntilAsync(Func<bool> isSo, string what, TimeSpan? patience = null) =>
        UntilAsync(() => Task.FromResult(isSo()), what, patience);

    /// <summary>Checks until the condition is met, and fails if it never is.</summary>
    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> UntilAsync(Func<Task<bool>> isSo, string what, TimeSpan? patience = null)
    {
        var started = Stopwatch.GetTimestamp();
        var most = patience ?? DatasetteProcess.Patience;
        while (!await isSo())
        {
            Assert.IsLessThan(most, Stopwatch.GetElapsedTime(started), $"waited in vain until {what}");
            await Task.Delay(PollInterval);
        }

        return Stopwatch.GetElapsedTime(started);
    }
}
