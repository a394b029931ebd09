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
    private ITimer? _givingUp;

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
            _onChanged(before, value);
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
        var stopped = SendAsync(new Request(null, timeout));
        if (FirstStart.IsCompleted)
        {
            // A start that is under way may have changes to replicate; half of the time is for that.
            _givingUp = _time.CreateTimer(_ => _stopping.Cancel(), null, timeout / 2, Timeout.InfiniteTimeSpan);
        }
        else
        {
            _stopping.Cancel();
        }

        return stopped;
    }

    private Task<string?> SendAsync(Request request) =>
        _requests.Writer.TryWrite(request) ? request.Done.Task : Task.FromResult<string?>(null);

    private async Task RunAsync(DaemonSettings settings)
    {
        LitestreamProcess? process = null;
        Request? request = null;
        string? error = null;
        Exception? failure = null;
        try
        {
            process = await StartAsync(settings).ConfigureAwait(false);
            _firstStart.SetResult();
            while (true)
            {
                await WaitForChangeAsync(process).ConfigureAwait(false);
                if (_requests.Reader.TryRead(out request))
                {
                    var running = process;
                    process = null;
                    if (request.Settings is null)
                    {
                        error = await StopAsync(running, settings, request.Timeout).ConfigureAwait(false);
                        return;
                    }

                    error = running is null ? null : await EndAsync(running, request.Timeout).ConfigureAwait(false);
                    Status = _status.With(new Restart(_time.GetUtcNow(), RestartReason.Credentials, $"There were new credentials. {error}".TrimEnd(), HasFailed: error is not null));
                    settings = request.Settings;
                    process = await TryStartAsync(settings).ConfigureAwait(false);
                    request.Done.SetResult(error);
                }
                else if (process is null)
                {
                    process = await TryStartAsync(settings).ConfigureAwait(false);
                }
                else
                {
                    await HandleUnexpectedExitAsync(process).ConfigureAwait(false);
                    process = null;
                }
            }
        }
        catch (Exception ex)
        {
            failure = ex;
            if (process is not null)
            {
                await process.KillAsync().ConfigureAwait(false);
            }
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
                DownSince = _status.DownSince ?? _time.GetUtcNow(),
            };
            _requests.Writer.Complete();

            // Whoever waits finds all of it done, and the status with it.
            _ = failure is not null && _firstStart.TrySetException(failure);
            request?.Done.TrySetResult(error);
            while (_requests.Reader.TryRead(out var late))
            {
                late.Done.SetResult(null);
            }
        }
    }

    /// <summary>Returns on a request, when the process has ended or does not answer, or when the next start is due.</summary>
    private async Task WaitForChangeAsync(LitestreamProcess? process)
    {
        using var watching = new CancellationTokenSource();
        Task change;
        if (process is null)
        {
            var due = (_status.NextStartAt ?? DateTimeOffset.MinValue) - _time.GetUtcNow();
            change = due > TimeSpan.Zero ? Task.Delay(due, _time, watching.Token) : Task.CompletedTask;
        }
        else
        {
            change = Task.WhenAny(process.Exited, Heartbeat.WatchAsync(process.Socket, () => process.SignsOfLife, _time, watching.Token));
        }

        await Task.WhenAny(change, _requests.Reader.WaitToReadAsync(watching.Token).AsTask()).ConfigureAwait(false);
        await watching.CancelAsync().ConfigureAwait(false);
    }

    private async Task<LitestreamProcess> StartAsync(DaemonSettings settings)
    {
        _stopping.Token.ThrowIfCancellationRequested();
        Status = _status with { State = DaemonState.Starting, NextStartAt = null };
        var process = await LitestreamProcess.StartAsync(settings, _log, _time, _onStarted, _stopping.Token).ConfigureAwait(false);
        Status = _status with
        {
            State = DaemonState.Running,
            ProcessId = process.Id,
            StartedAt = process.StartedAt,
            DownSince = null,
            Socket = process.Socket,
        };
        return process;
    }

    private async Task<LitestreamProcess?> TryStartAsync(DaemonSettings settings)
    {
        try
        {
            return await StartAsync(settings).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The request to stop comes next.
            return null;
        }
        catch (Exception ex)
        {
            // Whatever it is, it may pass: replication is not given up.
            Note(RestartReason.FailedStart, ex.Message, TimeSpan.Zero);
            return null;
        }
    }

    /// <summary>
    /// Stops for good. A Litestream that is down, or crashes as it is stopped, gets a last start: what was written since its
    /// last sync is nowhere else.
    /// </summary>
    private async Task<string?> StopAsync(LitestreamProcess? process, DaemonSettings settings, TimeSpan timeout)
    {
        var started = _time.GetTimestamp();
        var lost = _status.DownSince is { } down ? $"What was written since {down:u}" : "What was written last";
        if (process is not null)
        {
            var error = await EndAsync(process, timeout).ConfigureAwait(false);
            var exit = await process.Exited.ConfigureAwait(false);
            if (exit.Signal is null || _time.GetElapsedTime(started) >= timeout)
            {
                return error;
            }
        }

        var last = await TryStartAsync(settings).ConfigureAwait(false);
        return last is null
            ? $"Litestream was down and could not be started again. {lost} is not replicated. {_status.LastFailure}".TrimEnd()
            : await EndAsync(last, timeout - _time.GetElapsedTime(started)).ConfigureAwait(false);
    }

    private async Task<string?> EndAsync(LitestreamProcess process, TimeSpan timeout)
    {
        Status = _status with { State = DaemonState.Stopping, DownSince = _time.GetUtcNow(), Socket = null };
        using (process)
        {
            return await process.StopAsync(timeout).ConfigureAwait(false);
        }
    }

    /// <summary>Takes note of a process that ended by itself, and ends one that does not answer.</summary>
    private async Task HandleUnexpectedExitAsync(LitestreamProcess process)
    {
        Status = _status with { Socket = null };
        using (process)
        {
            var hasEnded = process.Exited.IsCompleted;

            // One that was stopped (SIGSTOP) or hangs would ignore a gentler signal.
            await process.KillAsync().ConfigureAwait(false);
            Note(
                hasEnded ? RestartReason.Crash : RestartReason.Unresponsive,
                hasEnded
                    ? $"Litestream ended by itself with {await process.Exited.ConfigureAwait(false)}."
                    : "Litestream did not answer on its control socket and was killed.",
                _time.GetUtcNow() - process.StartedAt);
        }
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
