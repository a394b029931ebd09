using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Admission;

/// <summary>
/// Lets Litestream have databases once their files may be replicated, each for itself: one that is held back, or whose destination does not
/// answer, makes no other one wait. Each database has a task of its own; any thread may read <see cref="Pending"/>, which is immutable.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Neither holds anything: a CancellationTokenSource without a timer or a link, and a semaphore without a wait handle.")]
internal sealed class Admissions(FileRule rule, IAdmissionControl control, TimeProvider time)
{
    /// <summary>How long all wait for those that take longer, before these follow later.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>How long a destination may take to answer.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long those that follow wait for others, so that Litestream is told once.</summary>
    private static readonly TimeSpan AdmittedTogether = TimeSpan.FromSeconds(1);

    /// <summary>How often it is looked whether a file that is held back was accepted, or is another one.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>The delays before another try.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromMinutes(1);

    /// <summary>How many files are judged, and how many prepared, at once.</summary>
    private const int JudgedAtOnce = 16, PreparedAtOnce = 4;

    private readonly SemaphoreSlim _judging = new(JudgedAtOnce), _preparing = new(PreparedAtOnce);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _sync = new();
    private readonly HashSet<Task> _late = [];
    private ImmutableDictionary<string, PendingAdmission> _pending = ImmutableDictionary.Create<string, PendingAdmission>(StringComparer.Ordinal);

    /// <summary>The databases that are held back, or of which it is not known yet whether they are, by name.</summary>
    public ImmutableDictionary<string, PendingAdmission> Pending => _pending;

    /// <summary>
    /// Judges databases before anybody else is asked to let go of their destinations, which is of no use for one that is held back.
    /// </summary>
    /// <param name="databases">The databases.</param>
    /// <param name="isOurs">See <see cref="FileRule.JudgeAsync"/>.</param>
    /// <returns>The names of those that are to be held back, and of those with which Litestream may go on. Of others that is not known yet.</returns>
    public async Task<(IReadOnlySet<string> HeldBack, IReadOnlySet<string> Continued)> JudgeAsync(IReadOnlyCollection<DatabasePlan> databases, bool isOurs)
    {
        var judging = databases.Select(database => (database.Name, Task: Task.Run(() => JudgeAsync(database, isOurs, _stopping.Token)))).ToList();
        await Task.WhenAny(Task.WhenAll(judging.Select(one => one.Task)), Task.Delay(Patience, time, _stopping.Token)).ConfigureAwait(false);
        return (Are<Verdict.Held>(), Are<Verdict.Continued>());

        HashSet<string> Are<T>() => judging.Where(one => one.Task is { IsCompletedSuccessfully: true, Result: T }).Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Admits databases on which no Litestream works.</summary>
    /// <param name="databases">The databases.</param>
    /// <param name="isOurs">See <see cref="FileRule.JudgeAsync"/>.</param>
    /// <param name="continued">Those with which Litestream may go on; null if none is known.</param>
    /// <param name="isShown">Whether they are pending at once, and not only if it takes longer.</param>
    /// <returns>The names of those that are not admitted yet; <see cref="IAdmissionControl.AdmitLateAsync"/> follows for each that is.</returns>
    public async Task<IReadOnlySet<string>> AdmitAsync(IReadOnlyCollection<DatabasePlan> databases, bool isOurs = false, IReadOnlySet<string>? continued = null, bool isShown = false)
    {
        Show(isShown ? databases.Select(database => database.Name) : []);
        var admitting = databases.Select(database =>
        {
            var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var verdict = continued?.Contains(database.Name) == true ? new Verdict.Continued() : null;
            return (database.Name, Task: Task.Run(() => AdmitAsync(database, verdict, isOurs, waits)), Waits: waits.Task);
        }).ToList();
        await Task.WhenAny(Task.WhenAll(admitting.Select(one => Task.WhenAny(one.Task, one.Waits))), Task.Delay(Patience, time, _stopping.Token)).ConfigureAwait(false);
        var late = admitting.Where(one => one.Task is not { IsCompletedSuccessfully: true, Result: true }).ToDictionary(one => one.Name, one => one.Task, StringComparer.Ordinal);
        Show(late.Where(one => !one.Value.IsCompleted).Select(one => one.Key));
        foreach (var name in admitting.Select(one => one.Name).Except(late.Keys))
        {
            ImmutableInterlocked.TryRemove(ref _pending, name, out _);
        }

        if (late.Count > 0)
        {
            var following = FollowAsync(late);
            lock (_sync)
            {
                _late.RemoveWhere(task => task.IsCompleted);
                _late.Add(following);
            }
        }

        return late.Keys.ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Whether a file is to be held back.</summary>
    /// <param name="database">The database.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<bool> IsHeldBackAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        try
        {
            return await JudgeAsync(database, isOurs: false, cancellationToken).ConfigureAwait(false) is Verdict.Held;
        }
        catch (ReplicationException)
        {
            return false;
        }
    }

    /// <summary>Notes that what Litestream has of a database is of the file that is there now.</summary>
    public static void Recognize(DatabasePlan database)
    {
        ArgumentNullException.ThrowIfNull(database);
        Recognize(database.Path, FileStatus.Look(database.Path).Status);
    }

    /// <summary>Has all admissions end; what was not admitted is not replicated.</summary>
    public void Cancel() => _stopping.Cancel();

    /// <summary>Ends all admissions, and completes when none is under way any more.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task[] late;
        lock (_sync)
        {
            late = [.. _late];
        }

        await Task.WhenAll(late).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Show(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            ImmutableInterlocked.TryAdd(ref _pending, name, new PendingAdmission(time.GetUtcNow()));
        }
    }

