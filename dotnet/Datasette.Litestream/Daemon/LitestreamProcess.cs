using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Daemon;

/// <summary>One run of <c>litestream replicate</c>, from its start to its end.</summary>
internal sealed class LitestreamProcess : IDisposable
{
    private const int LinesInError = 10;

    /// <summary>A Litestream that is neither ready nor gone by then is no use; a thousand databases open in a few seconds.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);

    /// <summary>How often the control socket is looked for, which no line of the log has to tell of.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>How long the first sync of a database that fails may be put off; Litestream itself tries again meanwhile.</summary>
    private static readonly TimeSpan MaxFirstSyncDelay = TimeSpan.FromSeconds(30);

    /// <summary>The same for the last sync, for which there is little time.</summary>
    private static readonly TimeSpan MaxLastSyncDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the last lines of a process that has ended may take to arrive.</summary>
    private static readonly TimeSpan OutputTimeout = TimeSpan.FromSeconds(1);

    private readonly DaemonSettings _settings;
    private readonly TimeProvider _time;
    private readonly ChildProcess _process;
    private readonly SemaphoreSlim _logged = new(0);
    private readonly List<LogEntry> _lastEntries = [];
    private readonly HashSet<string> _initialized = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stoppingFirstSync = new();
    private Task _firstSync = Task.CompletedTask;
    private volatile LogEntry? _firstError;
    private volatile bool _hasShutDown;
    private int _sinkFailures;
    private long _outputCount;
    private DateTimeOffset _readyAt;

    private LitestreamProcess(DaemonSettings settings, LitestreamLog log, TimeProvider time)
    {
        _settings = settings;
        _time = time;

        // All that can fail comes before the process: what fails after it would leave it to nobody.
        StartedAt = time.GetUtcNow();
        Socket = settings.Binary.Version.ReleaseLine == ReleaseLine.V05 ? new ControlSocket(settings.SocketPath) : null;
        _process = ChildProcess.Start(
            settings.Binary.Path,
            Arguments,
            settings.Environment,
            Encoding.UTF8.GetBytes(settings.Configuration),
            Guarded(log),
            Guarded(log));
    }

    /// <summary>What Litestream is started with, beyond its name.</summary>
    public static IReadOnlyList<string> Arguments { get; } = ["replicate", "-no-expand-env", "-config", "/dev/stdin"];

    public int Id => _process.Id;

    public DateTimeOffset StartedAt { get; }

    /// <summary>Null for a release line that has none.</summary>
    public ControlSocket? Socket { get; }

    /// <summary>How often it has written to its outputs or answered on its socket.</summary>
    public long SignsOfLife => Interlocked.Read(ref _outputCount) + (Socket?.AnswerCount ?? 0);

    public Task<ProcessExit> Exited => _process.Exited;

    /// <summary>Starts Litestream and waits until it replicates.</summary>
    /// <param name="settings">What it is started with.</param>
    /// <param name="log">Gets what it writes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="onStarted">Told of its process id at once: whoever survives this process has to know of it.</param>
    /// <param name="cancellationToken">Ends the wait, and Litestream.</param>
    /// <exception cref="ReplicationException">It ended instead; its own words are in the message.</exception>
    public static async Task<LitestreamProcess> StartAsync(
        DaemonSettings settings, LitestreamLog log, TimeProvider time, Action<int> onStarted, CancellationToken cancellationToken)
    {
        LitestreamProcess process;
        try
        {
            process = new LitestreamProcess(settings, log, time);
        }
        catch (Win32Exception ex)
        {
            throw new ReplicationException($"Litestream could not be started: {ex.Message}.", ex);
        }

        try
        {
            onStarted(process.Id);
            await process.WaitUntilReadyAsync(cancellationToken).ConfigureAwait(false);
            process._readyAt = time.GetUtcNow();
            process.StartFirstSync();
            return process;
        }
        catch
        {
            await process.KillAsync().ConfigureAwait(false);
            process.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Ends Litestream: it replicates what it has yet to, and ends. It is killed where it takes longer than its timeout.
    /// </summary>
    /// <param name="timeout">How long all of it may take.</param>
    /// <returns>What went wrong, in a sentence; null where nothing did.</returns>
    public async Task<string?> StopAsync(TimeSpan timeout)
    {
        var started = _time.GetTimestamp();
        await SyncLastChangesAsync(timeout / 3).ConfigureAwait(false);

        // Litestream would wait 5 s for the end of a connection that has had no request yet, such as a spare one.
        Socket?.Dispose();
        _firstError = null;
        Send(LibC.SIGTERM);
        try
        {
            var left = timeout - _time.GetElapsedTime(started);
            var exit = await Exited.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time).ConfigureAwait(false);
            await Task.WhenAny(_process.OutputEnded, Task.Delay(OutputTimeout, _time)).ConfigureAwait(false);
            var hasSucceeded = exit.Code == 0 || (exit.IsUnknown && _hasShutDown);
            return !hasSucceeded ? $"Litestream ended with {exit} when it was stopped; its last changes may not be replicated yet."
                : _firstError is { } error ? $"Litestream's last changes may not be replicated yet: {error}."
                : null;
        }
        catch (TimeoutException)
        {
            await KillAsync().ConfigureAwait(false);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"Litestream did not end within {timeout.TotalSeconds:0.#} s and was killed; its last changes may not be replicated yet.");
        }
    }

