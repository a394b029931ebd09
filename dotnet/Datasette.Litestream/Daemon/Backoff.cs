namespace Datasette.Litestream.Daemon;

/// <summary>Delays between tries, each twice as long as the one before, up to a maximum. Not for several threads at once.</summary>
internal sealed class Backoff(TimeSpan min, TimeSpan max)
{
    private TimeSpan? _last;

    /// <summary>The delay before the next try.</summary>
    public TimeSpan Next()
    {
        var delay = _last * 2 ?? min;
        _last = delay < max ? delay : max;
        return _last.Value;
    }

    /// <summary>Starts again with the minimum, after a try that succeeded.</summary>
    public void Reset() => _last = null;
}
