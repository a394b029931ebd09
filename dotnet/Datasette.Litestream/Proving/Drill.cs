using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Proving;

/// <summary>
/// Restores a backup and holds it against the live database. Where Litestream can be asked, both are of one transaction: it names the same
/// one before and after a read transaction is opened on the live database. All of the work is done by children at the lowest priority,
/// since nothing in Datasette's process may open a database file. Any number of tasks may hold drills, of different destinations.
/// </summary>
/// <param name="makeRestorer">Makes what restores one database.</param>
/// <param name="sqlite">Works on database files.</param>
/// <param name="releaseLine">The Litestream.</param>
/// <param name="sync">Has the running Litestream sync a database, and returns the last transaction that it has taken; null if it does not answer
/// now. The delegate itself is null where there is none that could be asked.</param>
/// <param name="time">The clock.</param>
internal sealed class Drill(
    Func<Restorer> makeRestorer, SqliteProgram sqlite, ReleaseLine releaseLine, Func<DatabasePlan, CancellationToken, Task<ulong?>>? sync, TimeProvider time)
{
    /// <summary>How long a moment in which nobody writes is waited for at most.</summary>
    public static readonly TimeSpan MaxPatience = TimeSpan.FromMinutes(3);

    /// <summary>How long the read transaction may be open: the write-ahead log grows meanwhile.</summary>
    private static readonly TimeSpan ReadTime = TimeSpan.FromSeconds(30);

    /// <summary>How much room is left on the disk, in bytes.</summary>
    private const long Reserve = 64 * 1024 * 1024;

    /// <summary>How often a state may be merged away before it is restored.</summary>
    private const int MaxMerged = 5;

    private static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(5), MaxPause = TimeSpan.FromSeconds(1);

    /// <summary>Holds a drill of one destination, and deletes what was restored.</summary>
    /// <param name="database">The database.</param>
    /// <param name="replica">The destination.</param>
    /// <param name="patience">How long a moment in which nobody writes is waited for.</param>
    /// <param name="tell">Is told how far it is; called by any thread.</param>
    /// <param name="onFailed">Called with a drill that failed before it is found out what still can be restored, which may take long.</param>
    /// <param name="cancellationToken">Ends it, kills its children and deletes what was restored.</param>
    public async Task<DrillResult> HoldAsync(
        DatabasePlan database, ReplicaPlan replica, TimeSpan patience, Action<DrillProgress> tell, Action<DrillResult> onFailed, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(onFailed);
        var began = time.GetUtcNow();
        try
        {
            var restorer = makeRestorer();
            using var destination = restorer.DestinationOf(database, replica);
            using var folder = DrillFolder.Create(database, replica);
            using var program = sqlite.StartDrill();
            var restore = new DrillRestore(restorer, destination, folder.Path, tell, time);
            var subject = new DrillSubject(database, destination, restorer, restore, folder, program, began, tell);
            var before = FileStatus.Look(database.Path).Status;
            var result = await HoldOnceAsync(subject, patience, cancellationToken).ConfigureAwait(false);
            if (before is { } file && FileStatus.Look(database.Path).Status?.IsSameFile(file) != true)
            {
                throw new DrillNotHeldException("The file of the database was replaced meanwhile.");
            }

            if (result is { Outcome: DrillOutcome.Failed, StillRestorable: null, IsLiveDamaged: false })
            {
                onFailed(result);
                tell(new DrillProgress(DrillPhase.Searching));
                result = result with { StillRestorable = await new WholeStateFinder(restorer, destination, restore, program, releaseLine, time).FindAsync(cancellationToken).ConfigureAwait(false) };
            }

            return result;
        }
        catch (Exception ex) when (ex is DrillNotHeldException or SqliteProgramException or ReplicationException or IOException or UnauthorizedAccessException)
        {
            return new DrillResult(began, DrillOutcome.NotHeld, ex switch
            {
                SqliteProgramException => $"SQLite could not do it: {ex.Message.TrimEnd('.')}.",
                StagingTakenException => "Another drill of it is under way.",
                _ => ex.Message,
            });
        }
        finally
        {
            DrillFolder.DeleteRoot();
        }
    }

    private async Task<DrillResult> HoldOnceAsync(DrillSubject subject, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (FileStatus.Look(subject.Database.Path).Status is not { } live)
        {
            return await HoldWithoutLiveAsync(subject, cancellationToken).ConfigureAwait(false);
        }

        RequireRoom(subject, live.Size);
        return (sync is not null
                ? await TryHoldAtTransactionAsync(subject, sync, patience, cancellationToken).ConfigureAwait(false)
                : await new QuietDrill(releaseLine, ReadTime, time).TryHoldAsync(subject, patience, cancellationToken).ConfigureAwait(false))
            ?? await new WeakDrill(sync, ReadTime, time).HoldAsync(subject, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Holds the strong drill; null if no moment in which nobody writes could be copied.</summary>
    private async Task<DrillResult?> TryHoldAtTransactionAsync(
        DrillSubject subject, Func<DatabasePlan, CancellationToken, Task<ulong?>> sync, TimeSpan patience, CancellationToken cancellationToken)
    {
        for (var tries = 1; tries <= MaxMerged; tries++)
        {
            subject.Tell(new DrillProgress(DrillPhase.Copying));
            if (await TryCopyAsync(subject, sync, patience, cancellationToken).ConfigureAwait(false) is not var (txid, at))
            {
                return null;
            }

            var (point, hole) = await subject.Restore.WaitForAsync(txid, cancellationToken).ConfigureAwait(false);
            if (hole is not null)
            {
                return subject.Failed(hole);
            }

            if (point is null)
            {
                continue;
            }

            var age = time.GetUtcNow() - at;
            var (file, fault) = await subject.Restore.RestoreAsync(point, cancellationToken).ConfigureAwait(false);
            if (fault is not null)
            {
                return subject.Failed($"The state after transaction {point.Name} could not be restored: {fault.TrimEnd('.')}.") with { State = point.Name };
            }

            if (file is not null)
            {
                return (await subject.CompareAsync(file, $"after transaction {point.Name}", time, cancellationToken).ConfigureAwait(false)) with { DataAgeSeconds = age.TotalSeconds };
            }
        }

        throw new DrillNotHeldException($"What Litestream had taken was merged with later changes before it could be restored, {MaxMerged} times.");
    }

    /// <summary>Copies the live database as it is after a transaction that is known.</summary>
    private async Task<(ulong Txid, DateTimeOffset At)?> TryCopyAsync(
        DrillSubject subject, Func<DatabasePlan, CancellationToken, Task<ulong?>> sync, TimeSpan patience, CancellationToken cancellationToken)
    {
        var path = subject.Database.Path;
        var started = time.GetTimestamp();
        var pause = new Backoff(MinPause, MaxPause, Random.Shared);
        while (true)
        {
            subject.DeleteFiles();
            var before = await sync(subject.Database, cancellationToken).ConfigureAwait(false);
            RequireRoom(subject, await subject.Program.OpenAsync(path, cancellationToken).ConfigureAwait(false));
            var at = time.GetUtcNow();
            if (before > 0 && await WithinReadTimeAsync(sync(subject.Database, cancellationToken)).ConfigureAwait(false) == before)
            {
                return await subject.Program.CopyAsync(path, subject.CopyPath, ReadTime, cancellationToken).ConfigureAwait(false) ? (before.Value, at) : null;
            }

            await subject.Program.CloseAsync(path, cancellationToken).ConfigureAwait(false);
            if (time.GetElapsedTime(started) >= patience)
            {
                return before is null ? throw new DrillNotHeldException("Litestream did not answer.") : null;
            }

            await Task.Delay(pause.Next(), time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for Litestream as long as the read transaction may be open.</summary>
    private async Task<ulong?> WithinReadTimeAsync(Task<ulong?> sync)
    {
        try
        {
            return await sync.WaitAsync(ReadTime, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new DrillNotHeldException($"Litestream did not answer within {ReadTime.TotalSeconds} s.");
        }
    }

    private async Task<DrillResult> HoldWithoutLiveAsync(DrillSubject subject, CancellationToken cancellationToken)
    {
        var (file, result) = await subject.RestoreNewestAsync(cancellationToken).ConfigureAwait(false);
        return result ?? await subject.CheckAsync(file!, "Whole; there is no live database to compare it with.", time, cancellationToken).ConfigureAwait(false);
    }

    private static void RequireRoom(DrillSubject subject, long bytes) => subject.Folder.RequireRoom(2 * bytes, Reserve, "A drill needs");
}
