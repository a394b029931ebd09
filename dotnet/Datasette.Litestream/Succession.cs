using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Manual;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Standby;

namespace Datasette.Litestream;

/// <summary>
/// The replication of one Datasette among other processes that serve the same databases. Whoever has the lock of a database replicates
/// it, for a <see cref="Term"/>; who has not stands by, and takes over when it can take the lock. A database's lock is never waited
/// for while another one is held that somebody else may wait for: each is tried, and each database is replicated by itself, so that
/// two processes with different databases cannot keep each other from replicating. The same holds for databases that are attached later.
/// <para>
/// Before it is started its caller owns all state; then one task does, until the stop; after it <see cref="StopAsync"/> does. Any thread
/// may read <see cref="Reporter"/>, say what is served, and ask for something by hand.
/// </para>
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Succession
{
    /// <summary>How often a lock is tried. With many databases some are each time, each once in <see cref="TriesPerRound"/> times.</summary>
    private static readonly TimeSpan TryInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// As soon as one lock is free, all are tried; so this is the time for one that is given up by a process that keeps others. Of a
    /// thousand, 50 are tried at a time, which takes about half a millisecond.
    /// </summary>
    private const int TriesPerRound = 20;

    /// <summary>How often it is looked who replicates, which is read from the reports: of a thousand databases that takes some milliseconds.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(3);

    /// <summary>How long the other locks of a process that has died take to be free.</summary>
    private static readonly TimeSpan ReleaseTime = TimeSpan.FromMilliseconds(20);

    /// <summary>The delays before the next try to take over, after one that failed.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(30);

    private readonly Action<string> _writeError;
    private readonly Action<string> _onFatal;
    private readonly DatabaseLocks _locks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Backoff _retryDelay = new(MinRetryDelay, MaxRetryDelay, Random.Shared);
    private readonly StandbyReporter _standbyReporter;
    private readonly StandbyView _view = new();
    private readonly Dictionary<string, IDisposable> _audiences = new(StringComparer.Ordinal);
    private readonly OperatorLog _log;
    private readonly Lock _serving = new();
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>The databases beside which Litestream could not work at the last try.</summary>
    private readonly HashSet<string> _unusable = new(StringComparer.Ordinal);

    /// <summary>What this Datasette would replicate, until it replicates anything.</summary>
    private volatile ReplicationSetup _setup;
    private volatile Term? _term;
    private volatile IReadOnlyList<AttachedDatabase>? _served;
    private volatile string? _failure;
    private Task _waiting = Task.CompletedTask;
    private long? _lastLook;
    private int _nextTry;

    private Succession(ReplicationSetup setup, Action<string> writeError, Action onFatal)
    {
        (_setup, _writeError) = (setup, writeError);
        _onFatal = message =>
        {
            OperatorLog.Write(LogLevel.Error, $"{message} Datasette ends.");
            onFatal();
        };
        _log = new OperatorLog(setup.Plan.LogLevel, writeError);
        _standbyReporter = new StandbyReporter(() => Standby, () => _setup.Plan, () => _failure is { } failure ? [failure] : [], Time);
    }

    /// <summary>The term; null while another process replicates everything.</summary>
    public Term? Term => _term;

    /// <summary>Tells how the databases are replicated.</summary>
    public IReporter Reporter => _term switch
    {
        null => _standbyReporter,
        { Replicator.Others.Count: 0 } term => term.Reporter,
        var term => new PartlyReporter(term.Reporter, _standbyReporter),
    };

    /// <summary>The clock.</summary>
    public TimeProvider Time => _setup.Host.Time;

    /// <summary>The log for the operator.</summary>
    public OperatorLog OperatorLog => _term?.Replicator.OperatorLog ?? _log;

    /// <summary>The databases for which this Datasette stands by.</summary>
    private IReadOnlyList<DatabasePlan> Standby => _term?.Replicator.Others ?? _setup.Plan.Databases;

    /// <summary>How long the end may take.</summary>
    public TimeSpan ShutdownTimeout => _setup.Plan.ShutdownTimeout;

    /// <summary>Starts to replicate what nobody else replicates, and stands by for the rest.</summary>
    /// <param name="setup">What is to be replicated.</param>
    /// <param name="writeError">Receives the lines for standard error, with their line breaks.</param>
    /// <param name="onFatal">Called when replication cannot continue and Datasette must end, after the reason was logged.</param>
    /// <exception cref="ReplicationException">It cannot start; no process is left running.</exception>
    public static async Task<Succession> StartAsync(ReplicationSetup setup, Action<string> writeError, Action onFatal)
    {
        var succession = new Succession(setup, writeError, onFatal);
        try
        {
            await succession.StartAsync().ConfigureAwait(false);
        }
        catch
        {
            succession._locks.Release();
            throw;
        }

        return succession;
    }

    /// <inheritdoc cref="Replicator.ServeAsync"/>
    public void Serve(IReadOnlyList<AttachedDatabase> served)
    {
        lock (_serving)
        {
            _served = served;
            _ = _term?.Replicator.ServeAsync(served);
        }

        Wake();
    }

    /// <summary>Whether this Datasette replicates a database.</summary>
    /// <param name="name">Its name.</param>
    public bool Replicates(string? name) => _term?.Replicator.Plan.Databases.Any(database => database.Name == name) == true;

    /// <summary>Does what somebody asks for by hand, which only who replicates can do.</summary>
    public Task<ManualResult> DoAsync(ManualRequest request) =>
        AskAsync(request.Database, replicator => replicator.DoAsync(request), refusal => refusal);

    /// <summary>Restores a database for a download, which only who replicates can do.</summary>
    public Task<DownloadResult> DownloadAsync(DownloadRequest request) =>
        AskAsync(request.Database, replicator => replicator.Downloads.RestoreAsync(request), refusal => new DownloadResult(refusal));

    private async Task<T> AskAsync<T>(string? name, Func<Replicator, Task<T>> ask, Func<ManualResult, T> refuse)
    {
        var standby = Standby;
        var asked = standby.Where(database => database.Name == name).ToList();
        return _term is { } term && asked.Count == 0 ? await ask(term.Replicator).ConfigureAwait(false)
            : standby.Count == 0 ? refuse(new ManualResult(ManualOutcome.Refused, "Nothing that can be replicated is served."))
            : refuse(new ManualResult(ManualOutcome.Refused, $"{Describe(_view.Look(asked.Count > 0 ? asked : standby))} Ask that one."));
    }

    /// <summary>Ends replication, and lets others take over.</summary>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="onLong">See <see cref="Term.EndAsync"/>.</param>
    /// <param name="hurry">See <see cref="Term.EndAsync"/>.</param>
    public async Task StopAsync(TimeSpan timeout, Action? onLong, CancellationToken hurry)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _waiting.ConfigureAwait(false);
        LeaveAudiences(_ => true);
        await (_term?.EndAsync(timeout, () => InTurnAsync(_locks.HandOver), () => InTurnAsync(_locks.RemoveRecords), onLong, hurry) ?? InTurnAsync(_locks.Release)).ConfigureAwait(false);
    }

    private async Task InTurnAsync(Action act)
    {
        using var turn = await Turn.TakeAsync(Paths, Time).ConfigureAwait(false);
        act();
    }

    private IEnumerable<string> Paths => (_term?.Replicator.Plan.Databases ?? []).Concat(Standby).Select(database => database.Path);

    private async Task StartAsync()
    {
        using (await Turn.TakeAsync(Paths, Time).ConfigureAwait(false))
        {
            foreach (var database in _setup.Plan.Databases)
            {
                TryTake(database);
            }
        }

        var mine = Mine;
        if (!mine.IsEmpty || _setup.Plan.Databases.IsEmpty)
        {
            _term = await StartTermAsync(mine, isTakeOver: false).ConfigureAwait(false);
        }

        if (Standby is { Count: > 0 } standby)
        {
            OperatorLog.Write(LogLevel.Info, $"{Describe(_view.Look(standby))} It takes over when that one ends.");
        }

        _waiting = Task.Run(WaitAsync);
    }

    /// <summary>The databases that are this Datasette's to replicate; beside some of them that may be impossible, which is shown.</summary>
    private ImmutableHashSet<string> Mine => _locks.Names.Union(_unusable);

    private Task<Term> StartTermAsync(ImmutableHashSet<string> mine, bool isTakeOver) =>
        Term.StartAsync(_setup.For(mine), _locks, _writeError, _onFatal, isTakeOver, Wake);

    private void Wake() => _changed.Writer.TryWrite(true);

    private static string Describe(IReadOnlyList<StandbyDatabase> standing)
    {
        var what = standing.Count == 1 ? standing[0].Plan.Name : $"{standing.Count} databases, such as {standing[0].Plan.Name}";
        return $"This Datasette stands by; {standing[0].By.Holder} replicates {what}.";
    }

    private async Task WaitAsync()
    {
        try
        {
            while (true)
            {
                await TryStepAsync().ConfigureAwait(false);
                await Task.Delay(TryInterval, Time, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task TryStepAsync()
    {
        try
        {
            await StepAsync().ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            // Nobody awaits this task before the stop, and the next try may succeed.
            await FailAsync(ex).ConfigureAwait(false);
        }
    }

    private async Task StepAsync()
    {
        if (_term is null)
        {
            Replan();
        }
        else if (Standby.Count == 0)
        {
            LeaveAudiences(_ => true);
            await _changed.Reader.ReadAsync(_stopping.Token).ConfigureAwait(false);
            return;
        }

        // A new holder is known by its record, which it writes when its Litestream runs.
        if (_lastLook is not { } last || Time.GetElapsedTime(last) >= LookInterval)
        {
            JoinAudiences();
            _lastLook = Time.GetTimestamp();
        }

        // Where nothing is served any more there is nobody to wait for.
        if (Standby.Count == 0 || await TryTakeAsync().ConfigureAwait(false))
        {
            await TakeOverAsync().ConfigureAwait(false);
        }
    }

    private async Task FailAsync(Exception error)
    {
        _failure = $"This Datasette could not take over: {error.Message}";
        OperatorLog.Write(LogLevel.Error, _failure);
        await Task.Delay(_retryDelay.Next(), Time, _stopping.Token).ConfigureAwait(false);
    }

    /// <summary>Follows what Datasette serves, until there is a term that does.</summary>
    private void Replan()
    {
        if (_served is { } served && served != _setup.Configuration.Databases)
        {
            _setup = _setup.Serving(served);
        }
    }

    /// <summary>Tries some of the locks, and all of them once one is free.</summary>
    /// <returns>Whether any was taken.</returns>
    private async Task<bool> TryTakeAsync()
    {
        var standby = Standby;
        using var turn = Turn.TryTake(Paths);
        if (turn is null)
        {
            return false;
        }

        var count = Math.Max(1, standby.Count / TriesPerRound);
        var first = _nextTry % standby.Count;
        _nextTry = first + count;
        if (!Enumerable.Range(first, count).Any(i => TryTake(standby[i % standby.Count])))
        {
            return false;
        }

        // A process that was killed loses its locks one after the other.
        var open = standby.Where(database => !TryTake(database)).ToList();
        for (var before = standby.Count; open.Count > 0 && open.Count < before;)
        {
            await Task.Delay(ReleaseTime, Time).ConfigureAwait(false);
            before = open.Count;
            open.RemoveAll(TryTake);
        }

        return true;
    }

    private bool TryTake(DatabasePlan database)
    {
        try
        {
            var isTaken = _locks.TryTake(database.Name, database.Path);
            _unusable.Remove(database.Name);
            return isTaken;
        }
        catch (DatabaseUnusableException ex)
        {
            _unusable.Add(database.Name);
            _failure = ex.Message;
            return false;
        }
    }

    private async Task TakeOverAsync()
    {
        _stopping.Token.ThrowIfCancellationRequested();

        // Who replicates now leaves nothing to itself.
        LeaveAudiences(_ => true);
        _lastLook = null;
        var before = Standby;
        if (_term is { } running)
        {
            // It finds the locks taken.
            await running.Replicator.ReconfigureAsync(configuration => configuration).WaitAsync(_stopping.Token).ConfigureAwait(false);
        }
        else if (!await TryBeginAsync().ConfigureAwait(false))
        {
            return;
        }

        if (before.Where(database => Replicates(database.Name)).ToList() is { Count: > 0 } taken)
        {
            OperatorLog.Write(LogLevel.Info, $"This Datasette has taken over: it replicates {(taken.Count == 1 ? taken[0].Name : $"{taken.Count} databases")} now.");
        }
    }

    /// <returns>Whether a term has begun; otherwise it is to be tried again.</returns>
    private async Task<bool> TryBeginAsync()
    {
        try
        {
            var term = await StartTermAsync(Mine, isTakeOver: true).ConfigureAwait(false);
            lock (_serving)
            {
                _term = term;
                if (_served is { } served && served != _setup.Configuration.Databases)
                {
                    // It has changed meanwhile.
                    _ = term.Replicator.ServeAsync(served);
                }
            }

            return true;
        }
        catch (Exception ex)
        {
            // Another process may be able to.
            _locks.Release();
            await FailAsync(ex).ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>Has those that replicate leave reports.</summary>
    private void JoinAudiences()
    {
        var folders = _view.Look(Standby).Select(one => one.By.Folder).OfType<string>().ToHashSet(StringComparer.Ordinal);
        LeaveAudiences(folder => !folders.Contains(folder));
        foreach (var folder in folders.Where(folder => !_audiences.ContainsKey(folder)))
        {
            if (Audience.Join(folder) is { } joined)
            {
                _audiences[folder] = joined;
            }
        }
    }

    private void LeaveAudiences(Predicate<string> which)
    {
        foreach (var folder in _audiences.Keys.Where(folder => which(folder)).ToList())
        {
            _audiences[folder].Dispose();
            _audiences.Remove(folder);
        }
    }
}