    private async Task FollowAsync(Dictionary<string, Task<bool>> open)
    {
        while (open.Count > 0)
        {
            await Task.WhenAny(open.Values).ConfigureAwait(false);
            await Task.WhenAny(Task.WhenAll(open.Values), Task.Delay(AdmittedTogether, time, _stopping.Token)).ConfigureAwait(false);
            var ended = open.Where(one => one.Value.IsCompleted).ToList();
            ended.ForEach(one => open.Remove(one.Key));
            var admitted = ended.Where(one => one.Value is { IsCompletedSuccessfully: true, Result: true }).Select(one => one.Key).ToHashSet(StringComparer.Ordinal);
            if (admitted.Count > 0 && !_stopping.IsCancellationRequested)
            {
                await control.AdmitLateAsync(admitted).ConfigureAwait(false);
            }

            // Not before Litestream has it.
            ended.ForEach(one => ImmutableInterlocked.TryRemove(ref _pending, one.Key, out _));
        }
    }

    /// <param name="planned">The database.</param>
    /// <param name="verdict">How it was judged; null if it was not.</param>
    /// <param name="isOurs">See <see cref="FileRule.JudgeAsync"/>.</param>
    /// <param name="waits">Completed when it waits for something, so that others need not wait for it.</param>
    /// <returns>Whether it is admitted; otherwise it is not to be replicated any more, or may not be written to.</returns>
    private async Task<bool> AdmitAsync(DatabasePlan planned, Verdict? verdict, bool isOurs, TaskCompletionSource waits)
    {
        var backoff = new Backoff(MinRetryDelay, MaxRetryDelay);
        var since = time.GetUtcNow();
        var (database, isRetry, wasHeld) = (planned, false, false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, control.WhileWriting(planned));
        try
        {
            while (true)
            {
                FileStatus? file = null;
                try
                {
                    if (isRetry && control.FindServed(planned) is var served)
                    {
                        if (served is null)
                        {
                            return false;
                        }

                        database = served;
                    }

                    isRetry = true;
                    file = FileStatus.Look(database.Path).Status;
                    var judged = verdict ?? await JudgeAsync(database, isOurs, either.Token).ConfigureAwait(false);
                    if (wasHeld && judged is not (Verdict.Held or Verdict.Missing))
                    {
                        await control.ClaimAsync(database).WaitAsync(either.Token).ConfigureAwait(false);
                        control.WhileWriting(database).ThrowIfCancellationRequested();
                    }

                    switch (judged)
                    {
                        case Verdict.Missing:
                            Publish(new PendingAdmission(since));
                            waits.TrySetResult();
                            await Task.Delay(LookInterval, time, either.Token).ConfigureAwait(false);
                            break;
                        case Verdict.Held held:
                            wasHeld = true;
                            Hold(database, held.Hold);
                            waits.TrySetResult();
                            await WaitForAnotherFileAsync(database, file!.Value, either.Token).ConfigureAwait(false);
                            break;
                        case Verdict.Anew anew:
                            if (await PrepareAnewAsync(database, anew).ConfigureAwait(false))
                            {
                                MeantFile.Delete(database.Path);
                                return Admit(file);
                            }

                            break;
                        default:
                            return Admit(file);
                    }
                }
                catch (Exception ex) when (ex is not OperationCanceledException)
                {
                    // It is Litestream's to wait for a destination that does not answer; but an empty file must not be the first to arrive there,
                    // and for one that was held back nobody has claimed it.
                    if (ex is ReplicationException && !wasHeld && file is not null && await IsKnownToHoldSomethingAsync().ConfigureAwait(false))
                    {
                        return Admit(file);
                    }

                    await FailAsync(new PendingAdmission(since, ex.Message.TrimEnd('.'))).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        bool Admit(FileStatus? file)
        {
            Recognize(database.Path, file);
            return true;
        }

        async Task<bool> PrepareAnewAsync(DatabasePlan database, Verdict.Anew anew)
        {
            Publish(new PendingAdmission(since, Renewal: anew.IsInBackup ? null : anew.Why));
            await _preparing.WaitAsync(either.Token).ConfigureAwait(false);
            try
            {
                if (await control.PrepareAnewAsync(database, either.Token).ConfigureAwait(false) is not { } error)
                {
                    control.Warn($"{database.Name} is replicated by a new snapshot, since {anew.Why}. What the backup had before can still be restored.");
                    return true;
                }

                await FailAsync(new PendingAdmission(since, error, Renewal: anew.Why)).ConfigureAwait(false);
                return false;
            }
            finally
            {
                _preparing.Release();
            }
        }

        async Task<bool> IsKnownToHoldSomethingAsync()
        {
            try
            {
                return !await rule.IsEmptyAsync(database.Path, either.Token).ConfigureAwait(false);
            }
            catch (ReplicationException)
            {
                return false;
            }
        }

        async Task FailAsync(PendingAdmission pending)
        {
            Publish(pending);
            waits.TrySetResult();
            await Task.Delay(backoff.Next(), time, either.Token).ConfigureAwait(false);
        }

        void Publish(PendingAdmission pending) => ImmutableInterlocked.AddOrUpdate(ref _pending, planned.Name, pending, (_, _) => pending);

        void Hold(DatabasePlan database, HeldBack hold)
        {
            if (_pending.GetValueOrDefault(planned.Name)?.HeldBack != hold)
            {
                Publish(new PendingAdmission(since, HeldBack: hold));
                control.Warn($"{database.Name} is held back, and nothing of it is sent: {hold.Clause}.");
            }
        }
    }

    private static void Recognize(string path, FileStatus? file)
    {
        if (file is not { } known)
        {
            return;
        }

        try
        {
            FileRecord.Of(known).Write(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Without a record, the next start judges by what Litestream has left.
        }
    }

    private async Task<Verdict> JudgeAsync(DatabasePlan database, bool isOurs, CancellationToken cancellationToken)
    {
        await _judging.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var deadline = new CancellationTokenSource(AnswerTimeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            try
            {
                return await rule.JudgeAsync(database, isOurs, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ReplicationException($"{database.Primary.Destination} has not answered within {AnswerTimeout.TotalSeconds} s");
            }
        }
        finally
        {
            _judging.Release();
        }
    }

    /// <summary>Waits until the file is another one or is accepted. What is written into one that is held back makes no other of it.</summary>
    private async Task WaitForAnotherFileAsync(DatabasePlan database, FileStatus file, CancellationToken cancellationToken)
    {
        do
        {
            await Task.Delay(LookInterval, time, cancellationToken).ConfigureAwait(false);
        }
        while (FileStatus.Look(database.ServedPath).Status is { } served && served.IsSameFile(file) && MeantFile.Read(database.Path)?.IsOf(file) != true);
    }
}
