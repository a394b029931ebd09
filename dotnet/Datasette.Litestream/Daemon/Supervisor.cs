using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// Keeps one Litestream running. A single task owns the process and all its state; other code sends it requests and reads <see
/// cref="Status"/>, which is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Supervisor
{
    /// <summary>
    /// How long the next start waits while it is found out which destination kept the last one from succeeding.
    /// </summary>
    private static readonly TimeSpan SuspicionTime = TimeSpan.FromMinutes(1);

    /// <summary>How long Litestream may take to end where it must end soon.</summary>
    private static readonly TimeSpan HurryTime = TimeSpan.FromSeconds(4);

    private readonly LitestreamLog _log;
    private readonly TimeProvider _time;
    private readonly Action<int> _onStarted;
    private readonly Action<DaemonStatus, DaemonStatus> _onChanged;
    private readonly Func<CancellationToken, Task<DaemonSettings>> _prepare;
    private readonly RestartDelay _delay;
    private readonly Channel<Request> _requests = Channel.CreateUnbounded<Request>();
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _hurrying = new();
    private volatile CancellationTokenSource _starting = new();
    private volatile DaemonStatus _status;
    private volatile string? _failure;
    private ITimer? _startDeadline;

    // Only the supervising task uses the following.
    private readonly HeldOutDatabases _heldOut;
    private DaemonSettings _settings;

    /// <summary>The process that was started and has not been seen to end; <see cref="RestartAsync(DaemonSettings, RestartReason, string, CancellationToken)"/> may kill it.</summary>
    private volatile LitestreamProcess? _process;

    /// <summary>The question to the next destination, and what ends it; null if none is asked.</summary>
    private (Task<Answer> Answer, CancellationTokenSource Ending)? _asking;

    /// <summary>Whether a database is still left out although its destination has answered.</summary>
    private bool _isOutdated;

    /// <summary>The write-ahead logs as the last run left them; null if they are not kept.</summary>
    private ILogHold? _kept;

    /// <summary>Whether the last Litestream ended while nobody kept the logs.</summary>
    private bool _areLogsSuspect;

    /// <summary>
    /// Starts Litestream, and keeps trying if it cannot be started: the first start is no different from a later one.
    /// </summary>
    /// <param name="settings">The first run's settings.</param>
    /// <param name="log">Receives Litestream's output.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">The source of the delays' jitter.</param>
    /// <param name="onStarted">Called on the supervising task with the process id whenever Litestream has been started, before
    /// it is ready.</param>
    /// <param name="onChanged">Called on the supervising task with the old and the new <see cref="Status"/> at each
    /// change.</param>
    /// <param name="prepare">What to do before the first start, which gives the settings of that start; its token is cancelled when
    /// a request waits for that.</param>
    public Supervisor(
        DaemonSettings settings,
        LitestreamLog log,
        TimeProvider time,
        Random random,
        Action<int> onStarted,
        Action<DaemonStatus, DaemonStatus> onChanged,
        Func<CancellationToken, Task<DaemonSettings>> prepare)
    {
        _prepare = prepare;
        _settings = settings;
        _log = log;
        _time = time;
        _onStarted = onStarted;
        _onChanged = onChanged;
        _delay = new RestartDelay(random);
        _heldOut = new HeldOutDatabases(time, random);
        _status = new DaemonStatus(DaemonState.Starting) { DownSince = time.GetUtcNow() };
        _ = Task.Run(RunAsync);
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

    /// <summary>Stops Litestream gracefully and starts it with other settings. Does nothing if it was stopped for good.</summary>
    /// <param name="settings">The settings of this and all later runs.</param>
    /// <param name="reason">Why.</param>
    /// <param name="message">Why, in a sentence.</param>
    /// <returns>
    /// Completes when it runs again, or when the start has failed and the next one is scheduled. What went wrong during the
    /// stop, in a sentence; null if nothing did.
    /// </returns>
    public async Task<string?> RestartAsync(DaemonSettings settings, RestartReason reason, string message) =>
        (await SendAsync(new Request(settings, OrderFor(reason, settings.ShutdownTimeout), reason, message)).ConfigureAwait(false)).Error;

    /// <summary>The same where Litestream possibly must end soon, whatever is not replicated then.</summary>
    /// <param name="settings">The settings of this and all later runs.</param>
    /// <param name="reason">Why.</param>
    /// <param name="message">Why, in a sentence.</param>
    /// <param name="hurry">Cancelled when it must: then a start that is under way is broken off, and a stop gets a few seconds.</param>
    public async Task<string?> RestartAsync(DaemonSettings settings, RestartReason reason, string message, CancellationToken hurry)
    {
        var request = new Request(settings, OrderFor(reason, settings.ShutdownTimeout) with { Hurry = hurry }, reason, message);
        var sending = SendAsync(request);
        using var hurrying = hurry.Register(() => _ = EndSoonAsync(request));
        return (await sending.ConfigureAwait(false)).Error;
    }

    /// <summary>
    /// Takes over settings with more or fewer databases. A Litestream that runs and can be told goes on; any other one is restarted.
    /// </summary>
    /// <param name="settings">The settings of this and all later runs.</param>
    /// <param name="reason">Why it is restarted, if it is.</param>
    /// <param name="message">Why, in a sentence.</param>
    /// <returns>Completes when Litestream replicates those and no others. The databases whose last sync is not known to be complete.</returns>
    public Task<StopResult> ChangeAsync(DaemonSettings settings, RestartReason reason, string message) =>
        SendAsync(new Request(settings, OrderFor(reason, settings.ShutdownTimeout), reason, message) { GoesOn = true });

    /// <summary>Stops Litestream for good.</summary>
    /// <param name="order">How.</param>
    public Task<StopResult> StopAsync(StopOrder order)
    {
        // A start that is under way may have changes to replicate; it gets half of the time.
        _startDeadline = _time.CreateTimer(_ => _stopping.Cancel(), null, order.Timeout / 2, Timeout.InfiniteTimeSpan);
        _ = order.Hurry.Register(_stopping.Cancel);
        return SendAsync(new Request(null, order));
    }

    /// <summary>Sees to it that no Litestream of before a request is left after <see cref="HurryTime"/>, whatever the supervising task does.</summary>
    private async Task EndSoonAsync(Request request)
    {
        if (request.Stopped.Task.IsCompleted)
        {
            return;
        }

        await _starting.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(request.Stopped.Task, Task.Delay(HurryTime, _time)).ConfigureAwait(false);
        if (!request.Stopped.Task.IsCompleted && _process is { } process)
        {
            await process.KillAsync().ConfigureAwait(false);
        }
    }

    private async Task<StopResult> SendAsync(Request request)
    {
        var isSent = _requests.Writer.TryWrite(request);
        await _hurrying.CancelAsync().ConfigureAwait(false);
        return isSent
            ? await request.Done.Task.ConfigureAwait(false)
            : new StopResult(_failure, _failure is null ? [] : _settings.DatabasePaths);
    }

    private async Task RunAsync()
    {
        Request? request = null;
        var result = StopResult.Complete;
        try
        {
            await PrepareAsync().ConfigureAwait(false);
            await TryStartAsync().ConfigureAwait(false);
            do
            {
                request?.Done.SetResult(result);
                (request, result) = (null, StopResult.Complete);
                try
                {
                    var change = await WaitForChangeAsync().ConfigureAwait(false);
                    _requests.Reader.TryRead(out request);
                    result = await HandleChangeAsync(change, request).ConfigureAwait(false);
                }
                catch (Exception ex)
                {
                    // The fault may pass, so replication continues; but the state of the process is no longer known, so it is
                    // killed.
                    result = Failed($"Supervising Litestream failed: {_log.Redact(ex.Message.TrimEnd('.'))}. What was written last may not be replicated yet.");
                    await KillAsync().ConfigureAwait(false);
                    RecordFailure(RestartReason.Crash, result.Error!, TimeSpan.Zero);
                }
            }
            while (request is not { Settings: null });
        }
        catch (Exception ex)
        {
            // The handling of a failure failed.
            _failure = _log.Redact(ex.Message);
            result = Failed(_failure);
        }
        finally
        {
            _startDeadline?.Dispose();
            _kept?.Dispose();
            StopAsking();
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
            request?.Done.SetResult(result);
            while (_requests.Reader.TryRead(out var late))
            {
                late.Done.SetResult(_failure is null ? StopResult.Complete : Failed(_failure));
            }
        }
    }

    private StopResult Failed(string error) => new(error, _settings.DatabasePaths);

    private async Task PrepareAsync()
    {
        try
        {
            _settings = await _prepare(_hurrying.Token).ConfigureAwait(false);
        }
        catch (Exception ex)
        {
            // Litestream does the same, or says why it cannot.
            _log.Add($"Error: the databases could not be prepared for Litestream: {ex.Message}");
        }
    }

    private async Task<StopResult> HandleChangeAsync(Task change, Request? request)
    {
        if (request is { Settings: null })
        {
            return await EndForGoodAsync(request.Order).ConfigureAwait(false);
        }

        if (request is { Settings: { } changed, GoesOn: true })
        {
            return await ChangeAsync(changed, request).ConfigureAwait(false);
        }

        if (request is { Settings: { } settings })
        {
            _settings = settings;
            _heldOut.Keep(settings.DatabasePaths);
            _heldOut.AskSoon();
            StopAsking();
            return await RestartAsync(request.Order, request.Reason, request.Message, request.Stopped).ConfigureAwait(false);
        }

        if (change == _asking?.Answer)
        {
            var answer = await _asking.Value.Answer.ConfigureAwait(false);
            StopAsking();
            await HandleAnswerAsync(answer).ConfigureAwait(false);
        }
        else if (_process is null)
        {
            await TryStartAsync().ConfigureAwait(false);
        }
        else
        {
            await HandleUnexpectedExitAsync(_process).ConfigureAwait(false);
        }

        return StopResult.Complete;
    }

    private async Task<StopResult> ChangeAsync(DaemonSettings settings, Request request)
    {
        var before = _settings.Plan.Databases.ToDictionary(database => database.Path, StringComparer.Ordinal);
        var after = settings.Plan.Databases.ToDictionary(database => database.Path, StringComparer.Ordinal);
        var removed = before.Keys.Where(path => !after.ContainsKey(path) && !_heldOut.All.ContainsKey(path)).ToList();
        var added = after.Values.Where(database => !before.ContainsKey(database.Path)).Select(database => (Database: database, Url: RegistrationUrl.Of(database))).ToList();
        var isMoved = after.Values.Any(database => before.TryGetValue(database.Path, out var known) && known.Primary.Identity != database.Primary.Identity);
        _settings = settings;
        _heldOut.Keep(settings.DatabasePaths);
        StopAsking();
        Status = _status with { HeldOut = _heldOut.All };
        if (_process is null)
        {
            // Whatever keeps it from running is over, or ends at its own time.
            if (_status.State == DaemonState.Idle && after.Count > 0)
            {
                await TryStartAsync().ConfigureAwait(false);
            }

            return removed.Count == 0 ? StopResult.Complete : new StopResult("Litestream is not running.", removed);
        }

        if (_process.Socket is not null && !isMoved && after.Count > 0 && added.TrueForAll(one => one.Url is not null))
        {
            try
            {
                return await _process.ChangeAsync([.. added.Select(one => (one.Database, one.Url!))], removed).ConfigureAwait(false);
            }
            catch (Exception ex) when (ex is HttpRequestException or LogsBlockedException)
            {
                _log.Add($"Error: a database could not be registered, so Litestream is restarted: {ex.Message}");
            }
        }

        return added.Count == 0 && removed.Count == 0 && !isMoved
            ? StopResult.Complete
            : await RestartAsync(request.Order, request.Reason, request.Message, request.Stopped).ConfigureAwait(false);
    }

    // New credentials may not reach what the old ones do; otherwise Litestream goes on with whatever is left to upload.
    private static StopOrder OrderFor(RestartReason reason, TimeSpan timeout) =>
        new(timeout, _ => reason != RestartReason.Credentials, CancellationToken.None);

    private async Task<StopResult> RestartAsync(StopOrder order, RestartReason reason, string message, TaskCompletionSource? stopped = null)
    {
        var result = await EndAsync(order).ConfigureAwait(false);
        _starting = new CancellationTokenSource();
        stopped?.TrySetResult();
        Status = _status.With(new Restart(_time.GetUtcNow(), reason, $"{message} {result.Error}".TrimEnd(), HasFailed: result.Error is not null));
        await TryStartAsync().ConfigureAwait(false);

        // Where nothing was started, nothing is to be kept.
        _kept?.Dispose();
        _kept = null;
        return result;
    }

    /// <summary>
    /// Returns on a request, if the process has ended or does not answer, when the next start is due, or when a destination
    /// has been asked.
    /// </summary>
    /// <returns>The task that has completed.</returns>
    private async Task<Task> WaitForChangeAsync()
    {
        using var watching = new CancellationTokenSource();
        var changes = new List<Task> { _requests.Reader.WaitToReadAsync(watching.Token).AsTask() };
        if (_process is { } process)
        {
            changes.Add(process.Exited);
            changes.Add(Heartbeat.WatchAsync(process.Socket, () => process.SignsOfLife, _time, watching.Token));
        }
        else if (_status.State != DaemonState.Idle)
        {
            var due = (_status.NextStartAt ?? DateTimeOffset.MinValue) - _time.GetUtcNow();
            due += _heldOut.HasSuspects ? SuspicionTime : TimeSpan.Zero;
            changes.Add(due > TimeSpan.Zero ? Task.Delay(due, _time, watching.Token) : Task.CompletedTask);
        }

        if (_asking is null && _heldOut.Next is { } next)
        {
            var ending = new CancellationTokenSource();
            _asking = (AskAsync(next.Path, next.At, _heldOut.All.GetValueOrDefault(next.Path)?.Cause ?? HeldOutCause.DestinationRefused, _settings, ending.Token), ending);
        }

        if (_asking is { } asking)
        {
            changes.Add(asking.Answer);
        }

        var first = await Task.WhenAny(changes).ConfigureAwait(false);
        await watching.CancelAsync().ConfigureAwait(false);
        await first.ConfigureAwait(false);
        return first;
    }

    private async Task StartAsync(DaemonSettings settings)
    {
        _stopping.Token.ThrowIfCancellationRequested();
        Status = _status with { State = DaemonState.Starting, NextStartAt = null };
        using var breaking = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, _starting.Token);
        var kept = _kept;
        _kept = null;
        _process = await LitestreamProcess.StartAsync(settings, _log, _time, _onStarted, kept, _areLogsSuspect, breaking.Token).ConfigureAwait(false);
        _areLogsSuspect = false;
        Status = _status with
        {
            State = DaemonState.Running,
            ProcessId = _process.Id,
            StartedAt = _process.StartedAt,
            DownSince = null,
            Socket = _process.Socket,
        };
    }

    /// <summary>
    /// Starts Litestream with all databases whose destinations let it. Each start can find one that does not, so Litestream is
    /// started again at once.
    /// </summary>
    private async Task TryStartAsync()
    {
        _isOutdated = false;
        while (true)
        {
            var settings = _settings.Without(_heldOut.All.ContainsKey);
            if (settings.Plan.Databases.IsEmpty)
            {
                Status = _status with { State = DaemonState.Idle, NextStartAt = null, DownSince = null };
                return;
            }

            try
            {
                await StartAsync(settings).ConfigureAwait(false);
                _heldOut.Started();
                return;
            }
            catch (DestinationRefusedException ex) when (settings.DatabasePaths.Contains(ex.Refusal.DatabasePath))
            {
                HoldOut(ex.Refusal.DatabasePath, HeldOutCause.DestinationRefused, ex.Refusal.Cause);
            }
            catch (LogsBlockedException ex)
            {
                foreach (var (path, cause) in ex.Causes)
                {
                    HoldOut(path, HeldOutCause.LogBlocked, cause);
                }
            }
            catch (OperationCanceledException)
            {
                // The request to stop, or to start with other settings, follows.
                _starting = new CancellationTokenSource();
                return;
            }
            catch (Exception ex)
            {
                // Any error may be temporary, so replication is not given up.
                RecordFailure(RestartReason.FailedStart, ex is ReplicationException ? ex.Message : _log.Redact(ex.Message), TimeSpan.Zero);
                if (settings.ReleaseLine == ReleaseLine.V05)
                {
                    // One destination that does not answer at all keeps Litestream from starting, and it does not say which.
                    _heldOut.Suspect(settings.Plan.Databases.Where(database => database.Primary.Type != "file").Select(database => database.Path));
                    StopAsking();
                }

                return;
            }
        }
    }

    /// <summary>Finds out at a time whether what keeps Litestream from a database still does.</summary>
    private async Task<Answer> AskAsync(string path, DateTimeOffset at, HeldOutCause cause, DaemonSettings settings, CancellationToken cancellationToken)
    {
        try
        {
            var due = at - _time.GetUtcNow();
            if (due > TimeSpan.Zero)
            {
                await Task.Delay(due, _time, cancellationToken).ConfigureAwait(false);
            }

            var database = settings.Plan.Databases.First(database => database.Path == path);
            return new Answer(path, cause, cause == HeldOutCause.LogBlocked
                ? await FindBlockAsync(settings, database, cancellationToken).ConfigureAwait(false)
                : await DestinationCheck.AskAsync(settings, database, _time, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            // Not to have been able to ask must not disturb the Litestream that runs.
            return new Answer(path, cause, ex.Message);
        }
    }

    private static async Task<string?> FindBlockAsync(DaemonSettings settings, DatabasePlan database, CancellationToken cancellationToken)
    {
        // An earlier Litestream may have missed a part of what was blocked.
        using var hold = await settings.HoldLogs!([database], true, cancellationToken).ConfigureAwait(false);
        return hold.Blocked.GetValueOrDefault(database.Path);
    }

    /// <summary>Ends the question to a destination; it, or another one, is asked at the next wait.</summary>
    private void StopAsking()
    {
        _asking?.Ending.Cancel();
        _asking = null;
    }

    private async Task HandleAnswerAsync(Answer answer)
    {
        if (answer.Refusal is { } refusal)
        {
            if (HoldOut(answer.Path, answer.Cause, refusal))
            {
                // It was a suspect, and so Litestream has not started since.
                await TryStartAsync().ConfigureAwait(false);
                return;
            }
        }
        else
        {
            _isOutdated |= _heldOut.Answered(answer.Path);
            Status = _status with { HeldOut = _heldOut.All };
            if (_heldOut.Next?.At <= _time.GetUtcNow())
            {
                // The next one may answer too; both are taken in with one restart.
                return;
            }
        }

        if (_isOutdated && _status.State is DaemonState.Running or DaemonState.Idle)
        {
            await RestartAsync(
                OrderFor(RestartReason.Destination, _settings.ShutdownTimeout), RestartReason.Destination, "A database that was held out can be replicated again.").ConfigureAwait(false);
        }
    }

    /// <summary>Holds a database out.</summary>
    /// <returns>Whether it was not held out before.</returns>
    private bool HoldOut(string path, HeldOutCause cause, string words)
    {
        var reason = _log.Redact(words);
        var isNew = _heldOut.Refused(path, cause, reason);
        var why = cause == HeldOutCause.LogBlocked ? "its write-ahead log could not be emptied" : "its destination refused";
        var status = isNew
            ? _status.With(new Restart(_time.GetUtcNow(), RestartReason.Destination, $"Litestream runs without {path}, because {why}: {reason}"))
            : _status;
        Status = status with { HeldOut = _heldOut.All };
        return isNew;
    }

    /// <summary>
    /// Stops for good. If Litestream is down, or crashes while it is being stopped, it is started once more, since the changes
    /// since its last sync are not replicated yet; so it is for databases that are held out, whose destinations get one try.
    /// </summary>
    private async Task<StopResult> EndForGoodAsync(StopOrder order)
    {
        var started = _time.GetTimestamp();
        var lost = _status.DownSince is { } down ? $"What was written since {down:u}" : "What was written last";
        var result = StopResult.Complete;
        var rest = _settings;
        if (_process is { } process)
        {
            result = await EndAsync(order).ConfigureAwait(false);
            var exit = await process.Exited.ConfigureAwait(false);
            var endedByItself = exit.Code is null ? result.Error is not null : process.EndedUnkept && result.NotReplicated.Count > 0;
            if (!endedByItself || HasPassed(order, started))
            {
                if (_heldOut.All.IsEmpty || HasPassed(order, started))
                {
                    return result with { NotReplicated = [.. result.NotReplicated, .. _heldOut.All.Keys] };
                }

                rest = _settings.Without(path => !_heldOut.All.ContainsKey(path));
            }
            else
            {
                result = StopResult.Complete;
            }
        }

        var heldOut = _heldOut.All.Keys.ToList();
        heldOut.ForEach(path => _heldOut.Answered(path));
        _settings = rest;
        await TryStartAsync().ConfigureAwait(false);
        if (_process is null)
        {
            string[] open = [.. result.NotReplicated, .. rest.DatabasePaths];
            return _status.State == DaemonState.Idle
                ? new StopResult(result.Error, open)
                : new StopResult($"Litestream was down and could not be started again. {lost} is not replicated. {_status.LastFailure}".TrimEnd(), open);
        }

        var left = order.Timeout - _time.GetElapsedTime(started);
        var last = await EndAsync(order with { Timeout = left > TimeSpan.Zero ? left : TimeSpan.Zero }).ConfigureAwait(false);
        return new StopResult(result.Error ?? last.Error, [.. result.NotReplicated, .. last.NotReplicated, .. _heldOut.All.Keys]);
    }

    private bool HasPassed(StopOrder order, long started) => order.Hurry.IsCancellationRequested || _time.GetElapsedTime(started) >= order.Timeout;

    /// <summary>Stops the process gracefully, if there is one.</summary>
    private async Task<StopResult> EndAsync(StopOrder order)
    {
        if (_process is not { } process)
        {
            return StopResult.Complete;
        }

        Status = _status with { State = DaemonState.Stopping, DownSince = _time.GetUtcNow(), Socket = null };
        var result = await process.StopAsync(order).ConfigureAwait(false);
        _kept = process.KeptLogs;
        _areLogsSuspect |= process.EndedUnkept;
        _process = null;
        process.Dispose();
        return result;
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

        // One that a signal ends reads nothing more.
        _areLogsSuspect |= (await process.Exited.ConfigureAwait(false)).Signal is null;
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
    /// <param name="Order">How to stop.</param>
    /// <param name="Reason">Why it is restarted.</param>
    /// <param name="Message">Why it is restarted, in a sentence.</param>
    private sealed record Request(DaemonSettings? Settings, StopOrder Order, RestartReason Reason = default, string Message = "")
    {
        /// <summary>How the stop went.</summary>
        public TaskCompletionSource<StopResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Whether a Litestream that runs may go on, if it can be told what is different.</summary>
        public bool GoesOn { get; init; }

        /// <summary>Completes when the Litestream that ran before it has ended.</summary>
        public TaskCompletionSource Stopped { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Whether Litestream is kept from a database.</summary>
    /// <param name="Path">The file of the database.</param>
    /// <param name="Cause">By what.</param>
    /// <param name="Refusal">How, in words; null if it is not, or not any more.</param>
    private sealed record Answer(string Path, HeldOutCause Cause, string? Refusal);
}
