using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Manual;

/// <summary>
/// Does what somebody asks for by hand, until Datasette ends: nothing of it is kept anywhere else. Any thread may ask. What changes
/// replication is done one after the other; what only waits is not. The state is one immutable record, which is replaced under a lock; the
/// sampling task, which does what is wanted of it, ends the waits.
/// </summary>
/// <param name="replication">What is steered.</param>
/// <param name="time">The clock.</param>
/// <param name="tell">Called with each deed when it is done.</param>
[SuppressMessage("Design", "CA1001", Justification = "Neither holds anything: no wait handle is asked for.")]
internal sealed class Steering(ISteeredReplication replication, TimeProvider time, Action<Deed> tell)
{
    /// <summary>How long somebody waits at most for what was asked for.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>How long a database may be in a bad state before it is not waited for any longer: the state may be from before.</summary>
    private static readonly TimeSpan BadPatience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly Lock _changing = new();
    private readonly CancellationTokenSource _stopping = new();
    private TaskCompletionSource<ObservedDatabases> _nextSample = NewSample();
    private volatile ManualState _state = new();

    /// <summary>What was done, and what of it holds.</summary>
    public ManualState State => _state;

    /// <summary>Takes a sample. Only the sampling task calls it.</summary>
    public void Look(ObservedDatabases observed) => Interlocked.Exchange(ref _nextSample, NewSample()).SetResult(observed);

    /// <summary>Forgets the pauses of databases that are not replicated any more.</summary>
    public void Forget(IEnumerable<string> names) => Change(state => state with { Pauses = state.Pauses.RemoveRange(names) });

    /// <summary>Takes note of something that was done, and tells it.</summary>
    public void Note(Deed deed)
    {
        Change(state => state.With(deed));
        tell(deed);
    }

    /// <summary>Ends all waits, for good.</summary>
    public void Stop() => _stopping.Cancel();

    /// <summary>Does what is asked for, and returns when it is done, or when it is not waited for any longer.</summary>
    public async Task<ManualResult> DoAsync(ManualRequest request)
    {
        var now = time.GetUtcNow();
        try
        {
            var result = await (request.Action == ManualAction.Restart ? InTurnAsync(() => RestartAsync(request)) : DoWithDatabaseAsync(request, now)).ConfigureAwait(false);
            if (result.Outcome is ManualOutcome.Done or ManualOutcome.Failed or ManualOutcome.TimedOut)
            {
                Note(new Deed(now, request.Actor, request.Action, request.Database, result.Outcome == ManualOutcome.Done ? null : result.Sentence));
            }

            return result;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return new ManualResult(ManualOutcome.Refused, "Datasette is ending.");
        }
    }

    private Task<ManualResult> DoWithDatabaseAsync(ManualRequest request, DateTimeOffset now)
    {
        var plan = replication.Snapshot.Plan;
        var name = request.Database!;
        if (plan.Databases.FirstOrDefault(database => database.Name == name) is { } database)
        {
            return request.Action switch
            {
                ManualAction.Sync => SyncAsync(database, now),
                ManualAction.Check => CheckAsync(database, now),
                ManualAction.Verify => VerifyAsync(database),
                ManualAction.Pause => InTurnAsync(() => PauseAsync(name, request, now)),
                ManualAction.Register => Task.FromResult(new ManualResult(ManualOutcome.Refused, $"{name} is replicated already, to {Destinations(database)}.")),
                ManualAction.Unregister => InTurnAsync(() => UnregisterAsync(name)),
                ManualAction.Accept => Task.FromResult(Accept(database, request)),
                _ => InTurnAsync(() => ResumeAsync(name, request)),
            };
        }

        if (request.Action == ManualAction.Register)
        {
            return InTurnAsync(() => RegisterAsync(name, request));
        }

        return Task.FromResult(
            plan.Unreplicable.FirstOrDefault(one => one.Name == name) is { } unreplicable ? new ManualResult(ManualOutcome.Refused, $"{name} is not replicated: {unreplicable.Sentence}")
            : plan.Skipped.FirstOrDefault(one => one.Name == name) is { } skipped ? new ManualResult(ManualOutcome.NotFound, $"{name} is not replicated: {skipped.Reason}.")
            : new ManualResult(ManualOutcome.NotFound, $"There is no database {name}."));
    }

