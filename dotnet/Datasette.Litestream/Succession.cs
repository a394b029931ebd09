using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Standby;

namespace Datasette.Litestream;

/// <summary>
/// The replication of one Datasette among other processes that serve the same databases. Whoever has the lock of a database replicates
/// it, for a <see cref="Term"/>; who has not stands by, and takes over when it can take the lock. A database's lock is never waited
/// for while another one is held that somebody else may wait for: each is tried, and each database is replicated by itself, so that
/// two processes with different databases cannot keep each other from replicating.
/// <para>
/// Before it is started its caller owns all state; then one task does, which ends when nothing is left to take
/// over, or at the stop; after it <see cref="StopAsync"/> does. Any thread may read <see cref="Reporter"/>.
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

    private readonly ReplicationSetup _setup;
    private readonly Action<string> _writeError;
    private readonly Action<string> _onFatal;
    private readonly TimeProvider _time;
    private readonly DatabaseLocks _locks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Backoff _retryDelay = new(MinRetryDelay, MaxRetryDelay, Random.Shared);
    private readonly StandbyReporter _standbyReporter;
    private readonly StandbyView _view = new();
    private readonly Dictionary<string, IDisposable> _audiences = new(StringComparer.Ordinal);
    private readonly OperatorLog _log;
    private volatile Term? _term;
    private volatile IReadOnlyList<DatabasePlan> _standby = [];
    private volatile IReadOnlyDictionary<string, string?>? _served;
    private volatile string? _failure;
    private Task _waiting = Task.CompletedTask;
    private int _nextTry;

    private Succession(ReplicationSetup setup, Action<string> writeError, Action onFatal)
    {
        (_setup, _writeError, _time) = (setup, writeError, setup.Host.Time);
        _onFatal = message =>
        {
            OperatorLog.Write(LogLevel.Error, $"{message} Datasette ends.");
            onFatal();
        };
        _log = new OperatorLog(setup.Plan.LogLevel, writeError);
        _standbyReporter = new StandbyReporter(() => _standby, setup.Plan, () => _failure is { } failure ? [failure] : [], _time);
    }

    /// <summary>The term; null while another process replicates everything.</summary>
    public Term? Term => _term;

    /// <summary>Tells how the databases are replicated.</summary>
    public IReporter Reporter => (_term, _standby) switch
    {
        (null, _) => _standbyReporter,
        ({ } term, { Count: 0 }) => term.Reporter,
        var (term, _) => new PartlyReporter(term.Reporter, _standbyReporter),
    };

    /// <summary>The log for the operator.</summary>
    public OperatorLog OperatorLog => _term?.Replicator.OperatorLog ?? _log;

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

    /// <inheritdoc cref="Replicator.Serve"/>
    public void Serve(IReadOnlyDictionary<string, string?> served)
    {
        _served = served;
        _term?.Replicator.Serve(served);
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
        await (_term?.EndAsync(timeout, ReleaseAsync, onLong, hurry) ?? ReleaseAsync()).ConfigureAwait(false);
    }

    private async Task ReleaseAsync()
    {
        if (!_locks.Names.IsEmpty)
        {
            using var turn = await Turn.TakeAsync(Paths, _time).ConfigureAwait(false);
            _locks.Release();
        }
    }

    private IEnumerable<string> Paths => _setup.Plan.Databases.Select(database => database.Path);

    private async Task StartAsync()
    {
        if (!_setup.Plan.Databases.IsEmpty)
        {
            using var turn = await Turn.TakeAsync(Paths, _time).ConfigureAwait(false);
            foreach (var database in _setup.Plan.Databases)
            {
                _locks.TryTake(database.Name, database.Path);
            }
        }

        var held = _locks.Names;
        _standby = [.. _setup.Plan.Databases.Where(database => !held.Contains(database.Name))];
        if (_standby.Count < _setup.Plan.Databases.Length || _setup.Plan.Databases.IsEmpty)
        {
            _term = await Term.StartAsync(_setup.For(held), _locks, _writeError, _onFatal, isTakeOver: false).ConfigureAwait(false);
        }

        if (_standby.Count > 0)
        {
            OperatorLog.Write(LogLevel.Info, Describe(_view.Look(_standby)));
            _waiting = Task.Run(WaitAsync);
        }
    }

    private static string Describe(IReadOnlyList<StandbyDatabase> standing)
    {
        var what = standing.Count == 1 ? standing[0].Plan.Name : $"{standing.Count} databases, such as {standing[0].Plan.Name}";
        return $"This Datasette stands by; {standing[0].By.Holder} replicates {what}. It takes over when that one ends.";
    }

    private async Task WaitAsync()
    {
        long? lastLook = null;
        try
        {
            while (_standby.Count > 0)
            {
                // A new holder is known by its record, which it writes when its Litestream runs.
                if (lastLook is not { } last || _time.GetElapsedTime(last) >= LookInterval)
                {
                    JoinAudiences();
                    lastLook = _time.GetTimestamp();
                }

                if (await TryTakeAsync().ConfigureAwait(false))
                {
                    await TakeOverAsync().ConfigureAwait(false);
                }

                await Task.Delay(TryInterval, _time, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <summary>Tries some of the locks, and all of them once one is free.</summary>
    /// <returns>Whether any was taken.</returns>
    private async Task<bool> TryTakeAsync()
    {
        var standby = _standby;
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
        var before = 0;
        for (var held = _locks.Names.Count; held > before; held = _locks.Names.Count)
        {
            before = held;
            foreach (var database in standby)
            {
                TryTake(database);
            }

            if (_locks.Names.Count < _setup.Plan.Databases.Length)
            {
                await Task.Delay(ReleaseTime, _time).ConfigureAwait(false);
            }
        }

        return true;
    }

    private bool TryTake(DatabasePlan database)
    {
        try
        {
            return _locks.TryTake(database.Name, database.Path);
        }
        catch (ReplicationException ex)
        {
            _failure = ex.Message;
            return false;
        }
    }

    private async Task TakeOverAsync()
    {
        _stopping.Token.ThrowIfCancellationRequested();
        var held = _locks.Names;
        try
        {
            if (_term is { } before)
            {
                await before.EndAsync(ShutdownTimeout, () => Task.CompletedTask, null, CancellationToken.None).ConfigureAwait(false);
                _term = null;
            }

            var term = await Term.StartAsync(_setup.For(held), _locks, _writeError, _onFatal, isTakeOver: true).ConfigureAwait(false);
            if (_served is { } served)
            {
                term.Replicator.Serve(served);
            }

            _term = term;
            _standby = [.. _setup.Plan.Databases.Where(database => !held.Contains(database.Name))];
            _failure = null;
            _retryDelay.Reset();
            term.Replicator.OperatorLog.Write(LogLevel.Info, $"This Datasette has taken over: it replicates {(held.Count == 1 ? held.Single() : $"{held.Count} databases")} now.");
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            // Another process may be able to.
            _locks.Release();
            _standby = _setup.Plan.Databases;
            _failure = $"This Datasette could not take over: {ex.Message}";
            OperatorLog.Write(LogLevel.Error, _failure);
            await Task.Delay(_retryDelay.Next(), _time, _stopping.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Has those that replicate leave reports.</summary>
    private void JoinAudiences()
    {
        var folders = _view.Look(_standby).Select(one => one.By.Folder).OfType<string>().ToHashSet(StringComparer.Ordinal);
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
