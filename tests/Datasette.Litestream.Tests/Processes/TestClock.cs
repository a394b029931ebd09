using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>
/// A clock that changes only when a test advances it, and that knows its timers: a test advances it when the code under test
/// has started to wait, not before.
/// </summary>
internal sealed class TestClock : FakeTimeProvider
{
    private readonly ConcurrentDictionary<ArmedTimer, TimeSpan> _armed = new();

    public DateTimeOffset Now => GetUtcNow();

    /// <summary>Waits until a timer of that length exists, in whole milliseconds, as Task.Delay uses them.</summary>
    /// <param name="wait">The length of the timer.</param>
    /// <param name="by">The number of such timers.</param>
    public Task IsAwaitedAsync(TimeSpan wait, int by = 1) => Eventually.HoldsAsync(
        () => _armed.Values.Count(due => (long)due.TotalMilliseconds == (long)wait.TotalMilliseconds) >= by, $"{by} wait for {wait}");

    /// <summary>Waits until a timer of that length exists, and advances the clock by it.</summary>
    public async Task PassAsync(TimeSpan wait)
    {
        await IsAwaitedAsync(wait);
        Advance(wait);
    }

    public Task PassAsync(double seconds) => PassAsync(TimeSpan.FromSeconds(seconds));

    /// <summary>Waits until a timer of one of two lengths exists, and advances the clock by it.</summary>
    /// <returns>The length of that timer.</returns>
    public async Task<double> PassEitherAsync(double seconds, double or)
    {
        double? found = null;
        await Eventually.HoldsAsync(() => (found = new[] { or, seconds }.Cast<double?>().FirstOrDefault(wait => _armed.Values.Contains(TimeSpan.FromSeconds(wait!.Value)))) is not null);
        Advance(TimeSpan.FromSeconds(found!.Value));
        return found.Value;
    }

    /// <summary>Advances the clock repeatedly until a task is done.</summary>
    public async Task PassUntilAsync(Task done)
    {
        while (!done.IsCompleted)
        {
            await Eventually.HoldsAsync(() => done.IsCompleted || !_armed.IsEmpty);
            Advance(_armed.Values.DefaultIfEmpty().Min());
        }

        await done;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ArmedTimer(this);
        timer.Inner = base.CreateTimer(
            argument =>
            {
                timer.Disarm();
                callback(argument);
            },
            state,
            dueTime,
            period);
        timer.Arm(dueTime);
        return timer;
    }

    /// <summary>A timer that is registered only after it is armed, since a test may then advance the clock immediately.</summary>
    private sealed class ArmedTimer(TestClock clock) : ITimer
    {
        private readonly Lock _arming = new();
        private bool _isOver;

        public ITimer? Inner { get; set; }

        public void Arm(TimeSpan dueTime)
        {
            lock (_arming)
            {
                if (dueTime >= TimeSpan.Zero && !_isOver)
                {
                    clock._armed[this] = dueTime;
                }
            }
        }

        public void Disarm()
        {
            lock (_arming)
            {
                _isOver = true;
                clock._armed.TryRemove(this, out _);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Disarm();
            _isOver = false;
            var isChanged = Inner!.Change(dueTime, period);
            Arm(dueTime);
            return isChanged;
        }

        public void Dispose()
        {
            Disarm();
            Inner?.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
