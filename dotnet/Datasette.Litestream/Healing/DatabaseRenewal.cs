using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Prepares a database for being replicated anew, while no Litestream works on it. Afterwards Litestream's transaction ids for it
/// are above all that are at the destination, or the destination is empty: ids that begin again below those of a snapshot that
/// was left would make every restore give that snapshot, while every sync succeeds (seen with 0.5.17).
/// </summary>
/// <param name="command">Runs Litestream.</param>
/// <param name="probe">Asks what lies at the destination.</param>
/// <param name="fillIfBehind">Fills the destination from the fullest other one of the database, if that has more.</param>
/// <param name="holdLogs">Keeps write-ahead logs as they are, or empties them, so that Litestream misses no part of them.</param>
/// <param name="open">Opens the store of a replica; see <see cref="OldBackup"/>.</param>
/// <param name="retention">How long what was moved aside is kept.</param>
/// <param name="time">The clock.</param>
internal sealed class DatabaseRenewal(
    LitestreamCommand command,
    ReplicaProbe probe,
    Func<DatabasePlan, CancellationToken, Task> fillIfBehind,
    Func<DatabasePlan, CancellationToken, Task<ILogHold>> holdLogs,
    Func<ReplicaPlan, string?, IStore> open,
    TimeSpan retention,
    TimeProvider time)
{
    private readonly OldBackup _oldBackup = new(open, retention, time);

    /// <summary>Prepares it.</summary>
    /// <param name="database">The database.</param>
    /// <param name="cause">The fault.</param>
    /// <param name="cancellationToken">Ends it, and kills its child.</param>
    /// <returns>Why it failed; null if it succeeded.</returns>
    public async Task<string?> PrepareAsync(DatabasePlan database, StateReason cause, CancellationToken cancellationToken)
    {
        var replica = database.Primary;
        var isDamaged = cause is StateReason.BackupDamaged or StateReason.DrillFailed;
        var check = await probe.CheckAsync(database, 0, listsAll: true, cancellationToken).ConfigureAwait(false);
        if (check.Error is { } unreadable)
        {
            // What lies in a folder in which damage was seen is possibly such that Litestream cannot list it. Where there is no folder, but a
            // file or nothing, the backup may come back, and is waited for.
            return database.IsReplicatedToFolder && isDamaged && OldBackup.IsFolder(replica)
                ? await ReplaceAsync(database, cancellationToken).ConfigureAwait(false)
                : unreadable;
        }

        var highest = check.Inventory!.HighestTxid;
        if (highest == 0)
        {
            return await StartOverAsync(database, cancellationToken).ConfigureAwait(false);
        }

        // Litestream takes up the position of level 0 alone.
        var canContinue = check.Inventory.HighestOf(0) == highest;

        // What another one has left there would differ from the local files of the same names for as long as both are kept; with files that
        // are gone, Litestream would try for half a minute to upload them.
        if (canContinue && cause is (StateReason.OtherWriter or StateReason.FolderRemoved) && LocalState.Delete(LitestreamFolder.Of(database)) is { } error)
        {
            return error;
        }

        if (!database.IsReplicatedToFolder)
        {
            return canContinue ? await ContinueAsync(database, cancellationToken).ConfigureAwait(false)
                : StoreFactory.CanOpen(replica.Type) ? await ReplaceAsync(database, cancellationToken).ConfigureAwait(false)
                : $"what is at {replica.Destination} cannot be continued. Move it to another place, or set another one";
        }

        // What is left of a damaged chain would keep Litestream from merging files for ever.
        return canContinue && !isDamaged && check.Inventory.CanBeMerged && await ContinueAsync(database, cancellationToken).ConfigureAwait(false) is null
            ? null
            : await ReplaceAsync(database, cancellationToken).ConfigureAwait(false);
    }

    private async Task<string?> ReplaceAsync(DatabasePlan database, CancellationToken cancellationToken) =>
        await _oldBackup.MoveAsideAsync(database, database.Primary, cancellationToken).ConfigureAwait(false) ?? await StartOverAsync(database, cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// Has Litestream begin where nothing is; where another destination has something, that is continued, so that transaction ids do
    /// not begin again below those that it has.
    /// </summary>
    private async Task<string?> StartOverAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        await fillIfBehind(database, cancellationToken).ConfigureAwait(false);
        return LocalState.Delete(LitestreamFolder.Of(database));
    }

    /// <summary>Continues what is at the destination with a new snapshot.</summary>
    private async Task<string?> ContinueAsync(DatabasePlan database, CancellationToken cancellationToken) =>
        await ForceSnapshotAsync(database, cancellationToken).ConfigureAwait(false) is null
            ? null

            // Litestream misses local files for what the destination lacks; without any, it takes up the destination's position.
            : LocalState.Delete(LitestreamFolder.Of(database)) ?? await ForceSnapshotAsync(database, cancellationToken).ConfigureAwait(false);

    /// <summary>Deletes what earlier renewals moved aside, after the time that it is kept.</summary>
    public async Task DeleteExpiredAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        foreach (var replica in database.Replicas.Where(replica => replica.Type == "file" || replica == database.Primary))
        {
            await _oldBackup.DeleteExpiredAsync(database, replica, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Has Litestream replicate the database once and write a new snapshot of it. A snapshot holds the whole database as SQLite
    /// shows it, so a restore needs nothing of what was there before. Source: <c>runOnce</c> in cmd/litestream/replicate.go,
    /// v0.5.17.
    /// </summary>
    private async Task<string?> ForceSnapshotAsync(DatabasePlan database, CancellationToken cancellationToken)
    {
        // The snapshot is whole in any case, but the file of the transaction before it would lack what Litestream misses.
        using var hold = await holdLogs(database, cancellationToken).ConfigureAwait(false);
        return hold.Blocked.TryGetValue(database.Path, out var why)
            ? $"its write-ahead log cannot be emptied for Litestream: {why}"
            : (await command.RunAsync(database, ["replicate", "-once", "-force-snapshot"], timeout: null, cancellationToken).ConfigureAwait(false)).Error;
    }
}
