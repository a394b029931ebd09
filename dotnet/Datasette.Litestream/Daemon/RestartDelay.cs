namespace Datasette.Litestream.Daemon;

/// <summary>
/// How long to wait before Litestream is started again: 0.5 s, doubling to 30 s, and back to 0.5 s after a minute of
/// health. Up to a fifth is added by chance, so that many Datasettes whose storage comes back do not start as one.
/// </summary>
internal sealed class RestartDelay(Random random)
{
    private const double MostJitter = 0.2;
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Health = TimeSpan.FromMinutes(1);

    private TimeSpan _next = Shortest;

    /// <summary>The delay after a run.</summary>
    /// <param name="run">How long Litestream was up; zero where it never came up.</param>
    public TimeSpan After(TimeSpan run)
    {
        var delay = run >= Health ? Shortest : _next;
        _next = delay * 2 < Longest ? delay * 2 : Longest;
        return delay * (1 + (random.NextDouble() * MostJitter));
    }
}