    private async Task<ManualResult> RestartAsync(ManualRequest request)
    {
        if (replication.Snapshot.Daemon is null)
        {
            return new ManualResult(ManualOutcome.Refused, "No database is replicated, so there is no Litestream to restart.");
        }

        var error = await replication.RestartAsync($"{request.Actor} restarted it by hand.").ConfigureAwait(false);
        return AfterRestart($"Litestream was restarted.", error);
    }

    private async Task<ManualResult> PauseAsync(string name, ManualRequest request, DateTimeOffset now)
    {
        if (_state.Pauses.TryGetValue(name, out var pause))
        {
            return new ManualResult(ManualOutcome.Refused, $"{name} is paused already, by {pause.Actor}.");
        }

        // Before Litestream ends, so that no look in between takes it for a fault.
        Change(state => state with { Pauses = state.Pauses.SetItem(name, new Pause(now, request.Actor)) });
        var error = await replication.PauseAsync(Paused(), $"{request.Actor} paused {name} by hand.").ConfigureAwait(false);
        return AfterRestart($"{name} is paused: what is written to it from now on is not replicated until it is resumed.", error);
    }

    private async Task<ManualResult> ResumeAsync(string name, ManualRequest request)
    {
        if (!_state.Pauses.ContainsKey(name))
        {
            return new ManualResult(ManualOutcome.Refused, $"{name} is not paused.");
        }

        var paused = Paused();
        paused.Remove(name);
        var error = await replication.PauseAsync(paused, $"{request.Actor} resumed {name} by hand.").ConfigureAwait(false);

        // Not before Litestream has it again.
        Change(state => state with { Pauses = state.Pauses.Remove(name) });
        return AfterRestart($"{name} is resumed.", error);
    }

    private async Task<ManualResult> RegisterAsync(string name, ManualRequest request)
    {
        if (await replication.ReplicateAsync(name, new ReplicationByHand(isReplicated: true, request.Replica)).ConfigureAwait(false) is { } problem)
        {
            return new ManualResult(ManualOutcome.Wrong, problem);
        }

        var plan = replication.Snapshot.Plan;
        if (plan.Databases.FirstOrDefault(database => database.Name == name) is { } database)
        {
            // It has no page before it was looked at.
            await WaitAsync(name, (_, _) => true, untilThere: true).ConfigureAwait(false);
            return new ManualResult(ManualOutcome.Done, $"{name} is replicated to {Destinations(database)} from now on. It is safe when its first copy is there.");
        }

        var reason = plan.Unreplicable.FirstOrDefault(one => one.Name == name)?.Sentence ?? "another process replicates it, or something else is at its file or its destination.";
        await replication.ReplicateAsync(name, new ReplicationByHand(isReplicated: false)).ConfigureAwait(false);
        return new ManualResult(ManualOutcome.Failed, $"{name} cannot be replicated: {reason}");
    }

    private ManualResult Accept(DatabasePlan database, ManualRequest request) =>
        replication.Snapshot.Admissions.GetValueOrDefault(database.Name)?.HeldBack is null ? new ManualResult(ManualOutcome.Refused, $"{database.Name} is not held back, so there is nothing to accept.")
        : replication.Accept(database, request.Actor) is { } problem ? new ManualResult(ManualOutcome.Failed, problem)
        : new ManualResult(ManualOutcome.Done, $"{database.Name} is accepted as it is, and replicated by a new snapshot from now on. What its backup had before can still be restored.");

