using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// How long to wait before Litestream is restarted: 0.5 s, doubling up to 30 s, and 0.5 s again after a run of a minute.
/// </summary>
internal sealed class RestartDelay(Random random)
{
    private static readonly TimeSpan MinDelay = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan HealthyAfter = TimeSpan.FromMinutes(1);

    private readonly Backoff _backoff = new(MinDelay, MaxDelay, random);

    /// <summary>The delay after a run.</summary>
    /// <param name="run">How long Litestream was up; zero if it never came up.</param>
    public TimeSpan After(TimeSpan run)
    {
        if (run >= HealthyAfter)
        {
            _backoff.Reset();
        }

        return _backoff.Next();
    }
}
