using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Proving;

/// <summary>
/// Proves every backup again and again: a drill of each destination once in its interval, one at a time, and never while something else is
/// known to be wrong with it. One task holds the drills and owns the turns. The statuses are one immutable dictionary, which is replaced under a
/// lock; any thread may read it.
/// </summary>
/// <param name="hold">Holds one; see <see cref="Drill.HoldAsync"/>.</param>
/// <param name="tell">Called with each result, on the task.</param>
/// <param name="time">The clock.</param>
/// <param name="random">Spreads the drills.</param>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Drills(HoldDrill hold, Action<DatabasePlan, ReplicaPlan, DrillResult> tell, TimeProvider time, Random random)
{
    /// <summary>How often backups are proven by default, and those that are large.</summary>
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromDays(1), IntervalOfLarge = TimeSpan.FromDays(7);

    /// <summary>When the first drill comes after the first copy is complete, or after the start.</summary>
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMinutes(3);

    /// <summary>The delays before a drill that did not prove anything is repeated.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromMinutes(1), MaxRetryDelay = TimeSpan.FromHours(6);

    /// <summary>How long a mirror may need until it has a new snapshot: it is listed every five minutes.</summary>
    private static readonly TimeSpan MirrorTime = TimeSpan.FromMinutes(11);

    private const long LargeBytes = 1L << 30;

    private readonly Dictionary<DrillKey, Turn> _turns = [];
    private readonly ConcurrentDictionary<string, Wish> _wishes = new(StringComparer.Ordinal);
    private readonly Lock _changing = new();
    private readonly CancellationTokenSource _stopping = new();

    // Only the latest matters.
    private readonly Channel<IReadOnlyList<DrillCandidate>> _candidates =
        Channel.CreateBounded<IReadOnlyList<DrillCandidate>>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    private volatile ImmutableDictionary<DrillKey, DrillStatus> _statuses = ImmutableDictionary<DrillKey, DrillStatus>.Empty;
    private volatile IReadOnlyList<DrillCandidate> _latest = [];
    private Task _running = Task.CompletedTask;

    /// <summary>How far each destination is proven.</summary>
    public ImmutableDictionary<DrillKey, DrillStatus> Statuses => _statuses;

    /// <summary>Begins to hold drills.</summary>
    public void Start() => _running = Task.Run(RunAsync);

    /// <summary>Tells how the destinations stand; returns at once.</summary>
    public void Look(IReadOnlyList<DrillCandidate> candidates)
    {
        _latest = candidates;
        _candidates.Writer.TryWrite(candidates);
    }

    /// <summary>
    /// Tells that the backups of a database were made anew, so that earlier proofs are about what is there no more. Those of which a drill has
    /// failed are proven at once, and later if that has not helped before. Any thread may call it.
    /// </summary>
    /// <param name="database">Datasette's name of it.</param>
    public void Renewed(string database)
    {
        var now = time.GetUtcNow();
        Change(all => all.SetItems(all.Where(one => one.Key.Database == database).Select(one => KeyValuePair.Create(one.Key, one.Value.Renewed(now)))));
    }

    /// <summary>Has all destinations of a database proven now, and completes when that is done; what is not possible is a result that says so.</summary>
    /// <param name="database">Datasette's name of it.</param>
    public Task<IReadOnlyList<(ReplicaPlan Replica, DrillResult Result)>> VerifyAsync(string database) => _wishes.GetOrAdd(database, name => new Wish(name)).Done.Task;

    /// <summary>Ends the drill that is under way, kills its children, deletes what it has restored, and holds no more.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        foreach (var wish in _wishes.Values)
        {
            wish.Done.TrySetCanceled();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await foreach (var candidates in _candidates.Reader.ReadAllAsync(_stopping.Token).ConfigureAwait(false))
            {
                Follow(candidates);
                foreach (var wish in _wishes.Values)
                {
                    await FulfilAsync(wish).ConfigureAwait(false);
                }

                if (NextDue() is { } turn)
                {
                    await HoldAsync(turn).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private void Follow(IReadOnlyList<DrillCandidate> candidates)
    {
        var now = time.GetUtcNow();
        var keys = candidates.Select(candidate => candidate.Key).ToHashSet();
        foreach (var gone in _turns.Keys.Where(key => !keys.Contains(key)).ToList())
        {
            _turns.Remove(gone);
        }

        var changed = new Dictionary<DrillKey, DrillStatus>();
        foreach (var candidate in candidates)
        {
            var interval = IntervalOf(candidate);
            if (!_turns.TryGetValue(candidate.Key, out var turn))
            {
                _turns[candidate.Key] = turn = new Turn(candidate);
                changed[candidate.Key] = new DrillStatus(interval, now);
            }

            turn.Candidate = candidate;
            var status = changed.GetValueOrDefault(candidate.Key) ?? _statuses[candidate.Key];
            if (DrillLog.WrittenAt(candidate.Database) is { } writtenAt && writtenAt != turn.LogWrittenAt)
            {
                // The command may have held one.
                turn.LogWrittenAt = writtenAt;
                status = changed[candidate.Key] = Recall(candidate, status);
            }

            if (status.Interval != interval)
            {
                status = changed[candidate.Key] = status with { Interval = interval, DueAt = null };
            }

            if (candidate.IsReady && status is { DueAt: null, Interval: { } known })
            {
                // After a restart, the first one waits for its turn, if that is later.
                var first = now + (known < FirstDelay ? known : FirstDelay);
                var regular = status.LastProof is { } proof && status.Failure is null ? proof.At + Spread(known) : first;
                changed[candidate.Key] = status with { DueAt = regular > first ? regular : first };
            }
        }

        if (changed.Count > 0 || _statuses.Count != _turns.Count)
        {
            Change(all => all.SetItems(changed).RemoveRange(all.Keys.Where(key => !_turns.ContainsKey(key))));
        }
    }

    /// <summary>What is known with the drills that were held before this process began, or by the command since.</summary>
    private static DrillStatus Recall(DrillCandidate candidate, DrillStatus status)
    {
        var drills = DrillLog.Read(candidate.Database).Of(candidate.Replica);
        var wantedSince = status.Last is null && status.Renewals == 0 && drills is [{ At: var first }, ..] && first < status.WantedSince ? first : status.WantedSince;
        var last = status.Last?.At ?? DateTimeOffset.MinValue;
        return drills.Where(drill => drill.At > last).Aggregate(status with { WantedSince = wantedSince }, (known, drill) => known.With(drill));
    }

    private Turn? NextDue()
    {
        var (now, statuses) = (time.GetUtcNow(), _statuses);
        return _turns.Values
            .Where(turn => turn.Candidate.IsReady && IsDue(turn.Candidate, statuses[turn.Candidate.Key], now))
            .MinBy(turn => statuses[turn.Candidate.Key].DueAt);
    }

    /// <summary>Whether a drill is to be held. A failure is looked into further where drills are turned off.</summary>
    private static bool IsDue(DrillCandidate candidate, DrillStatus status, DateTimeOffset now) =>
        status.DueAt <= now && (status.Interval is not null || status.Failure is not null)

        // A mirror gets the new snapshot a while after the primary has it.
        && !(candidate.IsMirror && status is { Failure: { } failure, RenewedAt: { } renewedAt } && !(candidate.NewestSnapshotAt > failure.At) && now - renewedAt < MirrorTime);

    private async Task FulfilAsync(Wish wish)
    {
        var results = new List<(ReplicaPlan, DrillResult)>();
        try
        {
            foreach (var turn in _turns.Values.Where(turn => turn.Candidate.Database.Name == wish.Database).ToList())
            {
                results.Add((turn.Candidate.Replica, turn.Candidate.IsReady
                    ? await HoldAsync(turn).ConfigureAwait(false)
                    : new DrillResult(time.GetUtcNow(), DrillOutcome.NotHeld, "Something is wrong with it, or its first copy is not complete, so there is nothing to prove yet.")));
            }

            _wishes.TryRemove(wish.Database, out _);
            wish.Done.TrySetResult(results);
        }
        catch (OperationCanceledException)
        {
            wish.Done.TrySetCanceled();
            throw;
        }
    }

    private async Task<DrillResult> HoldAsync(Turn turn)
    {
        var candidate = turn.Candidate;
        var began = time.GetUtcNow();
        Change(candidate.Key, status => status with { Progress = new DrillProgress(DrillPhase.Copying), RunningSince = began });
        var renewals = _statuses[candidate.Key].Renewals;
        var patience = IntervalOf(candidate) / 2 is { } half && half < Drill.MaxPatience ? half : Drill.MaxPatience;
        try
        {
            DrillResult result;
            try
            {
                result = await hold(
                    candidate.Database,
                    candidate.Replica,
                    patience,
                    progress => Change(candidate.Key, status => status with { Progress = progress }),
                    failed => Note(turn, Judge(failed)),
                    _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception ex) when (!_stopping.IsCancellationRequested)
            {
                // Nobody awaits this task, and the fault of one drill must not keep the others from being held.
                result = new DrillResult(began, DrillOutcome.NotHeld, $"It was broken off by an error: {ex.Message}");
            }

            result = Judge(result);
            Note(turn, result);
            tell(candidate.Database, candidate.Replica, result);
            return result;
        }
        finally
        {
            // Not before its result is known, or for a moment it would be neither under way nor over.
            Change(candidate.Key, status => status with { Progress = null, RunningSince = null });
        }

        // What was found is possibly about what is there no more.
        DrillResult Judge(DrillResult found) => found.Outcome == DrillOutcome.Failed && (_statuses.GetValueOrDefault(candidate.Key)?.Renewals != renewals || !_latest.Any(one => one.Key == candidate.Key && one.IsReady))
            ? new DrillResult(found.At, DrillOutcome.NotHeld, "The backup was made anew meanwhile, or something else was wrong with it.")
            : found;
    }

    /// <summary>Keeps a result; the same one may come again with more in it.</summary>
    private void Note(Turn turn, DrillResult result)
    {
        var candidate = turn.Candidate;
        var isFirst = _statuses.GetValueOrDefault(candidate.Key)?.Last?.At != result.At;
        TimeSpan? retry = null;
        if (result.IsProof)
        {
            turn.Retry.Reset();
        }
        else if (isFirst)
        {
            retry = turn.Retry.Next();
        }

        Change(candidate.Key, status =>
        {
            var known = status.With(result);
            return !isFirst ? known : known with
            {
                DueAt = (retry, known.Interval) switch
                {
                    (null, { } interval) => time.GetUtcNow() + Spread(interval),
                    ({ } delay, { } interval) when delay > interval => time.GetUtcNow() + Spread(interval),
                    ({ } delay, not null) => time.GetUtcNow() + delay,
                    ({ } delay, null) when known.Failure is not null => time.GetUtcNow() + delay,
                    _ => null,
                },
            };
        });
        try
        {
            DrillLog.Add(candidate.Database, candidate.Replica, result);
            turn.LogWrittenAt = DrillLog.WrittenAt(candidate.Database);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // What it showed is shown; after a restart it is not known.
        }
    }

    private static TimeSpan? IntervalOf(DrillCandidate candidate) =>
        candidate.Database.VerifyInterval is { } set ? set == Timeout.InfiniteTimeSpan ? null : set
        : candidate.Bytes > LargeBytes ? IntervalOfLarge
        : DefaultInterval;

    /// <summary>A bit less than the interval, so that destinations that began together do not stay together.</summary>
    private TimeSpan Spread(TimeSpan interval) => interval * (0.9 + (0.1 * random.NextDouble()));

    private void Change(DrillKey key, Func<DrillStatus, DrillStatus> change) => Change(all => all.TryGetValue(key, out var status) ? all.SetItem(key, change(status)) : all);

    private void Change(Func<ImmutableDictionary<DrillKey, DrillStatus>, ImmutableDictionary<DrillKey, DrillStatus>> change)
    {
        lock (_changing)
        {
            _statuses = change(_statuses);
        }
    }

    /// <summary>A drill that somebody wants now.</summary>
    private sealed record Wish(string Database)
    {
        public TaskCompletionSource<IReadOnlyList<(ReplicaPlan Replica, DrillResult Result)>> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>The drills of one destination.</summary>
    private sealed class Turn(DrillCandidate candidate)
    {
        public DrillCandidate Candidate { get; set; } = candidate;

        public Backoff Retry { get; } = new(MinRetryDelay, MaxRetryDelay);

        /// <summary>When the log was written that is known; null if none is.</summary>
        public DateTimeOffset? LogWrittenAt { get; set; }
    }
}

/// <summary>See <see cref="Drill.HoldAsync"/>.</summary>
internal delegate Task<DrillResult> HoldDrill(
    DatabasePlan database, ReplicaPlan replica, TimeSpan patience, Action<DrillProgress> tell, Action<DrillResult> onFailed, CancellationToken cancellationToken);
