using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Looks for other Litestreams that have the replicated databases open. One task looks; any thread may read what it found.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class OtherLitestreamWatch
{
    /// <summary>A pass takes about 20 µs of CPU time for each database, and so at most half a percent of a core.</summary>
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(5), IntervalPerDatabase = TimeSpan.FromMilliseconds(5);

    private readonly Func<ReplicationSnapshot> _read;
    private readonly Action<string> _onFound;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;
    private volatile IReadOnlyList<OtherLitestream> _found = [];

    /// <param name="read">Returns the current state of replication.</param>
    /// <param name="onFound">Called on the task with a sentence about each that was not there before.</param>
    /// <param name="time">The clock.</param>
    public OtherLitestreamWatch(Func<ReplicationSnapshot> read, Action<string> onFound, TimeProvider time)
    {
        (_read, _onFound, _time) = (read, onFound, time);
        _running = Task.Run(RunAsync);
    }

    /// <summary>Those that were found.</summary>
    public IReadOnlyList<OtherLitestream> Found => _found;

    /// <summary>Stops looking.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        try
        {
            IReadOnlyList<OtherLitestream> last = [];
            while (true)
            {
                var replication = _read();
                if (OperatingSystem.IsLinux() && replication.Renewals.IsEmpty)
                {
                    // Renewals run a Litestream of their own. One that is gone a few seconds later, such as a restore, does no
                    // harm; and one pass may miss one.
                    var seen = await OtherLitestream.FindAsync(replication.Plan.Databases, Ours(replication)).ConfigureAwait(false);
                    var known = _found;
                    _found = [.. seen.Where(one => Has(last, one) || Has(known, one)), .. known.Where(one => !Has(seen, one) && Has(last, one))];
                    last = seen;
                    foreach (var other in _found.Where(one => !Has(known, one)))
                    {
                        _onFound(other.Sentence);
                    }
                }

                var interval = IntervalPerDatabase * replication.Plan.Databases.Length;
                await Task.Delay(interval > MinInterval ? interval : MinInterval, _time, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private static HashSet<int> Ours(ReplicationSnapshot replication) =>
        replication.Daemon?.ProcessId is { } litestream ? [Environment.ProcessId, litestream] : [Environment.ProcessId];

    private static bool Has(IReadOnlyList<OtherLitestream> all, OtherLitestream one) => all.Any(other => other.ProcessId == one.ProcessId);
}
