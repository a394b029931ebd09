using System.Collections.Immutable;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// Asks Litestream about every destination, again and again: a database's first check comes when it is requested, and the next ones
/// by themselves. One task does it, one child at a time, and after each check it rests for as long as the check took, so that all
/// of this never takes more than half a core. The schedule belongs to that task; anybody may request, and read what it found.
/// </summary>
internal sealed class ReplicaChecks : IDisposable
{
    /// <summary>How soon a check is repeated that found something wrong; each time after that, it takes twice as long.</summary>
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Of the checks that only repeat one that found nothing wrong, every fourth lists everything: two questions each time would
    /// take more than the 2 % of a core that a thousand databases may take.
    /// </summary>
    private const int ChecksPerList = 4;

    private readonly ReplicaProbe _probe;
    private readonly Func<DatabasePlan, ulong> _replicatedTxidOf;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Dictionary<Destination, Turn> _turns = [];
    private readonly PriorityQueue<Turn, DateTimeOffset> _queue = new();
    private readonly Channel<(DatabasePlan Database, bool IsWanted)> _requests = Channel.CreateUnbounded<(DatabasePlan, bool)>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;
    private volatile ImmutableDictionary<Destination, ReplicaCheck> _latest = ImmutableDictionary<Destination, ReplicaCheck>.Empty;

    /// <param name="probe">Asks Litestream.</param>
    /// <param name="replicatedTxidOf">Returns the last transaction that is known to have arrived at the primary of a database; 0 if none is.
    /// Called on the task.</param>
    /// <param name="interval">How often each database is checked.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Spreads the checks.</param>
    public ReplicaChecks(
        ReplicaProbe probe, Func<DatabasePlan, ulong> replicatedTxidOf, TimeSpan interval, TimeProvider time, Random random)
    {
        (_probe, _replicatedTxidOf, _interval, _time, _random) = (probe, replicatedTxidOf, interval, time, random);
        _running = Task.Run(RunAsync);
    }

    /// <summary>The last check of a destination of a database; null before the first.</summary>
    public ReplicaCheck? Latest(DatabasePlan database, ReplicaPlan replica) => _latest.GetValueOrDefault(new Destination(database.Name, database.Attachment, replica.Identity));

    /// <summary>
    /// Has the primary of a database checked as soon as its turn comes, with everything listed: when it is replicated for the first time, when an
    /// error is over, when it was healed. Returns at once.
    /// </summary>
    public void Request(DatabasePlan database) => _requests.Writer.TryWrite((database, true));

    /// <summary>
    /// Checks the destinations of a database no more, and forgets what was found there: it may be attached again with another file.
    /// Returns at once.
    /// </summary>
    public void Forget(DatabasePlan database)
    {
        foreach (var replica in database.Replicas)
        {
            _requests.Writer.TryWrite((database.At(replica), false));
        }
    }

    /// <summary>Stops checking, and kills a child that runs.</summary>
    public void Dispose() => _stopping.Cancel();

    /// <summary>Completes when no child runs any more, after <see cref="Dispose"/>.</summary>
    public Task Stopped => _running;

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                TakeRequests();
                if (_queue.TryPeek(out var turn, out var due) && due <= _time.GetUtcNow())
                {
                    _queue.Dequeue();
                    if (turn.DueAt == due)
                    {
                        await CheckAsync(turn).ConfigureAwait(false);
                    }
                }
                else
                {
                    await WaitAsync(turn is null ? Timeout.InfiniteTimeSpan : due - _time.GetUtcNow()).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
    }

    private void TakeRequests()
    {
        while (_requests.Reader.TryRead(out var request))
        {
            var (database, isWanted) = request;
            if (!isWanted)
            {
                Drop(Destination.Of(database));
                continue;
            }

            if (!_turns.TryGetValue(Destination.Of(database), out var turn))
            {
                _turns[Destination.Of(database)] = turn = new Turn(database);
            }

            // Its file may be another one by now.
            turn.Database = database;
            turn.ListsAll = true;

            // At the start everything is due at once. Later, what somebody waits for comes before what only repeats.
            Schedule(turn, turn.Count == 0 ? _time.GetUtcNow() : DateTimeOffset.MinValue);
        }
    }

