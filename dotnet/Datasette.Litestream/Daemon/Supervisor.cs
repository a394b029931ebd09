using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// Keeps one Litestream running. A single task owns the process and all its state; everybody else sends it requests and
/// reads <see cref="Status"/>, which is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Supervisor
{
    private readonly LitestreamLog _log;
    private readonly TimeProvider _time;
    private readonly Action<int> _onStarted;
    private readonly Action<DaemonStatus, DaemonStatus> _onChanged;
    private readonly RestartDelay _delay;
    private readonly Channel<Request> _requests = Channel.CreateUnbounded<Request>();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _firstStart = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile DaemonStatus _status = new(DaemonState.Starting);
    private volatile string? _failure;
    private ITimer? _givingUp;

    /// <summary>The supervising task's own: what it has started and not yet seen end.</summary>
    private LitestreamProcess? _process;

    /// <summary>Starts Litestream; see <see cref="FirstStart"/> for how that went.</summary>
    /// <param name="settings">The first run's settings.</param>
    /// <param name="log">Gets what Litestream writes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where the delays' jitter comes from.</param>
    /// <param name="onStarted">Told of the process id whenever Litestream was started, before it is ready, on the supervising task.</param>
    /// <param name="onChanged">Told of each change of <see cref="Status"/>, how it was before and is now, on the supervising task.</param>
    public Supervisor(
        DaemonSettings settings,
        LitestreamLog log,
        TimeProvider time,
        Random random,
        Action<int> onStarted,
        Action<DaemonStatus, DaemonStatus> onChanged)
    {
        _log = log;
        _time = time;
        _onStarted = onStarted;
        _onChanged = onChanged;
        _delay = new RestartDelay(random);
        _ = Task.Run(() => RunAsync(settings));
    }

    /// <summary>How Litestream stands.</summary>
    public DaemonStatus Status
    {
        get => _status;
        private set
        {
            var before = _status;
            _status = value;
            try
            {
                _onChanged(before, value);
            }
            catch (Exception ex)
            {
                // Who is told has no say in replication.
                _log.Add($"Error: how Litestream stands could not be told: {ex.Message}");
            }
        }
    }

    /// <summary>Done when Litestream runs for the first time.</summary>
    /// <exception cref="ReplicationException">It did not; nothing is left running.</exception>
    public Task FirstStart => _firstStart.Task;

    /// <summary>Stops Litestream gracefully and starts it with other settings; nothing where it was stopped for good.</summary>
    /// <returns>Done when it runs again, or could not be started and will be tried again.</returns>
    public Task RestartAsync(DaemonSettings settings) =>
        SendAsync(new Request(settings, settings.ShutdownTimeout));

    /// <summary>Stops Litestream for good.</summary>
    /// <param name="timeout">How long it may take before it is killed.</param>
    /// <returns>What went wrong, in a sentence; null where nothing did.</returns>
    public Task<string?> StopAsync(TimeSpan timeout)
    {
        var request = new Request(null, timeout);
        if (FirstStart.IsCompleted)
        {
            // A start that is under way may have changes to replicate; half of the time is for that.
            _givingUp = _time.CreateTimer(_ => _stopping.Cancel(), null, timeout / 2, Timeout.InfiniteTimeSpan);
            return SendAsync(request);
        }

        var stopped = SendAsync(request);
        _stopping.Cancel();
        return stopped;
    }

    private Task<string?> SendAsync(Request request) =>
        _requests.Writer.TryWrite(request) ? request.Done.Task : Task.FromResult(_failure);

    private async Task RunAsync(DaemonSettings settings)
    {
        Request? request = null;
        string? error = null;
        Exception? failure = null;
        try
        {
            await StartAsync(settings).ConfigureAwait(false);
            _firstStart.SetResult();
            do
            {
                request?.Done.SetResult(error);
                (request, error) = (null, null);
                try
                {
                    await WaitForChangeAsync().ConfigureAwait(false);
                    _requests.Reader.TryRead(out request);
                    settings = request?.Settings ?? settings;
                    error = await HandleChangeAsync(request, settings).ConfigureAwait(false);
                }
                catch (Exception ex)
                {
                    // It may pass, and replication is not given up for it; but how the process stands is not known any more.
                    error = $"Supervising Litestream failed: {ex.Message.TrimEnd('.')}. What was written last may not be replicated yet.";
                    await KillAsync().ConfigureAwait(false);
                    Note(RestartReason.Crash, error, TimeSpan.Zero);
                }
            }
            while (request is not { Settings: null });
        }
        catch (Exception ex)
        {
            // The first start failed, or what is done about a failure did. Only a stop cancels.
            failure = ex;
            error = ex is OperationCanceledException ? null : ex.Message;
            _failure = error;
        }
        finally
        {
            _givingUp?.Dispose();
            Status = _status with
            {
                State = DaemonState.Stopped,
                ProcessId = null,
                StartedAt = null,
                NextStartAt = null,
                Socket = null,
                LastFailure = _failure ?? _status.LastFailure,

                // The clock may be what failed; since it was started is too long, if anything.
                DownSince = _status.DownSince ?? _status.StartedAt,
            };
            _requests.Writer.Complete();

            // Whoever waits finds all of it done, and the status with it.
            _ = failure is not null && _firstStart.TrySetException(failure);
            request?.Done.SetResult(error);
            while (_requests.Reader.TryRead(out var late))
            {
                late.Done.SetResult(_failure);
            }
        }
    }

    private async Task<string?> HandleChangeAsync(Request? request, DaemonSettings settings)
    {
        if (request is { Settings: null })
        {
            return await StopAsync(settings, request.Timeout).ConfigureAwait(false);
        }

        string? error = null;
        if (request is not null)
        {
            error = await EndAsync(request.Timeout).ConfigureAwait(false);
            Status = _status.With(new Restart(_time.GetUtcNow(), RestartReason.Credentials, $"There were new credentials. {error}".TrimEnd(), HasFailed: error is not null));
        }

        if (_process is null)
        {
            await TryStartAsync(settings).ConfigureAwait(false);
        }
        else
        {
            await HandleUnexpectedExitAsync(_process).ConfigureAwait(false);
        }

        return error;
    }

    /// <summary>Returns on a request, when the process has ended or does not answer, or when the next start is due.</summary>
    private async Task WaitForChangeAsync()
    {
        using var watching = new CancellationTokenSource();
        var changes = new List<Task> { _requests.Reader.WaitToReadAsync(watching.Token).AsTask() };
        if (_process is { } process)
        {
            changes.Add(process.Exited);
            changes.Add(Heartbeat.WatchAsync(process.Socket, () => process.SignsOfLife, _time, watching.Token));
        }
        else
        {
            var due = (_status.NextStartAt ?? DateTimeOffset.MinValue) - _time.GetUtcNow();
            changes.Add(due > TimeSpan.Zero ? Task.Delay(due, _time, watching.Token) : Task.CompletedTask);
        }

        var first = await Task.WhenAny(changes).ConfigureAwait(false);
        await watching.CancelAsync().ConfigureAwait(false);
        await first.ConfigureAwait(false);
    }

    private async Task StartAsync(DaemonSettings settings)
    {
        _stopping.Token.ThrowIfCancellationRequested();
        Status = _status with { State = DaemonState.Starting, NextStartAt = null };
        _process = await LitestreamProcess.StartAsync(settings, _log, _time, _onStarted, _stopping.Token).ConfigureAwait(false);
        Status = _status with
        {
            State = DaemonState.Running,
            ProcessId = _process.Id,
            StartedAt = _process.StartedAt,
            DownSince = null,
            Socket = _process.Socket,
        };
    }

    private async Task TryStartAsync(DaemonSettings settings)
    {
        try
        {
            await StartAsync(settings).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The request to stop comes next.
        }
        catch (Exception ex)
        {
            // Whatever it is, it may pass: replication is not given up.
            Note(RestartReason.FailedStart, ex.Message, TimeSpan.Zero);
        }
    }

    /// <summary>
    /// Stops for good. A Litestream that is down, or crashes as it is stopped, gets a last start: what was written since its
    /// last sync is nowhere else.
    /// </summary>
    private async Task<string?> StopAsync(DaemonSettings settings, TimeSpan timeout)
    {
        var started = _time.GetTimestamp();
        var lost = _status.DownSince is { } down ? $"What was written since {down:u}" : "What was written last";
        if (_process is { } process)
        {
            var error = await EndAsync(timeout).ConfigureAwait(false);
            var exit = await process.Exited.ConfigureAwait(false);
            if (error is null || exit.Code is not null || _time.GetElapsedTime(started) >= timeout)
            {
                return error;
            }
        }

        await TryStartAsync(settings).ConfigureAwait(false);
        if (_process is null)
        {
            return $"Litestream was down and could not be started again. {lost} is not replicated. {_status.LastFailure}".TrimEnd();
        }

        var left = timeout - _time.GetElapsedTime(started);
        return await EndAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero).ConfigureAwait(false);
    }

    /// <summary>Ends the process gracefully, where there is one.</summary>
    private async Task<string?> EndAsync(TimeSpan timeout)
    {
        if (_process is not { } process)
        {
            return null;
        }

        Status = _status with { State = DaemonState.Stopping, DownSince = _time.GetUtcNow(), Socket = null };
        var error = await process.StopAsync(timeout).ConfigureAwait(false);
        _process = null;
        process.Dispose();
        return error;
    }

    /// <summary>Ends the process at once, where there is one.</summary>
    private async Task KillAsync()
    {
        Status = _status with { Socket = null };
        if (_process is { } process)
        {
            await process.KillAsync().ConfigureAwait(false);
            _process = null;
            process.Dispose();
        }
    }

    /// <summary>Takes note of a process that ended by itself, and ends one that does not answer.</summary>
    private async Task HandleUnexpectedExitAsync(LitestreamProcess process)
    {
        var hasEnded = process.Exited.IsCompleted;

        // One that was stopped (SIGSTOP) or hangs would ignore a gentler signal.
        await KillAsync().ConfigureAwait(false);
        Note(
            hasEnded ? RestartReason.Crash : RestartReason.Unresponsive,
            hasEnded
                ? $"Litestream ended by itself with {await process.Exited.ConfigureAwait(false)}."
                : "Litestream did not answer on its control socket and was killed.",
            _time.GetUtcNow() - process.StartedAt);
    }

    private void Note(RestartReason reason, string failure, TimeSpan run)
    {
        var now = _time.GetUtcNow();
        Status = _status.With(new Restart(now, reason, failure)) with
        {
            State = DaemonState.Waiting,
            ProcessId = null,
            StartedAt = null,
            Failures = _status.Failures + 1,
            LastFailure = failure,
            LastFailureAt = now,
            DownSince = _status.DownSince ?? now,
            NextStartAt = now + _delay.After(run),
        };
    }

    /// <summary>Something asked of the supervising task.</summary>
    /// <param name="Settings">What to start after the stop; null for nothing.</param>
    /// <param name="Timeout">How long the stop may take.</param>
    private sealed record Request(DaemonSettings? Settings, TimeSpan Timeout)
    {
        /// <summary>What went wrong in the stop; null for nothing.</summary>
        public TaskCompletionSource<string?> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
