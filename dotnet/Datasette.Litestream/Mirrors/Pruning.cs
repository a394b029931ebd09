using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Which files of a mirror nobody needs any more: by the mirror's own files and their age alone, whatever another destination has.
/// One can always go back as far as the retention, so the newest snapshot that is older stays. Of level 0 those go that the mirror
/// has merged, after the time for which Litestream keeps them. Of merged files those go at once that would keep Litestream from merging
/// if it went on here.
/// </summary>
/// <param name="Retention">How far one can go back.</param>
/// <param name="L0Retention">How long the files of level 0 stay.</param>
internal sealed record Pruning(TimeSpan Retention, TimeSpan L0Retention)
{
    /// <summary>The last transaction of the snapshot before which nothing is needed; 0 if everything is.</summary>
    /// <param name="snapshots">The snapshots, and when they were made.</param>
    /// <param name="now">The time.</param>
    public ulong FindBase(IEnumerable<(LtxName Name, DateTimeOffset MadeAt)> snapshots, DateTimeOffset now) =>
        snapshots.Where(snapshot => snapshot.MadeAt <= now - Retention).Select(snapshot => snapshot.Name.Max).DefaultIfEmpty().Max();

    /// <summary>Finds the files that can go.</summary>
    /// <param name="files">The mirror's files.</param>
    /// <param name="snapshots">Its complete snapshots, and when they were made.</param>
    /// <param name="now">The time.</param>
    public IReadOnlyList<LtxName> Find(LtxSet files, IEnumerable<(LtxName Name, DateTimeOffset MadeAt)> snapshots, DateTimeOffset now)
    {
        var oldest = FindBase(snapshots, now);
        var highest = files.Highest;
        var nested = files.FindNested().ToHashSet();
        var gone = files.Files
            .Where(file => nested.Contains(file.Key) || (file.Key.Max < highest && file.Key.Level switch
            {
                LtxName.SnapshotLevel => file.Key.Max < oldest,
                0 => file.Key.Max <= oldest || (now - file.Value.Since >= L0Retention && IsMerged(files, file.Key)),
                _ => file.Key.Max <= oldest,
            }))
            .Select(file => file.Key).ToList();
        return gone.Count > 0 && StaysWhole(files, gone) ? gone : [];
    }

    private static bool IsMerged(LtxSet files, LtxName name)
    {
        for (var level = 1; level < LtxName.SnapshotLevel; level++)
        {
            // The last one that begins no later.
            var (names, low, high) = (files.Level(level), 0, files.Level(level).Count);
            while (low < high)
            {
                var middle = (low + high) / 2;
                (low, high) = names[middle].Min <= name.Min ? (middle + 1, high) : (low, middle);
            }

            if (low > 0 && names[low - 1].Max >= name.Max)
            {
                return true;
            }
        }

        return false;
    }

    private static bool StaysWhole(LtxSet files, List<LtxName> gone)
    {
        var without = gone.ToHashSet();
        var rest = new LtxSet(files.Files.Where(file => !without.Contains(file.Key)));
        return rest.Reach == files.Reach && rest.Chain.ResumesAt is null;
    }
}
