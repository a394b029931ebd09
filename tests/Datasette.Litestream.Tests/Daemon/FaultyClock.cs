using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>A clock that fails on demand, to simulate an unexpected fault.</summary>
internal sealed class FaultyClock(TestClock clock) : TimeProvider
{
    public const string Message = "the clock is broken";

    private int _until = int.MaxValue;

    /// <summary>The number of calls until one fails; it fails once.</summary>
    public int FailsAfter
    {
        set => Volatile.Write(ref _until, value);
    }

    /// <summary>Whether every call fails.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Whether it has failed.</summary>
    public bool HasFailed => Volatile.Read(ref _until) < 0;

    public override long TimestampFrequency => clock.TimestampFrequency;

    public override DateTimeOffset GetUtcNow()
    {
        Look();
        return clock.GetUtcNow();
    }

    public override long GetTimestamp()
    {
        Look();
        return clock.GetTimestamp();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Look();
        return clock.CreateTimer(callback, state, dueTime, period);
    }

    private void Look()
    {
        if (IsBroken || Interlocked.Decrement(ref _until) == -1)
        {
            throw new InvalidOperationException(Message);
        }
    }
}
