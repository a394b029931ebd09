using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Waits for things that nothing tells of.</summary>
internal static class Wait
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    public static Task<TimeSpan> UntilAsync(Func<bool> isSo, string what, TimeSpan? patience = null) =>
        UntilAsync(() => Task.FromResult(isSo()), what, patience);

    /// <summary>Looks until it is so, and fails where it never is.</summary>
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
