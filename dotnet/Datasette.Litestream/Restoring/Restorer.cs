using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Restoring;

/// <summary>Restores databases with Litestream into temporary files. Not for several tasks at once.</summary>
/// <param name="command">Runs Litestream.</param>
/// <param name="releaseLine">Which one that is.</param>
/// <param name="stores">Opens folders and S3.</param>
/// <param name="time">The clock.</param>
internal sealed class Restorer(LitestreamCommand command, ReleaseLine releaseLine, StoreFactory stores, TimeProvider time)
{
    /// <summary>How often files may be merged away between the look and the restore.</summary>
    private const int Tries = 3;

    /// <summary>How often progress is told.</summary>
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(0.5);

    /// <summary>The replicas of a database to restore from: the one that Litestream writes first, or the one that is asked for.</summary>
    /// <param name="database">The database.</param>
    /// <param name="number">Which one, from 1 on, in the order of the configuration; null for all.</param>
    /// <exception cref="ReplicationException">It has not so many.</exception>
    public static IReadOnlyList<ReplicaPlan> ReplicasOf(DatabasePlan database, int? number)
    {
        ArgumentNullException.ThrowIfNull(database);
        return number switch
        {
            null => [database.Primary, .. database.Replicas.Where(replica => replica != database.Primary)],
            { } one when one >= 1 && one <= database.Replicas.Length => [database.Replicas[one - 1]],
            { } one => throw new ReplicationException(
                $"{database.Name}: --from {one}: there is no such destination. It has {string.Join(", ", database.Replicas.Select((replica, i) => $"{i + 1} ({replica.Destination})"))}."),
        };
    }

    /// <summary>The destinations of a database, of <see cref="ReplicasOf"/>.</summary>
    /// <inheritdoc cref="ReplicasOf"/>
    public IReadOnlyList<Destination> DestinationsOf(DatabasePlan database, int? number) => [.. ReplicasOf(database, number).Select(replica => DestinationOf(database, replica))];

    /// <summary>One destination of a database.</summary>
    public Destination DestinationOf(DatabasePlan database, ReplicaPlan replica) => new(database, replica, stores, command, releaseLine, time);

    /// <summary>Finds the state to restore at the first destination that has it.</summary>
    /// <param name="destinations">The destinations, of which each but the last may fail.</param>
    /// <param name="target">What is wanted.</param>
    /// <param name="onLook">Called before each is looked at; null if nobody wants to know.</param>
    /// <param name="onFault">Called with why one that is not the last does not have it; null if nobody wants to know.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if nothing lies at any.</returns>
    /// <exception cref="ReplicationException">The last cannot be reached, or has no such state.</exception>
    public async Task<(Destination Destination, FoundPoint Found)?> FindFirstAsync(
        IReadOnlyList<Destination> destinations, RestoreTarget target, Action<Destination>? onLook, Action<string>? onFault, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destinations);
        for (var i = 0; i < destinations.Count; i++)
        {
            try
            {
                onLook?.Invoke(destinations[i]);
                if (await FindAsync(destinations[i], target, cancellationToken).ConfigureAwait(false) is { } found)
                {
                    return (destinations[i], found);
                }
            }
            catch (ReplicationException ex) when (i < destinations.Count - 1)
            {
                onFault?.Invoke(ex.Message);
            }
        }

