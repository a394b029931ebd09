using System.Diagnostics;
using System.Net;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Looks every 50 ms how many Litestreams run in a workspace, and asks a Datasette for its health, each time by a new connection, so
/// that each of several workers is asked.
/// </summary>
internal sealed class LitestreamWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _watching, _asking;
    private readonly List<string> _unhealthy = [];
    private int _healthy, _answers;

    /// <param name="workspace">The workspace, in which a Litestream runs now.</param>
    /// <param name="datasette">Says which Datasette is to be asked now.</param>
    public LitestreamWatch(Workspace workspace, Func<DatasetteProcess> datasette)
    {
        _watching = Task.Run(() => WatchAsync(workspace));
        _asking = Task.Run(() => AskAsync(datasette));
    }

    /// <summary>The most that ran at once.</summary>
    public int Most { get; private set; }

    /// <summary>How many looks there were.</summary>
    public int Looks { get; private set; }

    /// <summary>The longest time in which none ran, from the first answer on: where all workers are replaced at once, nobody serves for a moment.</summary>
    public TimeSpan LongestGap { get; private set; }

    /// <summary>How many different ones ran.</summary>
    public HashSet<int> Seen { get; } = [];

    /// <summary>Stops, and checks that there was never more than one, and that health was good.</summary>
    public async Task AssertAsync(string what)
    {
        await DisposeAsync();
        Console.WriteLine(
            $"{what}: {Looks} looks, at most {Most} Litestream at once, {Seen.Count} in all, longest gap {LongestGap.TotalSeconds:0.00} s; "
            + $"healthy {_healthy} times, otherwise {_unhealthy.Count}");
        Assert.AreEqual(1, Most);

        // A busy machine takes longer; what it is to be is measured in full.
        Assert.IsLessThan(TimeSpan.FromSeconds(Scale.IsFull ? 2 : 10), LongestGap);
        Assert.IsEmpty(_unhealthy, string.Join('\n', _unhealthy.Distinct()));
        Assert.IsGreaterThan(0, _healthy);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_watching, _asking);
    }

    private async Task WatchAsync(Workspace workspace)
    {
        long? noneSince = null;
        var answers = 0;
        while (!_stopping.IsCancellationRequested)
        {
            var running = workspace.Litestreams;
            (Most, Looks) = (Math.Max(Most, running.Count), Looks + 1);
            Seen.UnionWith(running);
            var gap = noneSince is { } since ? Stopwatch.GetElapsedTime(since) : TimeSpan.Zero;
            LongestGap = gap > LongestGap ? gap : LongestGap;
            if (running.Count > 0)
            {
                (noneSince, answers) = (null, Volatile.Read(ref _answers));
            }
            else if (noneSince is null && Volatile.Read(ref _answers) > answers)
            {
                noneSince = Stopwatch.GetTimestamp();
            }

            await Task.Delay(Interval);
        }
    }

    private async Task AskAsync(Func<DatasetteProcess> datasette)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                using var http = new HttpClient();
                using var answer = await http.GetAsync(new Uri(datasette().Http.BaseAddress!, "/-/litestream/health"));
                Interlocked.Increment(ref _answers);
                _healthy += answer.StatusCode == HttpStatusCode.OK ? 1 : 0;
                if (answer.StatusCode != HttpStatusCode.OK)
                {
                    _unhealthy.Add($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
                }
            }
            catch (HttpRequestException)
            {
                // It is being replaced.
            }

            await Task.Delay(Interval);
        }
    }
}
