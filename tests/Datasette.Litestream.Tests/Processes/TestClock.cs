using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace Datasette.Litestream.Tests.Processes;

/// <summary>
/// A clock that stands still until a test moves it, and that knows what waits for it: a test moves it when the code under
/// test has come to its wait, not before.
/// </summary>
internal sealed class TestClock : FakeTimeProvider
{
    private readonly ConcurrentDictionary<ArmedTimer, TimeSpan> _armed = new();

    public DateTimeOffset Now => GetUtcNow();

    /// <summary>Waits until something waits for that long, in whole milliseconds, which is how Task.Delay counts.</summary>
    /// <param name="wait">How long.</param>
    /// <param name="by">How many wait so.</param>
    public Task IsAwaitedAsync(TimeSpan wait, int by = 1) => Eventually.HoldsAsync(
        () => _armed.Values.Count(due => (long)due.TotalMilliseconds == (long)wait.TotalMilliseconds) >= by, $"{by} wait for {wait}");

    /// <summary>Waits until something waits for that long, and lets that time pass.</summary>
    public async Task PassAsync(TimeSpan wait)
    {
        await IsAwaitedAsync(wait);
        Advance(wait);
    }

    public Task PassAsync(double seconds) => PassAsync(TimeSpan.FromSeconds(seconds));

    /// <summary>Waits until something waits for either of two times, and lets that one pass.</summary>
    /// <returns>Which it was.</returns>
    public async Task<double> PassEitherAsync(double seconds, double or)
    {
        double? found = null;
        await Eventually.HoldsAsync(() => (found = new[] { or, seconds }.Cast<double?>().FirstOrDefault(wait => _armed.Values.Contains(TimeSpan.FromSeconds(wait!.Value)))) is not null);
        Advance(TimeSpan.FromSeconds(found!.Value));
        return found.Value;
    }

    /// <summary>Lets time pass, whatever waits for it, until a task is done.</summary>
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

    /// <summary>A timer that is told of as armed once it is: a test that hears of it moves the clock at once.</summary>
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
