using System.Collections.Concurrent;
using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Daemon;

/// <summary>One run of <c>litestream replicate</c>, from its start to its end.</summary>
internal sealed class LitestreamProcess : IDisposable
{
    private const int LinesInError = 10;

    /// <summary>How long a start may take; Litestream opens a thousand databases in a few seconds.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(20);

    /// <summary>How often to check for the control socket, since no log line is guaranteed to announce it.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>The maximum delay between tries of a database's first sync; Litestream also retries by itself.</summary>
    private static readonly TimeSpan MaxFirstSyncDelay = TimeSpan.FromSeconds(30);

    /// <summary>The maximum delay between tries of the last sync, for which there is little time.</summary>
    private static readonly TimeSpan MaxLastSyncDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the last sync of a database may take that is to be left alone: its changes are known to be replicated before.</summary>
    private static readonly TimeSpan UnregisterTimeout = TimeSpan.FromSeconds(5);

    /// <summary>How long a request to take in a database may take: Litestream does little before it answers.</summary>
    private static readonly TimeSpan RegisterTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How many of them are under way at once.</summary>
    private const int Parallelism = 8;

    /// <summary>How long to wait for the last output of a process that has ended.</summary>
    private static readonly TimeSpan OutputTimeout = TimeSpan.FromSeconds(1);

    /// <summary>How long Litestream has to end once it was told to skip the rest, and how often it is told so.</summary>
    private static readonly TimeSpan SkipTimeout = TimeSpan.FromSeconds(1), SkipInterval = TimeSpan.FromMilliseconds(100);

    private readonly DaemonSettings _settings;
    private readonly TimeProvider _time;
    private readonly ChildProcess _process;
    private readonly SemaphoreSlim _logged = new(0);
    private readonly List<LogEntry> _lastEntries = [];
    private readonly HashSet<string> _initialized = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stoppingFirstSync = new();

    /// <summary>The files that it replicates now. Only the supervising task changes it.</summary>
    private volatile IReadOnlyList<string> _databasePaths;
    private Task _firstSync = Task.CompletedTask;
    private volatile LogEntry? _firstError;
    private volatile bool _isShuttingDown;
    private volatile bool _hasShutDown;
    private int _sinkFailures;
    private long _outputCount;
    private DateTimeOffset _readyAt;

    private LitestreamProcess(DaemonSettings settings, LitestreamLog log, TimeProvider time)
    {
        _settings = settings;
        _databasePaths = settings.DatabasePaths;
        _time = time;

        // Everything that can fail comes before the process is started: a later failure would leave it unsupervised.
        StartedAt = time.GetUtcNow();
        Socket = settings.ReleaseLine == ReleaseLine.V05 ? new ControlSocket(settings.SocketPath) : null;
        ForEachMark(OpeningMark.Set);
        _process = ChildProcess.Start(
            settings.Binary.Path,
            Arguments,
            settings.Environment,
            Encoding.UTF8.GetBytes(settings.Configuration),
            CreateGuardedSink(log),
            CreateGuardedSink(log));
    }

    /// <summary>The arguments that Litestream is started with.</summary>
    public static IReadOnlyList<string> Arguments { get; } = ["replicate", "-no-expand-env", "-config", "/dev/stdin"];

    public int Id => _process.Id;

    public DateTimeOffset StartedAt { get; }

    /// <summary>The control socket; null for a release line without one.</summary>
    public ControlSocket? Socket { get; }

    /// <summary>The number of times that it has written output or answered on its socket.</summary>
    public long SignsOfLife => Interlocked.Read(ref _outputCount) + (Socket?.AnswerCount ?? 0);

    public Task<ProcessExit> Exited => _process.Exited;

