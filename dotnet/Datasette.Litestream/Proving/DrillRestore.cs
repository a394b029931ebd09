using Datasette.Litestream.Errors;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Proving;

/// <summary>
/// Restores states of one destination for a drill, and tells apart why it fails: a destination that cannot be reached or a disk that is
/// full says nothing of the backup. Not for several tasks at once.
/// </summary>
/// <param name="restorer">Restores.</param>
/// <param name="destination">The destination.</param>
/// <param name="folder">Where to.</param>
/// <param name="tell">Is told how far the drill is.</param>
/// <param name="time">The clock.</param>
internal sealed class DrillRestore(Restorer restorer, Destination destination, string folder, Action<DrillProgress> tell, TimeProvider time)
{
    /// <summary>What is said of a backup that lacks its beginning.</summary>
    public const string NoBeginning = "There are files, but no state can be restored from them, since something before them is missing.";

    /// <summary>How long something that Litestream has taken may need to arrive.</summary>
    private static readonly TimeSpan ArrivalTime = TimeSpan.FromMinutes(2);

    /// <summary>How long a hole must be seen: files may just be merged.</summary>
    private static readonly TimeSpan HoleTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan MinPause = TimeSpan.FromSeconds(0.25), MaxPause = TimeSpan.FromSeconds(5);

    /// <summary>What Litestream says where the connection failed, and not what it has got. Sources: Go's net package, aws-sdk-go-v2.</summary>
    private static readonly string[] ConnectionErrors =
        ["dial tcp", "connection re", "i/o timeout", "deadline exceeded", "no such host", "TLS handshake", "StatusCode: 5", "SlowDown"];

    /// <summary>Waits until a transaction is at the destination.</summary>
    /// <param name="txid">The transaction.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The state after it, or why that can never be restored; neither if its file was merged away already.</returns>
    /// <exception cref="DrillNotHeldException">It does not arrive.</exception>
    /// <exception cref="ReplicationException">The destination cannot be reached.</exception>
    public async Task<(RestorePoint? Point, string? Hole)> WaitForAsync(ulong txid, CancellationToken cancellationToken)
    {
        tell(new DrillProgress(DrillPhase.Waiting));
        var started = time.GetTimestamp();
        var pause = new Backoff(MinPause, MaxPause);
        long? holeSince = null;
        while (true)
        {
            var listing = (await destination.ListAsync(cancellationToken).ConfigureAwait(false))!;
            if (listing.ChainTo(txid) is { Count: > 0 } chain)
            {
                return (new RestorePoint.Transaction(txid, listing.ListedAt, listing.ListedAt, chain.Sum(file => file.Size)), null);
            }

            if (listing.Reach > txid)
            {
                return (null, null);
            }

            holeSince = listing.Files.Any(file => file.MaxTxid >= txid) ? holeSince ?? time.GetTimestamp() : null;
            if (holeSince is { } since && time.GetElapsedTime(since) >= HoleTime)
            {
                return (null, listing.Reach == 0
                    ? NoBeginning
                    : $"There are files up to transaction {RestorePoint.NameOf(txid)} and beyond, but something after {RestorePoint.NameOf(listing.Reach)} is missing, so it cannot be restored.");
            }

            if (time.GetElapsedTime(started) >= ArrivalTime)
            {
                throw new DrillNotHeldException($"What Litestream had taken was not at the destination {ArrivalTime.TotalMinutes} minutes later.");
            }

            await Task.Delay(pause.Next(), time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Restores a state.</summary>
    /// <param name="point">The state.</param>
    /// <param name="cancellationToken">Ends it, and kills Litestream.</param>
    /// <returns>The file, or why the backup does not give one, in Litestream's words; neither if its files were merged away meanwhile.</returns>
    /// <exception cref="DrillNotHeldException">There is no room, or the connection failed.</exception>
    /// <exception cref="ReplicationException">The destination cannot be reached.</exception>
    public async Task<(RestoredFile? File, string? Fault)> RestoreAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(point);
        for (var tries = 1; ; tries++)
        {
            tell(new DrillProgress(DrillPhase.Restoring, 0));
            var (file, error) = await restorer.TryRestoreAsync(
                destination,
                new FoundPoint(point, null, null),
                folder,
                progress => tell(new DrillProgress(DrillPhase.Restoring, progress.Written)),
                cancellationToken).ConfigureAwait(false);
            if (file is not null)
            {
                return (file, null);
            }

            if (error!.Contains("no space left on device", StringComparison.Ordinal))
            {
                throw new DrillNotHeldException($"There was no room for it: {error}. Set TMPDIR to a folder with more.");
            }

            // Fails where the destination is to blame.
            var listing = await destination.ListAsync(cancellationToken).ConfigureAwait(false);
            if (listing is not null && point is RestorePoint.Transaction { Txid: var txid } && listing.ChainTo(txid).Count == 0 && listing.Reach > txid)
            {
                return (null, null);
            }

            if (tries == 2)
            {
                return ConnectionErrors.Any(words => error.Contains(words, StringComparison.OrdinalIgnoreCase))
                    ? throw new DrillNotHeldException($"The connection to the destination failed: {error.TrimEnd('.')}.")
                    : (null, error);
            }
        }
    }
}
