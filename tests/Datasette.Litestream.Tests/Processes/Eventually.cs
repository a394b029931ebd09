using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>Waits for what is to happen, and fails loudly where it does not.</summary>
internal static class Eventually
{
    // Far more than anything takes: a machine under load is slow, not broken.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static async Task HoldsAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.IsTrue(Stopwatch.GetElapsedTime(started) < Deadline, $"did not come about: {what}");
            await Task.Delay(1);
        }
    }

    public static Task InTimeAsync(this Task task) => task.WaitAsync(Deadline);

    public static Task<T> InTimeAsync<T>(this Task<T> task) => task.WaitAsync(Deadline);
}