    /// <summary>Starts Litestream and waits until it replicates.</summary>
    /// <param name="settings">The settings of the run.</param>
    /// <param name="log">Receives its output.</param>
    /// <param name="time">The clock.</param>
    /// <param name="onStarted">Called with its process id immediately, so that the id is on record if this process is
    /// killed.</param>
    /// <param name="kept">What <see cref="KeptLogs"/> of the last run is, which is let go of once the logs are held for this one.</param>
    /// <param name="areLogsSuspect">Whether the last run <see cref="EndedUnkept"/>.</param>
    /// <param name="cancellationToken">Ends the wait, and kills Litestream.</param>
    /// <exception cref="ReplicationException">It did not become ready; the message contains the last lines of its
    /// log.</exception>
    /// <exception cref="DestinationRefusedException">It ended because of one destination.</exception>
    /// <exception cref="LogsBlockedException">It was not started because of the write-ahead logs of some databases.</exception>
    public static async Task<LitestreamProcess> StartAsync(
        DaemonSettings settings, LitestreamLog log, TimeProvider time, Action<int> onStarted, ILogHold? kept, bool areLogsSuspect, CancellationToken cancellationToken)
    {
        // While no Litestream reads them, SQLite may let logs begin again that it has not read to their end.
        ILogHold? hold;
        try
        {
            hold = await HoldAsync().ConfigureAwait(false);
        }
        finally
        {
            kept?.Dispose();
        }

        if (kept is not null && hold is { Blocked.IsEmpty: false })
        {
            // Possibly by that.
            hold.Dispose();
            hold = await HoldAsync().ConfigureAwait(false);
        }

        LitestreamProcess? process = null;
        try
        {
            LogsBlockedException.ThrowIfAny(hold);
            cancellationToken.ThrowIfCancellationRequested();
            process = new LitestreamProcess(settings, log, time);
            onStarted(process.Id);
            await process.WaitUntilReadyAsync(cancellationToken).ConfigureAwait(false);
            process._readyAt = time.GetUtcNow();
            process.StartFirstSync(process._databasePaths, hold);
            return process;
        }
        catch (Exception ex)
        {
            if (process is not null)
            {
                await process.KillAsync().ConfigureAwait(false);
                process.Dispose();
            }

            hold?.Dispose();
            if (process is null && ex is Win32Exception)
            {
                throw new ReplicationException($"Litestream could not be started: {ex.Message}.", ex);
            }

            throw;
        }

        async Task<ILogHold?> HoldAsync() => settings.HoldLogs is { } holdLogs ? await holdLogs(settings.Plan.Databases, areLogsSuspect, cancellationToken).ConfigureAwait(false) : null;
    }