    private void Drop(Destination destination)
    {
        _latest = _latest.Remove(destination);
        if (_turns.Remove(destination, out var turn))
        {
            // Its entry in the queue counts no more.
            turn.DueAt = DateTimeOffset.MaxValue;
        }
    }

    /// <summary>Gives a database its next turn; an earlier entry of it in the queue counts no more.</summary>
    private void Schedule(Turn turn, DateTimeOffset dueAt)
    {
        turn.DueAt = dueAt;
        _queue.Enqueue(turn, dueAt);
    }

    private async Task CheckAsync(Turn turn)
    {
        var started = _time.GetTimestamp();
        ReplicaCheck check;
        try
        {
            check = await _probe.CheckAsync(turn.Database, _replicatedTxidOf(turn.Database), turn.ListsAll, _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            // Nobody awaits this task, and one database's fault must not keep the others from being checked.
            check = new ReplicaCheck(_time.GetUtcNow(), new ReplicaFinding(ReplicaCondition.Unreadable, 0, ex.Message.TrimEnd('.')));
        }

        var took = _time.GetElapsedTime(started);
        var destination = Destination.Of(turn.Database);

        // What lies there is thousands of names, of which only what they come to is kept.
        var before = _latest.GetValueOrDefault(destination);
        _latest = _latest.SetItem(destination, check.Inventory is { } inventory
            ? check with { Inventory = null, Bytes = inventory.Files.Sum(file => file.Size), Files = inventory.Files.Length, Points = inventory.FindPoints(check.At) }
            : check with { Bytes = before?.Bytes, Files = before?.Files, Points = before?.Points });

        turn.Count++;
        turn.Retry = check.IsWhole ? null : (turn.Retry * 2 ?? FirstRetry) is var retry && retry < _interval ? retry : _interval;
        turn.ListsAll = !check.IsWhole || turn.Count % ChecksPerList == 0;

        // A bit earlier than the interval, so that databases that began together do not stay together.
        var regular = _interval * (0.9 + (0.1 * _random.NextDouble()));
        Schedule(turn, _time.GetUtcNow() + (turn.Retry ?? regular));
        await Task.Delay(took, _time, _stopping.Token).ConfigureAwait(false);
    }

    /// <summary>Waits until a time has passed, or there is a request.</summary>
    private async Task WaitAsync(TimeSpan delay)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var requested = _requests.Reader.WaitToReadAsync(waiting.Token).AsTask();
        await Task.WhenAny(requested, Task.Delay(delay, _time, waiting.Token)).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        _stopping.Token.ThrowIfCancellationRequested();
    }

    /// <param name="Database">Datasette's name for the database.</param>
    /// <param name="Attachment">See <see cref="DatabasePlan"/>.</param>
    /// <param name="Identity">See <see cref="ReplicaPlan"/>.</param>
    private readonly record struct Destination(string Database, int Attachment, string Identity)
    {
        public static Destination Of(DatabasePlan database) => new(database.Name, database.Attachment, database.Primary.Identity);
    }

    /// <summary>The turns of one destination.</summary>
    private sealed class Turn(DatabasePlan database)
    {
        public DatabasePlan Database { get; set; } = database;

        /// <summary>When it is due.</summary>
        public DateTimeOffset DueAt { get; set; }

        /// <summary>Whether everything that lies at the destination is listed.</summary>
        public bool ListsAll { get; set; }

        /// <summary>How soon the last check that found something wrong is repeated; null if nothing was wrong.</summary>
        public TimeSpan? Retry { get; set; }

        /// <summary>How many checks there were.</summary>
        public int Count { get; set; }
    }
}
