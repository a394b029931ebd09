using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>Waits for a condition, and fails with a message if it is never met.</summary>
internal static class Eventually
{
    // Much longer than anything should take, since a busy machine is slow.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static Task HoldsAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "") =>
        HoldsAsync(() => Task.FromResult(condition()), what);

    public static async Task HoldsAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var started = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.IsTrue(Stopwatch.GetElapsedTime(started) < Deadline, $"did not come about: {what}");
            await Task.Delay(1);
        }
    }

    public static Task InTimeAsync(this Task task) => task.WaitAsync(Deadline);

    public static Task<T> InTimeAsync<T>(this Task<T> task) => task.WaitAsync(Deadline);
}
