namespace Datasette.Litestream.Replicas;

/// <summary>
/// The files that a restore of the newest point would use, by their names alone: the newest snapshot, then always the file that
/// reaches farthest of those that follow without a gap. Litestream chooses them in the same way: <c>CalcRestorePlan</c> in
/// replica.go, v0.5.17. This is a first look only, and Litestream judges whether a restore is possible. Not for several threads at
/// once.
/// </summary>
internal sealed class RestoreChain
{
    private readonly int[] _next = new int[LtxName.LevelCount];
    private readonly List<LtxName> _files = [];

    /// <summary>The files in the order of their transactions.</summary>
    public IReadOnlyList<LtxName> Files => _files;

    /// <summary>The last transaction of the snapshot that the restore begins with; 0 if there is none.</summary>
    public ulong Snapshot => _files is [{ Level: LtxName.SnapshotLevel } first, ..] ? first.Max : 0;

    /// <summary>The last transaction of a restore; 0 if nothing can be restored.</summary>
    public ulong Reach { get; private set; }

    /// <summary>
    /// The first transaction of the first file that does not follow: what is between <see cref="Reach"/> and it is missing. Null if
    /// there is no such file.
    /// </summary>
    public ulong? ResumesAt { get; private set; }

    /// <summary>Finds the files.</summary>
    /// <param name="levels">The names of the files of each level, by their first transactions.</param>
    public void Find(IReadOnlyList<LtxName>[] levels)
    {
        _files.Clear();
        (Reach, ResumesAt) = (0, null);
        Array.Clear(_next);
        if (FindNewest(levels[LtxName.SnapshotLevel]) is { } snapshot)
        {
            Add(snapshot);
        }

        while (FindFarthest(levels) is { } file)
        {
            Add(file);
        }

        for (var level = 0; level < LtxName.SnapshotLevel; level++)
        {
            if (_next[level] < levels[level].Count && (ResumesAt is not { } first || levels[level][_next[level]].Min < first))
            {
                ResumesAt = levels[level][_next[level]].Min;
            }
        }
    }

    private static LtxName? FindNewest(IReadOnlyList<LtxName> snapshots)
    {
        LtxName? newest = null;
        for (var i = 0; i < snapshots.Count; i++)
        {
            newest = newest is { } known && known.Max > snapshots[i].Max ? newest : snapshots[i];
        }

        return newest;
    }

    private void Add(LtxName file)
    {
        _files.Add(file);
        Reach = file.Max;
    }

    private LtxName? FindFarthest(IReadOnlyList<LtxName>[] levels)
    {
        LtxName? best = null;
        for (var level = LtxName.SnapshotLevel - 1; level >= 0; level--)
        {
            // Of the files that follow now, only the one that reaches farthest is ever needed, so that one pass is enough.
            var names = levels[level];
            LtxName? candidate = null;
            var i = _next[level];
            for (; i < names.Count && names[i].Min <= Reach + 1; i++)
            {
                if (names[i].Max > Reach && (candidate is not { } known || names[i].Max > known.Max))
                {
                    candidate = names[i];
                }
            }

            _next[level] = i;
            if (candidate is { } found && (best is not { } other || found.Max > other.Max || (found.Max == other.Max && found.Min < other.Min)))
            {
                best = found;
            }
        }

        return best;
    }
}