        return null;
    }

    /// <summary>Finds the state to restore at a destination.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="target">What is wanted.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if nothing lies there.</returns>
    /// <exception cref="ReplicationException">It cannot be reached, or has no such state.</exception>
    public async Task<FoundPoint?> FindAsync(Destination destination, RestoreTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (target is RestoreTarget.AfterTransaction && releaseLine == ReleaseLine.V03)
        {
            throw new ReplicationException($"{destination.Database.Name}: Litestream 0.3 knows no transactions; say the time with --at.");
        }

        if (await destination.ListAsync(cancellationToken).ConfigureAwait(false) is not { } listing)
        {
            return new FoundPoint(new RestorePoint.Unlisted((target as RestoreTarget.AtTime)?.Time, time.GetUtcNow()), null, null);
        }

        if (!listing.HasBackup)
        {
            return null;
        }

        var point = await new PointFinder(destination, releaseLine).FindAsync(listing, target, cancellationToken).ConfigureAwait(false);
        if (point is not RestorePoint.Transaction transaction)
        {
            return new FoundPoint(point, null, null);
        }

        var last = listing.ChainTo(transaction.Txid)[^1];
        var highest = listing.Files.Max(file => file.MaxTxid);
        return new FoundPoint(
            point,
            (await destination.ReadHeaderAsync(last, cancellationToken).ConfigureAwait(false))?.DatabaseBytes,
            target is RestoreTarget.NewestState && highest > transaction.Txid ? highest : null);
    }

    /// <summary>Restores a state into a folder.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="target">What is wanted.</param>
    /// <param name="found">What was found for it.</param>
    /// <param name="folder">An empty folder.</param>
    /// <param name="progress">Is told how far it is; null for nobody.</param>
    /// <param name="cancellationToken">Ends it, and kills Litestream.</param>
    /// <exception cref="ReplicationException">It failed; the message says where and why.</exception>
    public async Task<RestoredFile> RestoreAsync(
        Destination destination, RestoreTarget target, FoundPoint found, string folder, Action<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(found);
        for (var tries = 1; ; tries++)
        {
            var (file, error) = await TryRestoreAsync(destination, found, folder, progress, cancellationToken).ConfigureAwait(false);
            if (file is not null)
            {
                return file;
            }

            if (tries == Tries || await FindAsync(destination, target, cancellationToken).ConfigureAwait(false) is not { } again || again.Point == found.Point)
            {
                throw new ReplicationException($"{destination.Database.Name} could not be restored from {destination.Replica.Destination}: {error}");
            }

            // Merged meanwhile: the state that was found has no files any more.
            found = again;
        }
    }

    /// <summary>Restores a state that was found into a folder, once.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="found">What was found.</param>
    /// <param name="folder">A folder; what an earlier restore has left there is replaced.</param>
    /// <param name="progress">Is told how far it is; null for nobody.</param>
    /// <param name="cancellationToken">Ends it, and kills Litestream.</param>
    /// <returns>The file, or why there is none, in Litestream's words.</returns>
    public async Task<(RestoredFile? File, string? Error)> TryRestoreAsync(
        Destination destination, FoundPoint found, string folder, Action<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(found);
        var path = Path.Combine(folder, "restored.db");
        File.Delete(path);
        var started = time.GetTimestamp();
        var running = command.RunAsync(destination.Database.At(destination.Replica), WordsOf(found.Point, path), timeout: null, cancellationToken);
        await WatchAsync(running, path, found.DatabaseBytes, started, progress, cancellationToken).ConfigureAwait(false);
        var answer = await running.ConfigureAwait(false);
        return answer.Error is null && File.Exists(path)
            ? (new RestoredFile(path, found.Point, destination.Replica.Destination, time.GetElapsedTime(started)), null)
            : (null, answer.Error ?? "Litestream ended without a restored file");
    }

    private async Task WatchAsync(Task running, string path, long? total, long started, Action<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        if (progress is null)
        {
            return;
        }

        using var timer = new PeriodicTimer(ProgressInterval, time);
        while (await Task.WhenAny(running, timer.WaitForNextTickAsync(cancellationToken).AsTask()).ConfigureAwait(false) != running)
        {
            // Litestream writes to this name first, and renames it.
            progress(new RestoreProgress(Processes.FileStatus.Look($"{path}.tmp").Status?.Size ?? 0, total, time.GetElapsedTime(started)));
        }
    }

    private string[] WordsOf(RestorePoint point, string path) => point switch
    {
        RestorePoint.Transaction transaction => ["restore", "-json", "-o", path, "-txid", transaction.Name],
        // Of a generation that ends before a time, Litestream 0.3 restores nothing (CalcRestoreTarget in replica.go, v0.3.13).
        RestorePoint.Segment { Last: var last, IsEnd: true } when releaseLine == ReleaseLine.V03 => ["restore", "-o", path, "-generation", last.Generation],
        RestorePoint.Segment { Last: var last } when releaseLine == ReleaseLine.V03 => ["restore", "-o", path, "-generation", last.Generation, "-timestamp", Timestamp(last.At)],
        RestorePoint.Segment { Last: var last } => ["restore", "-json", "-o", path, "-timestamp", Timestamp(last.At)],
        RestorePoint.Unlisted { At: { } at } => ["restore", "-o", path, "-timestamp", Timestamp(at)],
        _ => ["restore", "-o", path],
    };

    // A file's time has nanoseconds, of which ours has lost the last two digits.
    private static string Timestamp(DateTimeOffset time) => time.AddTicks(1).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
}

/// <summary>A state that was found at a destination.</summary>
/// <param name="Point">The state.</param>
/// <param name="DatabaseBytes">How large the database is then; null where that is not known.</param>
/// <param name="Beyond">A later transaction that is there too, but cannot be restored, since something before it is missing; null if there is none.</param>
internal sealed record FoundPoint(RestorePoint Point, long? DatabaseBytes, ulong? Beyond);
