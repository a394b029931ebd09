using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Looks at every database every 2 s, and keeps what it saw every 10 s. One task does all of it, at a cost that does not grow
/// with anybody looking at the result: <see cref="LatestAsync"/> is immutable.
/// </summary>
internal sealed class Sampler : IDisposable
{
    /// <summary>Litestream 0.5 answers <c>/list</c> only when no first sync is under way, which an unreachable replica can hold up for minutes.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(2);

    /// <summary>How long Litestream's word holds while nothing happens to any database.</summary>
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many databases are asked for at once: each takes a request of its own, and of a thousand busy ones some wait for the
    /// next look.
    /// </summary>
    private const int MaxConcurrentSyncs = 100;

    private readonly Func<ReplicationSnapshot> _read;
    private readonly TimeProvider _time;
    private readonly DatabaseTracker[] _trackers;
    private readonly Dictionary<string, DatabaseTracker> _trackersByName;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _firstSample = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task<SyncAnswer?>?[] _syncs;
    private readonly DateTimeOffset _litestreamStartedAt;
    private volatile ObservedDatabases _latest;
    private volatile Exception? _failure;
    private int _firstSync;
    private Dictionary<string, ListedDatabase> _listed = [];
    private Dictionary<string, SyncActivity> _activities = [];
    private ControlSocket? _listedBy;
    private DateTimeOffset _listedAt;

    /// <param name="read">How replication stands at the moment.</param>
    /// <param name="time">The clock.</param>
    public Sampler(Func<ReplicationSnapshot> read, TimeProvider time)
    {
        _read = read;
        var replication = read();
        _time = time;
        var now = time.GetUtcNow();
        _trackers = [.. replication.Plan.Databases.Select(plan => new DatabaseTracker(plan, now))];
        _trackersByName = _trackers.ToDictionary(tracker => tracker.Plan.Name, StringComparer.Ordinal);
        _syncs = new Task<SyncAnswer?>?[_trackers.Length];
        _litestreamStartedAt = replication.Daemon?.StartedAt ?? now;
        _latest = new ObservedDatabases(now, []);
        _ = Task.Run(RunAsync);
    }

    /// <summary>What was seen last; the first look is taken when somebody asks, or after 2 s.</summary>
    /// <exception cref="InvalidOperationException">The last look failed: a page that is refused is better than one that is old.</exception>
    public async Task<ObservedDatabases> LatestAsync()
    {
        _requested.TrySetResult();
        await _firstSample.Task.ConfigureAwait(false);
        return _failure is { } failure ? throw new InvalidOperationException($"The databases cannot be looked at: {failure.Message}", failure) : _latest;
    }

    /// <summary>When it last looked.</summary>
    public DateTimeOffset LastSampleAt => _latest.At;

    /// <summary>The history of a database; null where it is not replicated.</summary>
    public History? HistoryOf(string databaseName) => _trackersByName.GetValueOrDefault(databaseName)?.History;

    public void Dispose()
    {
        _stopping.Cancel();
        _firstSample.TrySetResult();
    }