    /// <exception cref="ReplicationException">This user may not: it is a program that has taken another user's permissions.</exception>
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
    }

    private void Send(int signal)
    {
        if (_process.Send(signal) is not 0 and var error)
        {
            throw new ReplicationException(
                $"Litestream (process {Id}) runs and cannot be ended: {Marshal.GetPInvokeErrorMessage(error)}. Two would destroy the backup. End that process.");
        }
    }

    // Both release lines sync their databases when they end, but once, which a lock of a moment makes fail, and not one
    // that they have not opened before, which they do at their first tick.
    private async Task SyncLastChangesAsync(TimeSpan timeout)
    {
        await _stoppingFirstSync.CancelAsync().ConfigureAwait(false);
        await _firstSync.ConfigureAwait(false);
        using var deadline = new CancellationTokenSource(timeout, _time);
        if (Socket is not null)
        {
            await DatabaseSync.RunAsync(Socket, _settings.DatabasePaths, MaxLastSyncDelay, _time, deadline.Token).ConfigureAwait(false);
            return;
        }

        // 0.3 tells nobody that it has opened a database, which it does at a tick: those begin when it is ready, not when it
        // was started, which on a busy machine is a second earlier.
        var opened = _readyAt + _settings.OpeningTime - _time.GetUtcNow();
        if (opened > TimeSpan.Zero)
        {
            await Task.WhenAny(Exited, Task.Delay(opened < timeout ? opened : timeout, _time)).ConfigureAwait(false);
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
                // Litestream logs each step of its start, so that each line is an occasion to look again; 0.5 might log less one day.
                var logged = Socket is null ? _logged.WaitAsync(either.Token) : WaitForLineAsync(either.Token);
                if (await Task.WhenAny(logged, Exited).ConfigureAwait(false) == Exited)
                {
                    await Task.WhenAny(_process.OutputEnded).WaitAsync(either.Token).ConfigureAwait(false);
                    throw new ReplicationException(
                        $"Litestream ended with {await Exited.ConfigureAwait(false)} at its start. Its last words:\n{LastLines()}");
                }

                await logged.ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                $"Litestream was not ready within {StartTimeout.TotalSeconds} s of its start. Its last words:\n{LastLines()}");
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

    // Litestream would wait for its first tick, and then for the replica's.
    private void StartFirstSync()
    {
        if (Socket is not null)
        {
            _firstSync = Task.Run(() => DatabaseSync.RunAsync(Socket, _settings.DatabasePaths, MaxFirstSyncDelay, _time, _stoppingFirstSync.Token));
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
            return _initialized.IsSupersetOf(_settings.DatabasePaths);
        }
    }

    // A fault in what reads the log is told in the log, once; there may be one in every line.
    private Action<ReadOnlyMemory<byte>> Guarded(LitestreamLog log)
    {
        var sink = log.CreateSink(Note);
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
                    Note(log.Add($"Error: a part of Litestream's log could not be read: {ex.Message}"));
                }
            }
        };
    }

    // On the threads that read its output.
    private void Note(LogEntry entry)
    {
        lock (_lastEntries)
        {
            if (_lastEntries.Count == LinesInError)
            {
                _lastEntries.RemoveAt(0);
            }

            _lastEntries.Add(entry);
            if (entry.IsError)
            {
                _firstError ??= entry;
            }

            _hasShutDown |= entry.IsShutDown;
            if (entry.IsInitialized && entry.Database is { } path)
            {
                _initialized.Add(path);
            }
        }

        // One waits, and looks at all that came; a count of every line would overflow one day.
        if (_logged.CurrentCount == 0)
        {
            _logged.Release();
        }
    }

    private string LastLines()
    {
        lock (_lastEntries)
        {
            return _lastEntries.Count == 0 ? "  (none)" : string.Join('\n', _lastEntries.Select(entry => $"  {entry}"));
        }
    }
}