    private async Task<ManualResult> UnregisterAsync(string name)
    {
        await replication.ReplicateAsync(name, new ReplicationByHand(isReplicated: false)).ConfigureAwait(false);

        // Its last changes come first.
        var seen = await WaitAsync(name, (_, _) => false).ConfigureAwait(false);
        return replication.Snapshot.Plan.Databases.All(database => database.Name != name)
            ? new ManualResult(ManualOutcome.Done, $"{name} is not replicated any more. What is at its destination stays there.")
            : new ManualResult(ManualOutcome.TimedOut, $"The last changes of {name} are not replicated yet, so its replication has not ended. That is tried again by itself.", seen);
    }

    private static string Destinations(DatabasePlan database) => string.Join(" and ", database.Replicas.Select(replica => replica.Destination));

    private HashSet<string> Paused() => _state.Pauses.Keys.ToHashSet(StringComparer.Ordinal);

    /// <summary>What is to be said after a restart that was done for something.</summary>
    private ManualResult AfterRestart(string sentence, string? error)
    {
        var daemon = replication.Snapshot.Daemon!;
        return daemon.State is not (DaemonState.Running or DaemonState.Idle)
            ? new ManualResult(ManualOutcome.Failed, $"{sentence} But Litestream does not run, and is tried again by itself. {daemon.LastFailure}".TrimEnd())
            : error is not null ? new ManualResult(ManualOutcome.Failed, $"{sentence} But before that: {error}")
            : new ManualResult(ManualOutcome.Done, sentence);
    }

    private async Task<ManualResult> SyncAsync(DatabasePlan database, DateTimeOffset now)
    {
        if (_state.Pauses.TryGetValue(database.Name, out var pause))
        {
            return new ManualResult(ManualOutcome.Refused, $"{database.Name} is paused, by {pause.Actor}, so it is not replicated. Resume it first.");
        }

        Change(state => state with { SyncsWanted = state.SyncsWanted.SetItem(database.Name, now) });
        var seen = await WaitAsync(database.Name, (seen, at) => IsSafe(seen, now) || seen.Reason == StateReason.NotKnownToBeBehind || IsHopeless(seen, at, now)).ConfigureAwait(false);

        // Somebody else may have wanted it since.
        Change(state => state.SyncsWanted.GetValueOrDefault(database.Name) == now ? state with { SyncsWanted = state.SyncsWanted.Remove(database.Name) } : state);
        return seen switch
        {
            null => new ManualResult(ManualOutcome.TimedOut, $"{database.Name} was not looked at within {Patience.TotalSeconds} s, so whether it is safe is not known.") { IsSafe = null },
            { Reason: StateReason.NotKnownToBeBehind } => new ManualResult(ManualOutcome.Done, $"Litestream 0.3 syncs {database.Name} by itself, and does not tell what is at the replica.", seen),
            _ when IsSafe(seen, now) => new ManualResult(ManualOutcome.Done, $"Everything that was written to {database.Name} until now is at each of its destinations.", seen) { IsSafe = true },
            _ => new ManualResult(ManualOutcome.TimedOut, $"Not everything that was written to {database.Name} until now is known to be safe.", seen) { IsSafe = false },
        };
    }

    private async Task<ManualResult> CheckAsync(DatabasePlan database, DateTimeOffset now)
    {
        if (replication.Snapshot.Binary.Version.ReleaseLine == ReleaseLine.V03)
        {
            return new ManualResult(ManualOutcome.Refused, "Litestream 0.3 cannot be asked what lies at a destination.");
        }

        Change(state => state with { ChecksWanted = state.ChecksWanted.SetItem(database.Name, now) });
        var seen = await WaitAsync(database.Name, (seen, _) => seen.Judgements.Count > 0 && seen.Judgements.All(one => one.Check?.At >= now)).ConfigureAwait(false);
        Change(state => state.ChecksWanted.GetValueOrDefault(database.Name) == now ? state with { ChecksWanted = state.ChecksWanted.Remove(database.Name) } : state);
        var judged = seen?.Judgements.Where(one => one.Check?.At >= now).ToList() ?? [];
        var sentence = string.Join(' ', judged.Select(Describe));
        return judged.Count == 0 || judged.Count < seen!.Judgements.Count
            ? new ManualResult(ManualOutcome.TimedOut, $"Not every destination of {database.Name} could be checked within {Patience.TotalSeconds} s. {sentence}".TrimEnd(), seen)
            : new ManualResult(judged.TrueForAll(one => one.Check!.IsWhole) ? ManualOutcome.Done : ManualOutcome.Failed, sentence, seen);
    }

