namespace Datasette.Litestream.Errors;

/// <summary>
/// Delays between tries, each twice as long as the one before, up to a maximum. With a source of jitter, up to a fifth is added
/// to each, so that many Datasettes do not all try at once when their storage comes back. Not for several threads at once.
/// </summary>
internal sealed class Backoff(TimeSpan min, TimeSpan max, Random? jitter = null)
{
    private const double MaxJitter = 0.2;

    private TimeSpan? _last;

    /// <summary>The delay before the next try.</summary>
    public TimeSpan Next()
    {
        var delay = _last * 2 ?? min;
        _last = delay < max ? delay : max;
        return _last.Value * (1 + ((jitter?.NextDouble() ?? 0) * MaxJitter));
    }

    /// <summary>Starts again with the minimum, after a try that succeeded.</summary>
    public void Reset() => _last = null;
}