    /// <summary>
    /// Has Litestream replicate more databases, and leave others alone, while it goes on. It needs a control socket. That Litestream has
    /// ended is no error here.
    /// </summary>
    /// <param name="added">The databases that it is to take in, and where each is to go.</param>
    /// <param name="removed">The files of those that it is to leave alone.</param>
    /// <returns>The files of those that were left alone with an error, which is Litestream's in a sentence.</returns>
    /// <exception cref="HttpRequestException">One could not be taken in.</exception>
    /// <exception cref="LogsBlockedException">None was taken in because of the write-ahead logs of some.</exception>
    public async Task<StopResult> ChangeAsync(IReadOnlyCollection<(DatabasePlan Database, string Url)> added, IReadOnlyCollection<string> removed)
    {
        var errors = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        using var kept = removed.Count > 0 ? await KeepLogsAsync([.. removed], CancellationToken.None).ConfigureAwait(false) : null;
        await ForEachAsync(removed, UnregisterTimeout * 2, async (path, stop) =>
        {
            try
            {
                await Socket!.UnregisterAsync(path, UnregisterTimeout, stop).ConfigureAwait(false);
            }
            catch (Exception ex) when (ControlSocket.IsUnavailable(ex))
            {
                errors[path] = ex.Message;
            }
        }).ConfigureAwait(false);
        string[] paths = [.. added.Select(one => one.Database.Path)];
        _databasePaths = [.. _databasePaths.Except(removed).Concat(paths)];
        if (paths.Length > 0)
        {
            // Litestream may have replicated it before, and its log may begin again before Litestream has read the rest.
            var hold = _settings.HoldLogs is { } holdLogs ? await holdLogs([.. added.Select(one => one.Database)], false, CancellationToken.None).ConfigureAwait(false) : null;
            try
            {
                LogsBlockedException.ThrowIfAny(hold);
                await ForEachAsync(added, RegisterTimeout, async (one, stop) =>
                {
                    try
                    {
                        await Socket!.RegisterAsync(one.Database.Path, one.Url, stop).ConfigureAwait(false);
                    }
                    catch (HttpRequestException ex) when (ex.StatusCode is null)
                    {
                        // It has ended, and is started with all databases.
                    }
                }).ConfigureAwait(false);
                StartFirstSync(paths, hold);
            }
            catch
            {
                hold?.Dispose();
                throw;
            }
        }

        return errors.IsEmpty ? StopResult.Complete : new StopResult(errors.First().Value, [.. errors.Keys]);

        async Task ForEachAsync<T>(IEnumerable<T> all, TimeSpan timeout, Func<T, CancellationToken, ValueTask> act)
        {
            using var deadline = new CancellationTokenSource(timeout * Math.Max(1, (added.Count + removed.Count) / Parallelism), _time);
            try
            {
                await Parallel.ForEachAsync(all, new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = deadline.Token }, act).ConfigureAwait(false);
            }
            catch (OperationCanceledException ex)
            {
                throw new HttpRequestException("Litestream did not answer in time", ex);
            }
        }
    }

    /// <summary>
    /// Stops Litestream, which first replicates the remaining changes. It is killed if that takes longer than the timeout.
    /// </summary>
    /// <param name="order">How.</param>
    public async Task<StopResult> StopAsync(StopOrder order)
    {
        var started = _time.GetTimestamp();
        var keeping = KeepLogsAsync(_databasePaths, order.Hurry);
        var open = await SyncLastChangesAsync(order).ConfigureAwait(false);
        KeptLogs = await keeping.ConfigureAwait(false);
        EndedUnkept = _settings.KeepLogs is not null && (KeptLogs is null || _isShuttingDown || Exited.IsCompleted);

        // Litestream would wait 5 s for a connection that has not sent a request yet, such as a spare one of the pool.
        Socket?.Dispose();
        _firstError = null;
        Send(LibC.SIGTERM);

        // Nothing is left that would be worth the wait.
        using var skipping = CancellationTokenSource.CreateLinkedTokenSource(order.Hurry);
        if (open.Count > 0 && Socket is not null && open.All(order.HasOneTry))
        {
            await skipping.CancelAsync().ConfigureAwait(false);
        }

        var left = order.Timeout - _time.GetElapsedTime(started);
        using var deadline = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
        var hasEnded = await WaitForEndAsync(skipping.Token, deadline.Token).ConfigureAwait(false);
        if (!hasEnded)
        {
            await KillAsync().ConfigureAwait(false);
        }

        var exit = await Exited.ConfigureAwait(false);
        var unopened = Socket is null ? Unopened() : [];
        await Task.WhenAny(_process.OutputEnded, Task.Delay(OutputTimeout, _time)).ConfigureAwait(false);

        // It may be told to skip the rest when it has done with its handling of signals.
        var hasSucceeded = exit.Code == 0 || (exit.IsUnknown && _hasShutDown) || (exit.Signal == LibC.SIGTERM && skipping.IsCancellationRequested);
        var consequence = open.Count == 0 && Socket is not null ? "everything had been replicated before" : "its last changes may not be replicated yet";
        return order.Hurry.IsCancellationRequested ? new StopResult(open.Count > 0 ? "Litestream was told to end at once." : null, open)
            : !hasEnded ? new StopResult(
                string.Create(CultureInfo.InvariantCulture, $"Litestream did not end within {order.Timeout.TotalSeconds:0.#} s and was killed; {consequence}."), open)
            : !hasSucceeded ? new StopResult($"Litestream ended with {exit} when it was stopped; {consequence}.", open)
            : _firstError is { } error ? new StopResult($"Litestream's last changes may not be replicated yet: {error}.", open)
            : unopened.Count > 0 ? new StopResult($"Litestream had to end before it had opened {string.Join(", ", unopened)}.", unopened)
            : skipping.IsCancellationRequested || EndedUnkept ? new StopResult(null, open)
            : StopResult.Complete;
    }

    /// <summary>The logs as <see cref="StopAsync"/> found them, until they are held for the next run, or nothing more is read.</summary>
    public ILogHold? KeptLogs { get; private set; }

    /// <summary>
    /// Whether it began to end before <see cref="StopAsync"/> had found the logs, as when a service manager tells all processes to end at
    /// once. What was written then may be in no backup.
    /// </summary>
    public bool EndedUnkept { get; private set; }

    private async Task<ILogHold?> KeepLogsAsync(IReadOnlyList<string> paths, CancellationToken hurry)
    {
        try
        {
            return _settings.KeepLogs is { } keepLogs ? await keepLogs(paths, hurry).ConfigureAwait(false) : null;
        }
        catch (OperationCanceledException)
        {
            // It is to end at once.
            return null;
        }
    }

    /// <exception cref="ReplicationException">The signal is not permitted, since the program runs with another user's
    /// permissions.</exception>
    public async Task KillAsync()
    {
        Send(LibC.SIGKILL);
        await Exited.ConfigureAwait(false);
    }

    /// <summary>Releases the connection to the control socket; the process should have ended.</summary>
    public void Dispose()
    {
        _stoppingFirstSync.Cancel();
        Socket?.Dispose();
        ForEachMark(OpeningMark.Remove);
    }

    /// <summary>Does something with the folder of each database that gets an <see cref="OpeningMark"/>; one with a control socket needs none.</summary>
    private void ForEachMark(Action<string> act)
    {
        if (Socket is not null)
        {
            return;
        }

        foreach (var database in _settings.Plan.Databases)
        {
            act(LitestreamFolder.Of(database));
        }
    }

    private void Send(int signal)
    {
        if (_process.Send(signal) is not 0 and var error)
        {
            throw new ReplicationException(
                $"Litestream (process {Id}) runs and cannot be ended: {Marshal.GetPInvokeErrorMessage(error)}. Two would destroy the backup. End that process.");
        }
    }

    // Both release lines sync their databases when they end, but only once, so a short lock makes that sync fail. They also
    // skip a database that they have not opened yet, which they do at their first tick. Litestream uses 0.6 of the timeout.
    private async Task<IReadOnlyCollection<string>> SyncLastChangesAsync(StopOrder order)
    {
        var timeout = order.Timeout / 3;
        await _stoppingFirstSync.CancelAsync().ConfigureAwait(false);
        await _firstSync.ConfigureAwait(false);
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, order.Hurry);
        if (Socket is not null)
        {
            return await DatabaseSync.ConfirmAsync(Socket, _databasePaths, order.HasOneTry, MaxLastSyncDelay, _time, either.Token).ConfigureAwait(false);
        }

        // 0.3 opens a database at its first tick, or at a later one if that fails, and does not say so.
        while (!Exited.IsCompleted && !either.IsCancellationRequested && Unopened().Any(path => !order.HasOneTry(path) || _time.GetUtcNow() < _readyAt + _settings.OpeningTime))
        {
            await Task.WhenAny(Exited, Task.Delay(PollInterval, _time, either.Token)).ConfigureAwait(false);
        }

        return _databasePaths;
    }

    /// <summary>The files that a Litestream without a control socket has not opened, although they are there.</summary>
    private List<string> Unopened() =>
        [.. _settings.Plan.Databases.Where(database => File.Exists(database.Path) && !OpeningMark.IsOpened(LitestreamFolder.Of(database))).Select(database => database.Path)];

    /// <summary>Waits until Litestream has ended.</summary>
    /// <param name="skip">Has it skip what it still tries to replicate, and gives it a moment to end.</param>
    /// <param name="deadline">Ends the wait.</param>
    /// <returns>Whether it has ended.</returns>
    private async Task<bool> WaitForEndAsync(CancellationToken skip, CancellationToken deadline)
    {
        try
        {
            await Exited.WaitAsync(skip).WaitAsync(deadline).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!deadline.IsCancellationRequested)
        {
            // A second signal ends the tries of 0.5 to upload; 0.3 has none. The system merges two signals that are pending.
            var begin = _time.GetTimestamp();
            while (!deadline.IsCancellationRequested && _time.GetElapsedTime(begin) < SkipTimeout)
            {
                Send(LibC.SIGTERM);
                await Task.WhenAny(Exited, Task.Delay(SkipInterval, _time)).ConfigureAwait(false);
                if (Exited.IsCompleted)
                {
                    return true;
                }
            }

            return false;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StartTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            while (!IsReady())
            {
                // Litestream logs each step of its start, so check again after each line; for 0.5 also poll, in case it logs
                // less one day.
                var logged = Socket is null ? _logged.WaitAsync(either.Token) : WaitForLineAsync(either.Token);
                if (await Task.WhenAny(logged, Exited).ConfigureAwait(false) == Exited)
                {
                    await Task.WhenAny(_process.OutputEnded).WaitAsync(either.Token).ConfigureAwait(false);
                    throw Refusal() is { } refusal ? new DestinationRefusedException(refusal) : new ReplicationException(
                        $"Litestream ended with {await Exited.ConfigureAwait(false)} at its start.{LastLines()}");
                }

                await logged.ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                $"Litestream was not ready within {StartTimeout.TotalSeconds} s of its start.{LastLines()}");
        }
    }

    private async Task WaitForLineAsync(CancellationToken cancellationToken)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var logged = _logged.WaitAsync(waiting.Token);
        await Task.WhenAny(logged, Task.Delay(PollInterval, _time, waiting.Token)).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    // Otherwise Litestream would wait for its own first tick, and then for the replica's.
    private void StartFirstSync(IReadOnlyList<string> paths, ILogHold? hold)
    {
        var unread = paths.Count;
        var sync = Socket is null ? Task.CompletedTask : Task.Run(() => DatabaseSync.RunAsync(Socket, paths, OnRead, MaxFirstSyncDelay, _time, _stoppingFirstSync.Token));
        _firstSync = _firstSync.IsCompleted ? sync : Task.WhenAll(_firstSync, sync);
        if (hold is not null)
        {
            // A log that it has not read it may still read, even while it is being stopped.
            _ = Exited.ContinueWith(_ => hold.Dispose(), TaskScheduler.Default);
        }

        void OnRead(string path)
        {
            hold?.LetGo(path);
            if (Interlocked.Decrement(ref unread) == 0)
            {
                hold?.Dispose();
            }
        }
    }

    private bool IsReady()
    {
        if (Socket is not null)
        {
            return Socket.IsListening();
        }

        lock (_lastEntries)
        {
            return _initialized.IsSupersetOf(_databasePaths);
        }
    }

    // An exception while reading the log is logged only once, since every line may cause one.
    private Action<ReadOnlyMemory<byte>> CreateGuardedSink(LitestreamLog log)
    {
        var sink = log.CreateSink(OnLogEntry);
        return piece =>
        {
            Interlocked.Increment(ref _outputCount);
            try
            {
                sink(piece);
            }
            catch (Exception ex)
            {
                if (Interlocked.Increment(ref _sinkFailures) == 1)
                {
                    OnLogEntry(log.Add($"Error: a part of Litestream's log could not be read: {ex.Message}"));
                }
            }
        };
    }

    // Runs on the threads that read the output.
    private void OnLogEntry(LogEntry entry)
    {
        lock (_lastEntries)
        {
            if (_lastEntries.Count == LinesInError)
            {
                _lastEntries.RemoveAt(0);
            }

            _lastEntries.Add(entry);
            if (entry.IsError && !entry.IsCompactionError)
            {
                _firstError ??= entry;
            }

            _isShuttingDown |= entry.IsShuttingDown;
            _hasShutDown |= entry.IsShutDown;
            if (entry.IsInitialized && entry.Database is { } path)
            {
                _initialized.Add(path);
            }
        }

        // One permit is enough, since the waiter checks all entries; one for every line would overflow the count one day.
        if (_logged.CurrentCount == 0)
        {
            _logged.Release();
        }
    }

    private DestinationRefusal? Refusal()
    {
        lock (_lastEntries)
        {
            return _lastEntries.Select(entry => entry.Refusal).FirstOrDefault(refusal => refusal is not null);
        }
    }

    /// <summary>The last lines of its log as the end of a message; empty if there are none.</summary>
    private string LastLines()
    {
        lock (_lastEntries)
        {
            return _lastEntries.Count == 0 ? "" : $" The last lines of its log:\n{string.Join('\n', _lastEntries.Select(entry => $"  {entry}"))}";
        }
    }
}
