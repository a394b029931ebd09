using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Fills the destination that Litestream writes to from the fullest of the others, while no Litestream works on the database. Without
/// that, Litestream would begin its transactions anew below those that the others have, or would not begin at all where it has files
/// of its own (seen with 0.5.17). Afterwards Litestream goes on above all that is anywhere.
/// </summary>
/// <param name="tools">What is shared with the mirrors.</param>
internal sealed class PrimaryFilling(MirrorTools tools)
{
    /// <summary>How long it may hold back a database that not all of its destinations have answered.</summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Compares what this machine, the primary and the others have.
    /// </summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="primary">The destination that Litestream writes to.</param>
    /// <param name="others">The others.</param>
    /// <param name="cancellationToken">Ends the wait for the others.</param>
    /// <returns>The one to fill the primary from, null if it need not, or cannot, be filled; and whether all have answered that were asked
    /// for it.</returns>
    public async Task<(Source? Fullest, bool IsKnown)> FindFullestAsync(string stateFolder, Source primary, IReadOnlyList<Source> others, CancellationToken cancellationToken)
    {
        var now = tools.Time.GetUtcNow();
        if (await TryListAsync(primary, now, cancellationToken).ConfigureAwait(false) is not { } there)
        {
            return (null, IsKnown: true);
        }

        var local = new LocalHistory(tools.Time);
        try
        {
            local.Look(stateFolder);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Litestream will say the same.
            return (null, IsKnown: true);
        }

        if (there.Highest > 0 && await ContinuesAsync(there, local.Current, cancellationToken).ConfigureAwait(false))
        {
            return (null, IsKnown: true);
        }

        var listings = await Task.WhenAll(others.Select(other => TryListAsync(other, now, cancellationToken))).ConfigureAwait(false);
        Source? fullest = null;
        var highest = there.Highest;
        foreach (var (other, listing) in others.Zip(listings))
        {
            // Litestream takes up the position of the last file of level 0.
            if (listing is not null && listing.Files.Reach > highest && listing.Files.HighestOf(0) == listing.Highest && listing.Highest == listing.Files.Reach)
            {
                (fullest, highest) = (other, listing.Highest);
            }
        }

        return (fullest, listings.All(listing => listing is not null));
    }

