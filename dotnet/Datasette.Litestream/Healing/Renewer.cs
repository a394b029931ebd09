using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Replicates databases anew whose faults can be mended without their owner: Litestream leaves them alone, they are prepared, Litestream
/// takes them up again, and a restore shows that the new backup is whole. One task does all of it and owns its state; other
/// threads hand it observations, and read <see cref="Renewals"/>, which is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Renewer
{
    /// <summary>A fault that comes again within this time after its renewal is renewed only after a delay.</summary>
    private static readonly TimeSpan QuietTime = TimeSpan.FromMinutes(10);

    /// <summary>The delays before another try after one that failed.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(5), MaxRetryDelay = TimeSpan.FromMinutes(5);

    /// <summary>How often old backups that were moved aside are looked for.</summary>
    private static readonly TimeSpan CleaningInterval = TimeSpan.FromHours(1);

    private readonly IReplicationControl _control;
    private readonly DatabaseRenewal _renewal;
    private readonly ReplicaProbe _probe;
    private readonly TimeProvider _time;
    private readonly Func<string, string> _redact;
    private readonly Dictionary<string, Case> _cases = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;
    private HashSet<string> _leftAlone = [];

    /// <summary>
    /// The databases that another Litestream on this machine had open, or whose destination was taken over from another machine: what
    /// it has left there can be mended once it has ended. Whoever else writes there may go on, so that is not mended.
    /// </summary>
    private readonly HashSet<string> _shared = new(StringComparer.Ordinal);

    private readonly ConcurrentQueue<string> _takenOver = new();
    private DateTimeOffset _cleanedAt = DateTimeOffset.MinValue;

    // Only the latest observation matters.
    private readonly Channel<ObservedDatabases> _observations =
        Channel.CreateBounded<ObservedDatabases>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    private volatile ImmutableDictionary<string, Renewal> _renewals = ImmutableDictionary<string, Renewal>.Empty;

    /// <param name="control">The replication.</param>
    /// <param name="renewal">Prepares a database.</param>
    /// <param name="probe">Restores the new backup.</param>
    /// <param name="time">The clock.</param>
    /// <param name="redact">Takes secrets out of what others say.</param>
    public Renewer(IReplicationControl control, DatabaseRenewal renewal, ReplicaProbe probe, TimeProvider time, Func<string, string> redact)
    {
        (_control, _renewal, _probe, _time, _redact) = (control, renewal, probe, time, redact);
        _running = Task.Run(RunAsync);
    }

    /// <summary>The renewals that are under way, by Datasette's names of the databases.</summary>
    public ImmutableDictionary<string, Renewal> Renewals => _renewals;

    /// <summary>Takes an observation; returns at once.</summary>
    public void Consider(ObservedDatabases observed) => _observations.Writer.TryWrite(observed);

    /// <summary>
    /// Tells that the destination of a database was taken over from another machine, whose last file may still arrive there. Any thread
    /// may call it.
    /// </summary>
    public void TakeOver(string name) => _takenOver.Enqueue(name);

    /// <summary>Stops renewing, kills a child that runs, and completes when nothing is under way any more.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        try
        {
            await foreach (var observed in _observations.Reader.ReadAllAsync(_stopping.Token).ConfigureAwait(false))
            {
                await ConsiderAsync(observed).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task ConsiderAsync(ObservedDatabases observed)
    {
        if (_time.GetUtcNow() - _cleanedAt >= CleaningInterval)
        {
            _cleanedAt = _time.GetUtcNow();
            foreach (var database in observed.Databases)
            {
                await _renewal.DeleteExpiredAsync(database.Plan, _stopping.Token).ConfigureAwait(false);
            }
        }

        while (_takenOver.TryDequeue(out var taken))
        {
            _shared.Add(taken);
        }

        if (_cases.Keys.Except(observed.Databases.Select(database => database.Plan.Name)).ToList() is { Count: > 0 } detached)
        {
            detached.ForEach(name => _cases.Remove(name));
            Publish();
        }

        var due = new List<Case>();
        foreach (var database in observed.Databases.Where(database => !_control.IsServedElsewhere(database.Plan)))
        {
            var name = database.Plan.Name;
            var isShared = database.Warnings is { Count: > 0 };
            if (isShared)
            {
                _shared.Add(name);
            }

            _cases.TryGetValue(name, out var known);
            if (known is { IsOver: false, IsPrepared: false })
            {
                // A file that is gone or cannot be looked at is waited for, and so is the right to write.
                AddIfDue(known, database.Reason is not (StateReason.FileMissing or StateReason.FileUnreadable) && !database.IsForbidden);
            }
            else if (known is { IsOver: false } && database.ConfirmedAt > known.Renewal.RenewedAt && _time.GetUtcNow() >= known.NextTryAt)
            {
                await VerifyAsync(known, database.Plan).ConfigureAwait(false);
            }
            else if ((Renewal.Mends(database.Reason) && !database.IsBeingProven) || (database.Reason == StateReason.OtherWriter && !isShared && _shared.Remove(name)))
            {
                known ??= new Case(name);
                known.Begin(database.Reason, _time.GetUtcNow());
                _cases[name] = known;
                AddIfDue(known, true);
            }
        }

        if (due.Count > 0)
        {
            await RenewAsync(due).ConfigureAwait(false);
        }

        void AddIfDue(Case candidate, bool isPossible)
        {
            if (isPossible && _time.GetUtcNow() >= candidate.NextTryAt)
            {
                due.Add(candidate);
            }
        }
    }

    private async Task RenewAsync(List<Case> due)
    {
        Publish();
        await LeaveAloneAsync($"Litestream leaves {Names(due)} alone until {(due.Count == 1 ? "it is" : "they are")} prepared to be replicated anew.").ConfigureAwait(false);
        foreach (var one in due)
        {
            string? error;
            try
            {
                var database = _control.TakeServedFile(one.Name);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, _control.WhileWriting(database));
                if (one.Renewal.Cause is StateReason.FileReplaced or StateReason.FileOverwritten && await _control.TryHoldBackAsync(database, either.Token).ConfigureAwait(false))
                {
                    _cases.Remove(one.Name);
                    continue;
                }

                error = await _renewal.PrepareAsync(database, one.Renewal.Cause, either.Token).ConfigureAwait(false);
                if (error is null)
                {
                    _control.Recognize(database);
                }
            }
            catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
            {
                error = "another Datasette may write to the destination now";
            }
            catch (Exception ex) when (ex is not OperationCanceledException)
            {
                error = ex is ReplicationException ? ex.Message : _redact(ex.Message);
            }

            if (error is null)
            {
                one.Prepared();
            }
            else
            {
                one.Failed(error, _time.GetUtcNow());
            }
        }

        // One that is held back is another's matter.
        var ready = due.FindAll(one => one.IsPrepared || !_cases.ContainsKey(one.Name));
        if (ready.Count > 0)
        {
            await LeaveAloneAsync($"Litestream replicates {Names(ready)} anew.").ConfigureAwait(false);
            ready.FindAll(one => one.IsPrepared).ForEach(one => one.Renewed(_time.GetUtcNow()));
        }

        Publish();
    }

    /// <summary>A new backup counts when it was restored.</summary>
    private async Task VerifyAsync(Case renewed, DatabasePlan database)
    {
        var restored = await _probe.RestoreAsync(database, Path.GetTempPath(), _stopping.Token).ConfigureAwait(false);
        if (restored.IsWhole)
        {
            _control.Renewed(database);
            renewed.Over(_time.GetUtcNow());
        }
        else if (!restored.IsAnswered)
        {
            // There is no room for it, or the destination does not answer: the restore is tried again, not the renewal.
            renewed.Failed(restored.Error!, _time.GetUtcNow());
        }
        else
        {
            renewed.Begin(StateReason.BackupDamaged, _time.GetUtcNow());
            renewed.Failed(restored.Problem!, _time.GetUtcNow());
        }

        Publish();
    }

    /// <summary>Has Litestream leave alone what is not prepared; the others are not interrupted for what is so already.</summary>
    private async Task LeaveAloneAsync(string message)
    {
        var unprepared = Unprepared();
        if (!unprepared.SetEquals(_leftAlone))
        {
            _leftAlone = unprepared;
            await _control.RestartWithoutAsync(LeaveOutReason.Renewal, unprepared, message).ConfigureAwait(false);
        }
    }

    private HashSet<string> Unprepared() => _cases.Values.Where(one => one is { IsOver: false, IsPrepared: false }).Select(one => one.Name).ToHashSet(StringComparer.Ordinal);

    private void Publish() => _renewals = _cases.Where(one => !one.Value.IsOver).ToImmutableDictionary(one => one.Key, one => one.Value.Renewal, StringComparer.Ordinal);

    private static string Names(IEnumerable<Case> cases) => string.Join(", ", cases.Select(one => one.Name));

    /// <summary>One database's way through its renewals.</summary>
    private sealed class Case(string name)
    {
        private readonly Backoff _backoff = new(MinRetryDelay, MaxRetryDelay);
        private DateTimeOffset? _overSince;

        public string Name { get; } = name;

        /// <summary>What is published of it.</summary>
        public Renewal Renewal { get; private set; } = new(StateReason.BackupDamaged, default);

        /// <summary>Whether the last renewal was seen to be whole.</summary>
        public bool IsOver => _overSince is not null;

        /// <summary>Whether Litestream may work on the database.</summary>
        public bool IsPrepared { get; private set; }

        public DateTimeOffset NextTryAt { get; private set; }

        public void Begin(StateReason cause, DateTimeOffset now)
        {
            if (_overSince is { } over)
            {
                if (now - over >= QuietTime)
                {
                    _backoff.Reset();
                }
                else
                {
                    NextTryAt = now + _backoff.Next();
                }

                Renewal = new Renewal(cause, now);
            }
            else
            {
                Renewal = Renewal.Since == default ? new Renewal(cause, now) : Renewal with { Cause = cause, RenewedAt = null };
            }

            (_overSince, IsPrepared) = (null, false);
        }

        public void Prepared() => IsPrepared = true;

        public void Renewed(DateTimeOffset now) => Renewal = Renewal with { RenewedAt = now, Error = null };

        public void Over(DateTimeOffset now) => _overSince = now;

        public void Failed(string error, DateTimeOffset now)
        {
            NextTryAt = now + _backoff.Next();
            Renewal = Renewal with { Error = error };
        }
    }
}
