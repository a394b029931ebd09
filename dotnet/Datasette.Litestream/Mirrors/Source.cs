using System.Diagnostics.CodeAnalysis;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>One destination of a database, as a place to copy from. The mirrors of the database share it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A SemaphoreSlim without a wait handle holds nothing; the holder is disposed of by its owner.")]
internal sealed class Source
{
    private readonly StoreHolder _holder;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private SourceListing? _last;

    /// <param name="replica">The destination.</param>
    /// <param name="holder">Its store.</param>
    /// <param name="time">The clock.</param>
    public Source(ReplicaPlan replica, StoreHolder holder, TimeProvider time) => (Replica, _holder, _time) = (replica, holder, time);

    /// <summary>The destination.</summary>
    public ReplicaPlan Replica { get; }

    /// <summary>What lies there.</summary>
    /// <param name="since">A listing from before this time is not enough.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="Stores.StoreException">It cannot be listed.</exception>
    public async Task<SourceListing> ListAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_last is { } last && last.At >= since)
            {
                return last;
            }

            var store = _holder.Get();
            var now = _time.GetUtcNow();
            var files = await store.ListAsync(cancellationToken).ConfigureAwait(false);
            var seals = new Dictionary<LtxName, LtxSeal>();
            foreach (var name in files.Level(LtxName.SnapshotLevel))
            {
                // A snapshot of the same name may be another one, which its version tells.
                var seal = _last is { } before && before.Seals.TryGetValue(name, out var known) && IsSame(before.Files.Files[name], files.Files[name])
                    ? known
                    : await store.ReadSealAsync(name, files.Files[name].Size, cancellationToken).ConfigureAwait(false);
                if (seal is { } complete)
                {
                    seals[name] = complete;
                }
            }

            return _last = new SourceListing(Replica, store, files, seals, now);
        }
        finally
        {
            _turn.Release();
        }
    }

    private static bool IsSame(LtxFile one, LtxFile other) => (one.Size, one.Version) == (other.Size, other.Version);
}

/// <summary>What lay at a destination at one moment. Nobody changes it.</summary>
/// <param name="Replica">The destination.</param>
/// <param name="Store">Its store.</param>
/// <param name="Files">The files.</param>
/// <param name="Seals">The seals of the snapshots that are complete.</param>
/// <param name="At">When it was asked for.</param>
internal sealed record SourceListing(
    ReplicaPlan Replica, LtxStore Store, LtxSet Files, IReadOnlyDictionary<LtxName, LtxSeal> Seals, DateTimeOffset At)
{
    /// <summary>The highest transaction of all levels; 0 if there is no file.</summary>
    public ulong Highest { get; } = Files.Highest;

    /// <summary>Reads the seal of a file.</summary>
    /// <returns>Null if it is not there, or not complete.</returns>
    public async Task<LtxSeal?> ReadSealAsync(LtxName name, CancellationToken cancellationToken) =>
        Seals.TryGetValue(name, out var known) ? known
        : Files.Files.TryGetValue(name, out var file) ? await Store.ReadSealAsync(name, file.Size, cancellationToken).ConfigureAwait(false)
        : null;
}