    /// <summary>
    /// The same for a database of which it is not known yet: whoever does not answer is asked again for a while, since a backup that is
    /// taken to be empty because its server is slow would have no future beside a new one.
    /// </summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="primary">The destination that Litestream writes to.</param>
    /// <param name="others">The others.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The one to fill the primary from; null if it need not be, or nobody else has answered.</returns>
    public async Task<Source?> WaitForFullestAsync(string stateFolder, Source primary, IReadOnlyList<Source> others, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(MaxWait, tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        while (true)
        {
            var (fullest, isKnown) = await FindFullestAsync(stateFolder, primary, others, either.Token).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (isKnown || deadline.IsCancellationRequested)
            {
                return fullest;
            }

            await Task.Delay(MinRetryDelay, tools.Time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Fills the primary, and tries again until it is done.</summary>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="primary">The destination that Litestream writes to.</param>
    /// <param name="primaryHolder">Its store.</param>
    /// <param name="from">Where to fill it from.</param>
    /// <param name="publish">Receives how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task FillAsync(
        string stateFolder, Source primary, StoreHolder primaryHolder, Source from, Action<PrimaryFill> publish, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(MinRetryDelay, MaxRetryDelay, tools.Random);
        var status = new PrimaryFill(tools.Time.GetUtcNow(), from.Replica.Destination, 0, 0);
        publish(status);
        while (true)
        {
            try
            {
                await FillOnceAsync(stateFolder, primary, primaryHolder, from, next => publish(status = next(status)), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (Exception ex) when (ex is StoreException or SourceException or IOException or UnauthorizedAccessException && !cancellationToken.IsCancellationRequested)
            {
                publish(status = status with { Error = ex is StoreException or SourceException ? ex.Message : tools.Redact(ex.Message.TrimEnd('.')) });
            }

            await Task.Delay(backoff.Next(), tools.Time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task FillOnceAsync(
        string stateFolder, Source primary, StoreHolder primaryHolder, Source from, Action<Func<PrimaryFill, PrimaryFill>> update, CancellationToken cancellationToken)
    {
        var now = tools.Time.GetUtcNow();
        var there = await primary.ListAsync(now, cancellationToken).ConfigureAwait(false);
        var listing = await from.ListAsync(now - TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
        var files = new LtxSet(there.Files.Files);
        if (files.Count > 0 && !await IsBeginningAsync(there, listing, cancellationToken).ConfigureAwait(false))
        {
            var suffix = ReplacedBackup.SuffixAt(now);
            await primaryHolder.Get().Store.MoveAsideAsync(suffix, cancellationToken).ConfigureAwait(false);
            update(fill => fill with
            {
                Notice = $"What lay at {primary.Replica.Destination} is kept at {primary.Replica.Destination}{suffix}, and a fuller backup was copied from {from.Replica.Destination}.",
            });
            files = new LtxSet();
        }

        update(fill => fill with { FillBytes = listing.Files.Bytes, Error = null });

        // Litestream takes up the position of the last file of level 0, and so that comes when all else is there.
        var top = new LtxName(0, listing.Highest, listing.Highest);
        while (NextFile.Find(listing.Files, files.Reach) is { } next && next != top)
        {
            await CopyAsync(next).ConfigureAwait(false);
        }

        var oldest = tools.Pruning.FindBase(listing.Seals.Select(seal => (seal.Key, seal.Value.MadeAt)), now);
        foreach (var name in listing.Files.Files.Keys.Where(name => name.Level > 0 && name.Max >= oldest).OrderByDescending(name => name.Level).ThenByDescending(name => name.Max))
        {
            if (!files.Files.ContainsKey(name) && !files.IsNested(name) && (name.Level < LtxName.SnapshotLevel || listing.Seals.ContainsKey(name)))
            {
                await CopyAsync(name).ConfigureAwait(false);
            }
        }

        // Litestream would not merge them.
        if (files.FindNested() is { Count: > 0 } nested)
        {
            await primaryHolder.Get().DeleteAsync(nested, cancellationToken).ConfigureAwait(false);
            files.Remove(nested);
        }

        if (!files.Files.ContainsKey(top))
        {
            await CopyAsync(top).ConfigureAwait(false);
        }

        await ContinueLocallyAsync(stateFolder, listing, top, primaryHolder.Get(), primary.Replica, cancellationToken).ConfigureAwait(false);

        async Task CopyAsync(LtxName name)
        {
            var before = files.Bytes;
            var copied = await tools.Copier.CopyAsync(
                listing.Store, name, listing.Files.Files[name].Size, primaryHolder.Get(), primary.Replica, read => update(fill => fill with { FilledBytes = before + read() }), cancellationToken)
                .ConfigureAwait(false);
            files.Set(name, copied.File);
            update(fill => fill with { FilledBytes = files.Bytes });
        }
    }

    /// <summary>
    /// What this machine's Litestream has beyond that follows it, if it is of the same history; otherwise Litestream's own files go,
    /// so that it takes up the primary's position: it would wait for ever for files that nobody has.
    /// </summary>
    private async Task ContinueLocallyAsync(
        string stateFolder, SourceListing listing, LtxName top, LtxStore to, ReplicaPlan replica, CancellationToken cancellationToken)
    {
        var local = new LocalHistory(tools.Time);
        local.Look(stateFolder);
        var look = local.Current;
        if (look.Names.IsEmpty || look.Highest < top.Max)
        {
            return;
        }

        if (look.ReadSeal(top) is { } here && here == await listing.ReadSealAsync(top, cancellationToken).ConfigureAwait(false))
        {
            using var from = LocalHistory.Open(stateFolder, tools.Time);
            for (var reach = top.Max; look.After(reach) is { } next && look.SizeOf(next) is { } size; reach = next.Max)
            {
                await tools.Copier.CopyAsync(from, next, size, to, replica, onProgress: null, cancellationToken).ConfigureAwait(false);
            }
        }
        else if (LocalState.Delete(stateFolder) is { } error)
        {
            throw new IOException(error);
        }
    }

    /// <summary>Whether Litestream goes on with what is at a destination as it is: its last file is this machine's, or just before it.</summary>
    private static async Task<bool> ContinuesAsync(SourceListing there, LocalFilesLook look, CancellationToken cancellationToken)
    {
        var top = new LtxName(0, there.Highest, there.Highest);
        if (!there.Files.Files.ContainsKey(top) || look.Names.IsEmpty)
        {
            return false;
        }

        try
        {
            return look.Has(top) ? look.ReadSeal(top) is { } here && here == await there.ReadSealAsync(top, cancellationToken).ConfigureAwait(false) : look.Lowest == there.Highest + 1;
        }
        catch (Exception ex) when (ex is StoreException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Whether what is at one destination is the beginning of what another one has.</summary>
    private static async Task<bool> IsBeginningAsync(SourceListing there, SourceListing listing, CancellationToken cancellationToken)
    {
        if (there.Files.Reach != there.Highest)
        {
            return false;
        }

        foreach (var name in there.Files.EndingAt(there.Highest).Where(listing.Files.Files.ContainsKey))
        {
            return await there.ReadSealAsync(name, cancellationToken).ConfigureAwait(false) is { } one
                && one == await listing.ReadSealAsync(name, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }

    private static async Task<SourceListing?> TryListAsync(Source source, DateTimeOffset since, CancellationToken cancellationToken)
    {
        try
        {
            return await source.ListAsync(since, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is StoreException or OperationCanceledException)
        {
            return null;
        }
    }
}