    private async Task RunAsync()
    {
        try
        {
            // Datasette's start is not the time for work that nobody waits for.
            await Task.WhenAny(_requested.Task, Task.Delay(SampleInterval, _time, _stopping.Token)).ConfigureAwait(false);
            _stopping.Token.ThrowIfCancellationRequested();
            using var timer = new PeriodicTimer(SampleInterval, _time);
            var lastRecorded = long.MinValue;
            do
            {
                try
                {
                    var now = _time.GetUtcNow();
                    await SampleAsync(now).ConfigureAwait(false);
                    var interval = HistoryRange.Hour.IndexOf(now);
                    if (interval != lastRecorded)
                    {
                        lastRecorded = interval;
                        Record(now);
                    }

                    _failure = null;
                }
                catch (Exception ex) when (!_stopping.IsCancellationRequested)
                {
                    // Nobody waits for this task; who asks for what it saw hears of it, and the next look may succeed.
                    _failure = ex;
                }

                _firstSample.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
    }

    private async Task SampleAsync(DateTimeOffset now)
    {
        using var deadline = new CancellationTokenSource(AnswerTimeout, _time);
        var replication = _read();
        var isRunning = replication.Daemon?.State == DaemonState.Running;
        var socket = replication.Daemon?.Socket;
        var files = Array.ConvertAll(_trackers, tracker => DatabaseFiles.Inspect(tracker.Plan.Path));
        var statistics = Array.ConvertAll(_trackers, tracker => replication.LogStatistics.Of(tracker.Plan.Path));
        var isQuiet = Enumerable.Range(0, _trackers.Length).All(i => _trackers[i].IsUpToDate(now, files[i], statistics[i]));
        if (!isQuiet || socket != _listedBy || now - _listedAt >= IdleInterval)
        {
            var activities = AskAllAsync(socket, (known, token) => known.ActivitiesAsync(token), activity => activity.Path, deadline.Token);
            _listed = await AskAllAsync(socket, (known, token) => known.ListAsync(token), database => database.Path, deadline.Token).ConfigureAwait(false);
            _activities = await activities.ConfigureAwait(false);
            (_listedBy, _listedAt) = (socket, now);
        }

        if (socket is not null)
        {
            await SyncAsync(socket, now, files, statistics, deadline.Token).ConfigureAwait(false);
        }

        var hasSocket = socket is not null || replication.Binary.Version.ReleaseLine == ReleaseLine.V05;
        var databases = new DatabaseObservation[_trackers.Length];
        for (var i = 0; i < databases.Length; i++)
        {
            databases[i] = _trackers[i].Observe(
                now,
                isRunning,
                hasSocket,
                _listed.GetValueOrDefault(_trackers[i].Plan.Path),
                _activities.GetValueOrDefault(_trackers[i].Plan.Path),
                TakeAnswer(i, now),
                files[i],
                statistics[i]);
        }

        _latest = new ObservedDatabases(now, databases);
    }

    private void Record(DateTimeOffset now)
    {
        foreach (var tracker in _trackers)
        {
            tracker.Record(now);
        }
    }

    /// <summary>Has Litestream take the databases of which that has to be known, and returns when it has, or in time.</summary>
    private async Task SyncAsync(
        ControlSocket socket, DateTimeOffset now, DatabaseFiles[] files, DatabaseLogStatistics[] statistics, CancellationToken cancellationToken)
    {
        var asked = new List<Task>();
        var most = MaxConcurrentSyncs - _syncs.Count(sync => sync is not null);
        var first = _firstSync;
        for (var n = 0; n < _syncs.Length && asked.Count < most; n++)
        {
            var i = (first + n) % _syncs.Length;
            if (_syncs[i] is null && _trackers[i].NeedsSync(now, files[i], statistics[i]))
            {
                var sync = AskAsync(socket, _trackers[i], now, files[i], statistics[i]);
                (_syncs[i], _firstSync) = (sync, i + 1);
                asked.Add(sync);
            }
        }

        try
        {
            await Task.WhenAll(asked).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // One that does not answer yet holds no other look up, and is not asked again: in Litestream each question waits for
            // its own turn, though nobody waits for its answer any more.
        }
    }

    private SyncAnswer? TakeAnswer(int index, DateTimeOffset now)
    {
        if (_syncs[index] is not { IsCompletedSuccessfully: true } sync)
        {
            return null;
        }

        _syncs[index] = null;
        if (sync.Result is null)
        {
            _trackers[index].PutOffSync(now);
        }

        return sync.Result;
    }

    private async Task<SyncAnswer?> AskAsync(
        ControlSocket socket, DatabaseTracker tracker, DateTimeOffset now, DatabaseFiles files, DatabaseLogStatistics statistics)
    {
        try
        {
            var path = tracker.Plan.Path;
            var synced = await socket.SyncAsync(path, _stopping.Token).ConfigureAwait(false);
            var uploaded = LtxFiles.Measure(path, tracker.ReplicaTxid ?? 0, synced.ReplicatedTxid, _litestreamStartedAt);
            return new SyncAnswer(now, files, statistics.SyncErrors, synced.Txid, synced.ReplicatedTxid, uploaded);
        }
        catch (Exception ex) when (ControlSocket.IsUnavailable(ex))
        {
            return null;
        }
    }

    /// <summary>What Litestream answers of all databases, by their paths; nothing where it does not answer.</summary>
    private static async Task<Dictionary<string, T>> AskAllAsync<T>(
        ControlSocket? socket,
        Func<ControlSocket, CancellationToken, Task<IReadOnlyList<T>>> ask,
        Func<T, string> pathOf,
        CancellationToken cancellationToken)
    {
        if (socket is null)
        {
            return [];
        }

        try
        {
            var databases = await ask(socket, cancellationToken).ConfigureAwait(false);
            return databases.DistinctBy(pathOf).ToDictionary(pathOf, StringComparer.Ordinal);
        }
        catch (Exception ex) when (ControlSocket.IsUnavailable(ex))
        {
            return [];
        }
    }
}
