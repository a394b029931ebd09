using System.Collections.Immutable;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Restoring;

/// <summary>What lies at one destination of a database, by the names, sizes and times of its files.</summary>
/// <param name="ListedAt">When it was listed.</param>
/// <param name="Files">The files of Litestream 0.5.</param>
/// <param name="Segments">The files of Litestream 0.3; none where only Litestream 0.5 can list, which does not name them.</param>
internal sealed record DestinationListing(DateTimeOffset ListedAt, ImmutableArray<LtxFileInfo> Files, ImmutableArray<WalSegment> Segments)
{
    /// <summary>Whether anything can be restored.</summary>
    public bool HasBackup => !Files.IsEmpty || Segments.Any(segment => segment.IsSnapshot);

    /// <summary>Whether there are files, and no state can be restored from them, since what they begin with is missing.</summary>
    public bool LacksBeginning => (!Files.IsEmpty || !Segments.IsEmpty) && Reach == 0 && !Segments.Any(segment => segment.IsSnapshot);

    /// <summary>The files of Litestream 0.5 in bytes.</summary>
    public long Bytes => Files.Sum(file => file.Size);

    /// <summary>The snapshots of Litestream 0.5, oldest first.</summary>
    public IReadOnlyList<LtxFileInfo> Snapshots => [.. Files.Where(file => file.Level == LtxName.SnapshotLevel).OrderBy(file => file.MaxTxid)];

    /// <summary>The newest transaction that can be restored; 0 if none can.</summary>
    public ulong Reach
    {
        get
        {
            var chain = new RestoreChain();
            chain.Find(LevelsUpTo(ulong.MaxValue));
            return chain.Reach;
        }
    }

    /// <summary>How far back and how finely one can go with the files of Litestream 0.5; null if nothing can be restored.</summary>
    public RestorePoints? FindPoints()
    {
        var times = Files.DistinctBy(file => file.Name).ToDictionary(file => file.Name, file => file.At);
        return RestorePoints.Find(LevelsUpTo(ulong.MaxValue), Reach, name => times[name], ListedAt);
    }

    /// <summary>The files that a restore to a transaction reads, first to last; empty if none ends with it.</summary>
    /// <param name="txid">The transaction.</param>
    public IReadOnlyList<LtxFileInfo> ChainTo(ulong txid)
    {
        var chain = new RestoreChain();
        chain.Find(LevelsUpTo(txid));
        if (chain.Reach != txid)
        {
            return [];
        }

        var files = Files.DistinctBy(file => file.Name).ToDictionary(file => file.Name);
        return [.. chain.Files.Select(name => files[name])];
    }

    private IReadOnlyList<LtxName>[] LevelsUpTo(ulong txid)
    {
        var levels = Enumerable.Range(0, LtxName.LevelCount).Select(_ => new List<LtxName>()).ToArray();
        foreach (var name in Files.Select(file => file.Name).Distinct().Where(name => name.Max <= txid).OrderBy(name => name.Min).ThenBy(name => name.Max))
        {
            levels[name.Level].Add(name);
        }

        return levels;
    }
}