    private async Task<ManualResult> VerifyAsync(DatabasePlan database)
    {
        try
        {
            var drills = await replication.VerifyAsync(database.Name).WaitAsync(Patience, time, _stopping.Token).ConfigureAwait(false);
            var sentence = string.Join(' ', drills.Select(drill => $"{drill.Replica.Destination}: {drill.Result.Sentence}"));
            return drills.Count == 0 ? new ManualResult(ManualOutcome.Refused, $"{database.Name} has not been looked at yet. Try again in a few seconds.")
                : new ManualResult(drills.All(drill => drill.Result.IsProof) ? ManualOutcome.Done : ManualOutcome.Failed, sentence);
        }
        catch (TimeoutException)
        {
            return new ManualResult(ManualOutcome.TimedOut, $"The drill of {database.Name} takes longer than {Patience.TotalSeconds} s. It goes on, and the page of {database.Name} tells how it ends.");
        }
    }

    private static string Describe(DestinationJudgement judgement) => judgement.Check! switch
    {
        { IsWhole: true, RestorableUpTo: { } txid } => $"The backup at {judgement.Replica.Destination} can be restored up to transaction {txid}.",
        { IsWhole: true } => $"The backup at {judgement.Replica.Destination} can be restored.",
        { Error: { } error } => $"{judgement.Replica.Destination} did not answer: {error}.",
        { Problem: { } problem } => $"The backup at {judgement.Replica.Destination} cannot be relied on: {problem}.",
        _ => $"There is no backup at {judgement.Replica.Destination}.",
    };

    /// <summary>Whether everything that was written until a time is at each destination.</summary>
    private static bool IsSafe(DatabaseObservation seen, DateTimeOffset until) =>
        seen.State is DatabaseState.Replicating or DatabaseState.Unverified && seen.Evidence.ReplicatedUntil >= until;

    /// <summary>Whether waiting longer is of no use.</summary>
    private static bool IsHopeless(DatabaseObservation seen, DateTimeOffset at, DateTimeOffset since) =>
        seen.State is DatabaseState.Failing or DatabaseState.Stopped && at - since > BadPatience;

    /// <summary>Waits until a database is seen as expected, or until nobody wants to wait any longer.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isOver">Whether it is as expected, with the time of that look.</param>
    /// <param name="untilThere">Whether to wait for a database that is not there, too.</param>
    /// <returns>The database as it was last seen; null if it was not.</returns>
    private async Task<DatabaseObservation?> WaitAsync(string name, Func<DatabaseObservation, DateTimeOffset, bool> isOver, bool untilThere = false)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _stopping.Token);
        DatabaseObservation? seen = null;
        try
        {
            while (true)
            {
                var observed = await Volatile.Read(ref _nextSample).Task.WaitAsync(waiting.Token).ConfigureAwait(false);
                seen = observed.Databases.FirstOrDefault(database => database.Plan.Name == name);
                if (seen is null ? !untilThere : isOver(seen, observed.At))
                {
                    return seen;
                }
            }
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            return seen;
        }
    }

    private async Task<ManualResult> InTurnAsync(Func<Task<ManualResult>> act)
    {
        await _turn.WaitAsync(_stopping.Token).ConfigureAwait(false);
        try
        {
            return await act().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private void Change(Func<ManualState, ManualState> change)
    {
        lock (_changing)
        {
            _state = change(_state);
        }
    }

    private static TaskCompletionSource<ObservedDatabases> NewSample() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
