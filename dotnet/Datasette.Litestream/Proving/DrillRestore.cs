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
    /// <summary>What is said of a backup of which a part is missing.</summary>
    /// <param name="upTo">A transaction up to which there are files.</param>
    /// <param name="reach">The last one that can be restored; 0 if none can.</param>
    public static string Hole(ulong upTo, ulong reach) => reach == 0
        ? "There are files, but no state can be restored from them, since something before them is missing."
        : $"There are files up to transaction {RestorePoint.NameOf(upTo)}, but something after {RestorePoint.NameOf(reach)} is missing, so the newest state cannot be restored.";

    /// <summary>How long something that Litestream has taken may need to arrive.</summary>
    private static readonly TimeSpan ArrivalTime = TimeSpan.FromMinutes(2);

    /// <summary>How long a hole must be seen: files may just be merged.</summary>
    private static readonly TimeSpan HoleTime = TimeSpan.FromSeconds(10);

    /// <summary>How long a restore may make no progress: a server that does not answer any more is waited for without end.</summary>
    private static readonly TimeSpan StallTime = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan MinPause = TimeSpan.FromSeconds(0.25), MaxPause = TimeSpan.FromSeconds(5);

    /// <summary>
    /// What Litestream says where the connection, the rights or this machine failed, and not what it has got. Sources: Go's net and syscall
    /// packages, aws-sdk-go-v2.
    /// </summary>
    private static readonly string[] OtherErrors =
    [
        "dial tcp", "connection re", "i/o timeout", "deadline exceeded", "context canceled", "no such host", "TLS handshake", "StatusCode: 4", "StatusCode: 5", "SlowDown",
        "ended with signal", "quota exceeded", "cannot allocate memory", "too many open files", "could not be started",
    ];

    /// <summary>What S3 says of a file that is listed, and not there.</summary>
    private static readonly string[] MissingErrors = ["StatusCode: 404", "NoSuchKey"];

    private static readonly TimeSpan PauseBeforeRetry = TimeSpan.FromSeconds(5), DefaultInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long something that is written may wait before Litestream sends it.</summary>
    public TimeSpan SendTime => (destination.Database.MonitorInterval ?? DefaultInterval) + (destination.Replica.SyncInterval ?? DefaultInterval);

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
                return (null, Hole(txid, listing.Reach));
            }

            if (time.GetElapsedTime(started) >= ArrivalTime + SendTime)
            {
                throw new DrillNotHeldException($"What Litestream had taken was not at the destination {(ArrivalTime + SendTime).TotalMinutes:0} minutes later.");
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
            var (file, error) = await RestoreOnceAsync(point, cancellationToken).ConfigureAwait(false);
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
                return !MissingErrors.Any(words => error.Contains(words, StringComparison.Ordinal)) && OtherErrors.Any(words => error.Contains(words, StringComparison.OrdinalIgnoreCase))
                    ? throw new DrillNotHeldException($"Litestream could not restore it, for a reason that says nothing of the backup: {error.TrimEnd('.')}.")
                    : (null, error);
            }

            await Task.Delay(PauseBeforeRetry, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(RestoredFile? File, string? Error)> RestoreOnceAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        tell(new DrillProgress(DrillPhase.Restoring, 0));
        using var stalling = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = time.CreateTimer(_ => stalling.Cancel(), null, StallTime, Timeout.InfiniteTimeSpan);
        var written = 0L;
        try
        {
            return await restorer.TryRestoreAsync(destination, new FoundPoint(point, null, null), folder, Watch, stalling.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DrillNotHeldException($"The restore made no progress for {StallTime.TotalMinutes} minutes.");
        }

        void Watch(RestoreProgress progress)
        {
            if (progress.Written != written)
            {
                written = progress.Written;
                timer.Change(StallTime, Timeout.InfiniteTimeSpan);
                tell(new DrillProgress(DrillPhase.Restoring, written));
            }
        }
    }
}
