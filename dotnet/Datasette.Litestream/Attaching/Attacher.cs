using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Attaching;

/// <summary>
/// Has those databases replicated that Datasette serves, while they come and go. The plan is the truth: what is attached is in it before
/// Litestream is told, and what is detached stays in it until its last changes are known to be at the replica. One task does all of it,
/// one step after the other, so that many changes at once are one; any thread may ask for a change, and read what is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Attacher
{
    /// <summary>How long the last changes of a database that was detached are waited for, at each try.</summary>
    private static readonly TimeSpan LastSyncTimeout = TimeSpan.FromSeconds(5);

    /// <summary>The delays before another try.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(2), MaxRetryDelay = TimeSpan.FromMinutes(1);

    /// <summary>How often it is tried to work beside a database where that was not possible.</summary>
    private static readonly TimeSpan UnusableInterval = TimeSpan.FromSeconds(10);

    /// <summary>How many departures are kept in mind.</summary>
    private const int MaxDepartures = 20;

    private const int MaxNames = 3;

    private readonly IAttachmentControl _control;
    private readonly TimeProvider _time;
    private readonly Lock _sync = new();
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;
    private DatasetteConfiguration _wanted;
    private List<TaskCompletionSource> _waiting = [];
    private volatile ImmutableDictionary<string, Detaching> _detaching = ImmutableDictionary.Create<string, Detaching>(StringComparer.Ordinal);
    private volatile ImmutableDictionary<string, string> _servedPaths;
    private volatile ImmutableHashSet<string> _attaching = ImmutableHashSet.Create<string>(StringComparer.Ordinal);

    // Only the task uses the following.
    private readonly Dictionary<string, Leave> _leaves = new(StringComparer.Ordinal);
    private ImmutableList<Departure> _departures = [];
    private DateTimeOffset _unusableAt;
    private int _attachments;

    /// <summary>Whether the last step failed.</summary>
    private bool _isBehind;

    /// <param name="control">The replication.</param>
    /// <param name="configuration">Datasette's configuration at the start, which is replicated.</param>
    /// <param name="isPrepared">Completes when Litestream may be told something.</param>
    /// <param name="time">The clock.</param>
    public Attacher(IAttachmentControl control, DatasetteConfiguration configuration, Task isPrepared, TimeProvider time)
    {
        (_control, _wanted, _time, _servedPaths) = (control, configuration, time, PathsOf(configuration));
        _unusableAt = time.GetUtcNow();
        _running = Task.Run(() => RunAsync(isPrepared));
    }

    /// <summary>The databases that Datasette does not serve any more, and that are still replicated, by name.</summary>
    public ImmutableDictionary<string, Detaching> Detaching => _detaching;

    /// <summary>Where Datasette serves its databases now, by name. What is replicated follows later.</summary>
    public ImmutableDictionary<string, string> ServedPaths => _servedPaths;

    /// <summary>The names of the databases that were just attached, of which Litestream has not been told yet.</summary>
    public ImmutableHashSet<string> Attaching => _attaching;

    /// <summary>Has other databases replicated, or in another way.</summary>
    /// <param name="change">Makes the wanted configuration of the last one; called at once, and must not block.</param>
    /// <returns>Completes when Litestream was told; what was detached may still be replicated. Cancelled at the end of replication.</returns>
    public Task ChangeAsync(Func<DatasetteConfiguration, DatasetteConfiguration> change)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_sync)
        {
            _wanted = change(_wanted);
            _servedPaths = PathsOf(_wanted);
            _waiting.Add(done);
        }

        _changed.Writer.TryWrite(true);
        return done.Task.WaitAsync(_stopping.Token);
    }

    /// <summary>Stops; what was not done stays as it is.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync(Task isPrepared)
    {
        try
        {
            await isPrepared.WaitAsync(_stopping.Token).ConfigureAwait(false);
            while (true)
            {
                await WaitAsync().ConfigureAwait(false);
                DatasetteConfiguration wanted;
                List<TaskCompletionSource> waiting;
                lock (_sync)
                {
                    (wanted, waiting, _waiting) = (_wanted, _waiting, []);
                }

                try
                {
                    await StepAsync(wanted).ConfigureAwait(false);
                }
                catch (Exception ex) when (ex is not OperationCanceledException || !_stopping.IsCancellationRequested)
                {
                    // Nobody awaits this task; the next change, or the next try, may succeed.
                    _control.Tell($"The databases that Datasette serves could not be followed: {ex.Message.TrimEnd('.')}. It is tried again.", isWarning: true);
                    _unusableAt = _time.GetUtcNow();
                    _isBehind = true;
                }

                waiting.ForEach(one => one.TrySetResult());
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <summary>Waits for a change, or until another try is due.</summary>
    private async Task WaitAsync()
    {
        var now = _time.GetUtcNow();
        var due = _leaves.Values.Select(leave => leave.NextTryAt).Concat(_isBehind || !_control.Unusable.IsEmpty ? [_unusableAt + UnusableInterval] : []).ToList();
        if (due.Count > 0 && due.Min() <= now)
        {
            return;
        }

        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var changed = _changed.Reader.ReadAsync(waiting.Token).AsTask();
        await Task.WhenAny(changed, Task.Delay(due.Count > 0 ? due.Min() - now : Timeout.InfiniteTimeSpan, _time, waiting.Token)).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        _stopping.Token.ThrowIfCancellationRequested();
    }

    private async Task StepAsync(DatasetteConfiguration wanted)
    {
        _isBehind = false;
        var (now, plan, target) = (_time.GetUtcNow(), _control.Plan, _control.PlanFor(wanted));
        var served = target.Databases.ToDictionary(database => database.Name, StringComparer.Ordinal);
        foreach (var database in plan.Databases)
        {
            if (served.TryGetValue(database.Name, out var same) && IsSame(database, same))
            {
                _leaves.Remove(database.Name);
            }
            else
            {
                _leaves.TryAdd(database.Name, new Leave(now));
            }
        }

        // A destination, and a file, are one database's at a time: what is detached goes first.
        var added = target.Databases
            .Where(database => !plan.Databases.Any(known => known.Name == database.Name || known.Path == database.Path || known.Replicas.Any(replica => database.Replicas.Any(other => other.Identity == replica.Identity))))
            .Select(database => database with { Attachment = ++_attachments })
            .ToImmutableArray();
        ImmutableArray<DatabasePlan> prepared = added;
        if (now >= _unusableAt + UnusableInterval)
        {
            _unusableAt = now;
            prepared = [.. added, .. _control.Unusable];
        }

        _attaching = [.. prepared.Select(database => database.Name)];
        _control.LeaveOut(LeaveOutReason.Attaching, _attaching);
        Publish();
        ImmutableArray<SkippedDatabase> skipped = [.. target.Skipped, .. _departures.Select(departure => departure.Listed)];
        if (added.Length > 0 || !skipped.SequenceEqual(plan.Skipped) || !target.Unreplicable.SequenceEqual(plan.Unreplicable) || !target.Warnings.SequenceEqual(plan.Warnings))
        {
            _control.Replan(plan with
            {
                Databases = plan.Databases.AddRange(added),
                Skipped = skipped,
                Unreplicable = target.Unreplicable,
                Warnings = target.Warnings,
                Secrets = target.Secrets,
                AccessKeyIds = target.AccessKeyIds,
            });
        }

        if (prepared.Length > 0)
        {
            await PrepareAsync(prepared).ConfigureAwait(false);
        }

        _control.LeaveOut(LeaveOutReason.Attaching, []);
        var leaving = plan.Databases.Where(database => _leaves.TryGetValue(database.Name, out var leave) && leave.NextTryAt <= now).ToList();
        if (prepared.Length > 0)
        {
            // Those that were detached may take seconds.
            await ApplyAsync($"Datasette has attached {Names(added)}.").ConfigureAwait(false);
            _attaching = _attaching.Clear();
        }

        if (leaving.Count > 0 && await LeaveAsync(leaving).ConfigureAwait(false))
        {
            // Something else may have waited for that.
            _changed.Writer.TryWrite(true);
        }
    }

    private async Task PrepareAsync(ImmutableArray<DatabasePlan> databases)
    {
        try
        {
            await _control.PrepareAsync(databases, _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception ex) when (!_stopping.IsCancellationRequested)
        {
            // Litestream does the rest, or says why it cannot.
            _control.Tell($"{Names(databases)} could not be prepared for Litestream: {ex.Message}", isWarning: true);
        }
    }

    /// <summary>Has Litestream leave databases alone that Datasette does not serve any more, once they are safe.</summary>
    /// <returns>Whether it does so with any.</returns>
    private async Task<bool> LeaveAsync(List<DatabasePlan> leaving)
    {
        var gone = leaving.FindAll(database => !File.Exists(database.Path) || _control.IsNotOurs(database));
        var rest = leaving.Except(gone).ToList();
        var open = rest.Count == 0 ? ImmutableDictionary<string, string>.Empty : await _control.ConfirmAsync(rest, LastSyncTimeout, _stopping.Token).ConfigureAwait(false);
        var ready = leaving.FindAll(database => !open.ContainsKey(database.Name));
        var errors = open.ToDictionary(StringComparer.Ordinal);
        if (ready.Count > 0)
        {
            _control.LeaveOut(LeaveOutReason.Detaching, ready.Select(database => database.Name));
            var result = await ApplyAsync($"Datasette has detached {Names(ready)}.").ConfigureAwait(false);
            foreach (var failed in ready.Except(gone).Where(database => result.NotReplicated.Contains(database.Path) && File.Exists(database.Path)))
            {
                errors[failed.Name] = result.Error ?? "Litestream could not end the replication";
            }

            var done = ready.FindAll(database => !errors.ContainsKey(database.Name));
            done.ForEach(Depart);
            await _control.RemoveAsync(done).ConfigureAwait(false);
            _control.LeaveOut(LeaveOutReason.Detaching, []);
            if (done.Count < ready.Count)
            {
                await ApplyAsync($"The last changes of {Names(ready.Except(done))} are not replicated yet.").ConfigureAwait(false);
            }
        }

        foreach (var (name, error) in errors)
        {
            _leaves[name].Failed(error, _time.GetUtcNow());
        }

        Publish();
        return errors.Count < leaving.Count;
    }

    private void Depart(DatabasePlan database)
    {
        _leaves.Remove(database.Name);
        if (_control.IsNotOurs(database))
        {
            return;
        }

        if (File.Exists(database.Path))
        {
            _control.Tell($"The database {database.Name} was detached, and everything written to it is at the replica.");
            return;
        }

        var departure = new Departure(database.Name, database.Path, _time.GetUtcNow(), _control.SafeUntil(database.Name));
        _departures = [.. _departures.TakeLast(MaxDepartures - 1), departure];
        _control.Tell($"{database.Name} ({database.Path}): {departure.Clause}.", isWarning: true);
    }

    private Task<StopResult> ApplyAsync(string message) => _control.ApplyAsync(message).WaitAsync(_stopping.Token);

    private void Publish() => _detaching = _leaves.ToImmutableDictionary(leave => leave.Key, leave => new Detaching(leave.Value.Since, leave.Value.Error), StringComparer.Ordinal);

    private static ImmutableDictionary<string, string> PathsOf(DatasetteConfiguration configuration) =>
        configuration.Databases.Where(database => database.ServedPath is not null).ToImmutableDictionary(database => database.Name, database => database.ServedPath!, StringComparer.Ordinal);

    private static bool IsSame(DatabasePlan one, DatabasePlan other) =>
        one.ServedPath == other.ServedPath && one.Replicas.Select(replica => replica.Identity).SequenceEqual(other.Replicas.Select(replica => replica.Identity));

    private static string Names(IEnumerable<DatabasePlan> databases)
    {
        var names = databases.Select(database => database.Name).ToList();
        return names.Count <= MaxNames ? string.Join(", ", names) : $"{string.Join(", ", names.Take(MaxNames))} and {names.Count - MaxNames} more";
    }

    /// <summary>A database that is to be left alone.</summary>
    /// <param name="since">Since when.</param>
    private sealed class Leave(DateTimeOffset since)
    {
        private readonly Backoff _backoff = new(MinRetryDelay, MaxRetryDelay);

        public DateTimeOffset Since { get; } = since;

        public DateTimeOffset NextTryAt { get; private set; } = since;

        public string? Error { get; private set; }

        public void Failed(string error, DateTimeOffset now) => (Error, NextTryAt) = (error, now + _backoff.Next());
    }
}
