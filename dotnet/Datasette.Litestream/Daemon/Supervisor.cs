using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// Keeps one Litestream running. A single task owns the process and all its state; other code sends it requests and reads <see
/// cref="Status"/>, which is immutable.
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
    private ITimer? _startDeadline;

    /// <summary>The process that was started and has not been seen to end. Only the supervising task uses it.</summary>
    private LitestreamProcess? _process;

    /// <summary>Starts Litestream; <see cref="FirstStart"/> is the result.</summary>
    /// <param name="settings">The first run's settings.</param>
    /// <param name="log">Receives Litestream's output.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">The source of the delays' jitter.</param>
    /// <param name="onStarted">Called on the supervising task with the process id whenever Litestream has been started, before
    /// it is ready.</param>
    /// <param name="onChanged">Called on the supervising task with the old and the new <see cref="Status"/> at each
    /// change.</param>
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

    /// <summary>The current status.</summary>
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
                // A failed callback must not affect replication.
                _log.Add($"Error: a change of Litestream's state could not be logged: {ex.Message}");
            }
        }
    }

    /// <summary>Completes when Litestream runs for the first time.</summary>
    /// <exception cref="ReplicationException">It could not be started; no process is left running.</exception>
    public Task FirstStart => _firstStart.Task;

    /// <summary>Stops Litestream gracefully and starts it with other settings. Does nothing if it was stopped for good.</summary>
    /// <returns>Completes when it runs again, or when the start has failed and the next one is scheduled.</returns>
    public Task RestartAsync(DaemonSettings settings) =>
        SendAsync(new Request(settings, settings.ShutdownTimeout));

    /// <summary>Stops Litestream for good.</summary>
    /// <param name="timeout">How long it may take to end before it is killed.</param>
    /// <returns>What went wrong, in a sentence; null if nothing did.</returns>
    public Task<string?> StopAsync(TimeSpan timeout)
    {
        var request = new Request(null, timeout);
        if (FirstStart.IsCompleted)
        {
            // A start that is under way may have changes to replicate; it gets half of the time.
            _startDeadline = _time.CreateTimer(_ => _stopping.Cancel(), null, timeout / 2, Timeout.InfiniteTimeSpan);
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
                    // The fault may pass, so replication continues; but the state of the process is no longer known, so it is
                    // killed.
                    error = $"Supervising Litestream failed: {ex.Message.TrimEnd('.')}. What was written last may not be replicated yet.";
                    await KillAsync().ConfigureAwait(false);
                    RecordFailure(RestartReason.Crash, error, TimeSpan.Zero);
                }
            }
            while (request is not { Settings: null });
        }
        catch (Exception ex)
        {
            // The first start or the handling of a failure failed. Only a stop cancels.
            failure = ex;
            error = ex is OperationCanceledException ? null : ex.Message;
            _failure = error;
        }
        finally
        {
            _startDeadline?.Dispose();
            Status = _status with
            {
                State = DaemonState.Stopped,
                ProcessId = null,
                StartedAt = null,
                NextStartAt = null,
                Socket = null,
                LastFailure = _failure ?? _status.LastFailure,

                // The clock may have failed, so use the time of the last start, which is too early rather than too late.
                DownSince = _status.DownSince ?? _status.StartedAt,
            };
            _requests.Writer.Complete();

            // Complete these last, so that a waiting caller sees the final status.
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

    /// <summary>Returns on a request, if the process has ended or does not answer, or when the next start is due.</summary>
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
            // The request to stop follows.
        }
        catch (Exception ex)
        {
            // Any error may be temporary, so replication is not given up.
            RecordFailure(RestartReason.FailedStart, ex.Message, TimeSpan.Zero);
        }
    }

    /// <summary>
    /// Stops for good. If Litestream is down, or crashes while it is being stopped, it is started once more, since the changes
    /// since its last sync are not replicated yet.
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

    /// <summary>Stops the process gracefully, if there is one.</summary>
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

    /// <summary>Kills the process, if there is one.</summary>
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

    /// <summary>Records that the process ended by itself, or kills it if it does not answer.</summary>
    private async Task HandleUnexpectedExitAsync(LitestreamProcess process)
    {
        var hasEnded = process.Exited.IsCompleted;

        // A process that was stopped (SIGSTOP) or hangs would ignore a gentler signal.
        await KillAsync().ConfigureAwait(false);
        RecordFailure(
            hasEnded ? RestartReason.Crash : RestartReason.Unresponsive,
            hasEnded
                ? $"Litestream ended by itself with {await process.Exited.ConfigureAwait(false)}."
                : "Litestream did not answer on its control socket and was killed.",
            _time.GetUtcNow() - process.StartedAt);
    }

    private void RecordFailure(RestartReason reason, string failure, TimeSpan run)
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

    /// <summary>A request to the supervising task.</summary>
    /// <param name="Settings">The settings to start with after the stop; null if it is a stop for good.</param>
    /// <param name="Timeout">How long the stop may take.</param>
    private sealed record Request(DaemonSettings? Settings, TimeSpan Timeout)
    {
        /// <summary>What went wrong during the stop; null if nothing did.</summary>
        public TaskCompletionSource<string?> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
