using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Status;

/// <summary>
/// Looks at every database every 2 s, and keeps what it saw every 10 s. One task does all of it, at a cost that does not grow
/// with anybody looking at the result: <see cref="LatestAsync"/> is immutable.
/// </summary>
internal sealed class Sampler : IDisposable
{
    /// <summary>Litestream 0.5 answers <c>/list</c> only when no first sync is under way, which an unreachable replica can hold up for minutes.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    /// <summary>How long Litestream's word holds while nothing happens to any database.</summary>
    private static readonly TimeSpan QuietInterval = TimeSpan.FromSeconds(10);

    /// <summary>Each takes a request of its own; of a thousand busy databases some wait for the next look.</summary>
    private const int MostTxidsPerLook = 100;

    private readonly Replicator _replicator;
    private readonly TimeProvider _time;
    private readonly DatabaseTracker[] _trackers;
    private readonly Dictionary<string, DatabaseTracker> _trackersByName;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _sharedFileNames;
    private volatile Observation _latest;
    private int _firstTxid;
    private Dictionary<string, ListedDatabase> _listed = [];
    private ControlSocket? _listedBy;
    private DateTimeOffset _listedAt;

    public Sampler(Replicator replicator, TimeProvider time)
    {
        _replicator = replicator;
        _time = time;
        var now = time.GetUtcNow();
        _trackers = [.. replicator.Plan.Databases.Select(plan => new DatabaseTracker(plan, now))];
        _trackersByName = _trackers.ToDictionary(tracker => tracker.Plan.Name, StringComparer.Ordinal);
        _sharedFileNames = [.. _trackers.CountBy(tracker => Path.GetFileName(tracker.Plan.Path)).Where(count => count.Value > 1).Select(count => count.Key)];
        _latest = new Observation(now, []);
        _ = Task.Run(RunAsync);
    }

    /// <summary>What was seen last; the first look is taken when somebody asks, or after 2 s.</summary>
    public async Task<Observation> LatestAsync()
    {
        _asked.TrySetResult();
        await _looked.Task.ConfigureAwait(false);
        return _latest;
    }

    /// <summary>When it last looked.</summary>
    public DateTimeOffset LastLookAt => _latest.At;

    /// <summary>The history of a database; null where it is not replicated.</summary>
    public History? HistoryOf(string databaseName) => _trackersByName.GetValueOrDefault(databaseName)?.History;

    public void Dispose()
    {
        _stopping.Cancel();
        _looked.TrySetResult();
    }

    private async Task RunAsync()
    {
        try
        {
            // Datasette's start is not the time for work that nobody waits for.
            await Task.WhenAny(_asked.Task, Task.Delay(LookInterval, _time, _stopping.Token)).ConfigureAwait(false);
            _stopping.Token.ThrowIfCancellationRequested();
            using var timer = new PeriodicTimer(LookInterval, _time);
            var lastRecorded = long.MinValue;
            do
            {
                var now = _time.GetUtcNow();
                await LookAsync(now).ConfigureAwait(false);
                _looked.TrySetResult();
                var interval = HistoryRange.Hour.IndexOf(now);
                if (interval != lastRecorded)
                {
                    lastRecorded = interval;
                    Record(now);
                }
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
    }

    private async Task LookAsync(DateTimeOffset now)
    {
        using var deadline = new CancellationTokenSource(AnswerTimeout, _time);
        var isRunning = _replicator.Daemon?.State == DaemonState.Running;
        var socket = _replicator.Socket;
        var files = Array.ConvertAll(_trackers, tracker => DatabaseFiles.LookAt(tracker.Plan.Path));
        var tallies = Array.ConvertAll(_trackers, tracker => TallyOf(tracker.Plan));
        var isQuiet = Enumerable.Range(0, _trackers.Length).All(i => _trackers[i].IsSettled(files[i], tallies[i]));
        if (!isQuiet || socket != _listedBy || now - _listedAt >= QuietInterval)
        {
            _listed = socket is null ? [] : await ListAsync(socket, deadline.Token).ConfigureAwait(false);
            (_listedBy, _listedAt) = (socket, now);
        }

        var databases = new DatabaseObservation[_trackers.Length];
        var txidsLeft = socket is null ? 0 : MostTxidsPerLook;
        var first = _firstTxid;
        for (var n = 0; n < databases.Length; n++)
        {
            var i = (first + n) % databases.Length;
            var tracker = _trackers[i];
            ulong? txid = null;
            if (txidsLeft > 0 && tracker.NeedsTxid(files[i]))
            {
                txid = await GetTxidAsync(socket!, tracker.Plan.Path, deadline.Token).ConfigureAwait(false);
                txidsLeft--;
                _firstTxid = i + 1;
            }

            databases[i] = tracker.Observe(
                now,
                isRunning,
                socket is not null || _replicator.Binary.Version.Generation == LitestreamGeneration.V05,
                _listed.GetValueOrDefault(tracker.Plan.Path),
                txid,
                files[i],
                tallies[i]);
        }

        _latest = new Observation(now, databases);
    }

    private void Record(DateTimeOffset now)
    {
        foreach (var tracker in _trackers)
        {
            tracker.Record(now, TallyOf(tracker.Plan));
        }
    }

    // Litestream 0.5 logs no more than a file's name: of two by one name it is unknown which had it, and an error is told of both.
    private DatabaseTally TallyOf(DatabasePlan plan)
    {
        var tally = _replicator.Tally.Of(plan.Path);
        return _replicator.Binary.Version.Generation == LitestreamGeneration.V05 && _sharedFileNames.Contains(Path.GetFileName(plan.Path))
            ? tally with { UploadedBytes = 0, ReplicaTxid = 0, LastUploadAt = null }
            : tally;
    }

    private static async Task<Dictionary<string, ListedDatabase>> ListAsync(ControlSocket socket, CancellationToken cancellation)
    {
        try
        {
            var databases = await socket.ListAsync(cancellation).ConfigureAwait(false);
            return databases.DistinctBy(database => database.Path).ToDictionary(database => database.Path, StringComparer.Ordinal);
        }
        catch (Exception fault) when (ControlSocket.IsNoAnswer(fault))
        {
            return [];
        }
    }

    private static async Task<ulong?> GetTxidAsync(ControlSocket socket, string path, CancellationToken cancellation)
    {
        try
        {
            return await socket.GetTxidAsync(path, cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (ControlSocket.IsNoAnswer(fault))
        {
            return null;
        }
    }
}
