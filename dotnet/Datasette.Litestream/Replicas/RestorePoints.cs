using System.Collections.Immutable;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// How far back, and how finely, a destination can be restored, by the files that were there when it was listed. Litestream restores
/// a time from the newest snapshot before it and the files after that which follow without a gap (<c>CalcRestorePlan</c> in replica.go,
/// v0.5.17), so that there is a point for each file.
/// </summary>
/// <param name="ListedAt">When it was listed.</param>
/// <param name="Oldest">The oldest point from which one can go on to the newest.</param>
/// <param name="NewestSnapshot">When the newest snapshot was made; null if there is none.</param>
/// <param name="Steps">How finely, from the finest on: each reaches farther back than the one before.</param>
internal sealed record RestorePoints(
    DateTimeOffset ListedAt, DateTimeOffset Oldest, DateTimeOffset? NewestSnapshot, ImmutableArray<RestoreStep> Steps)
{
    /// <summary>How much time the largest merged file covers, where no later file tells when its last change was.</summary>
    private static readonly TimeSpan LongestMerge = TimeSpan.FromHours(1);

    private static readonly TimeSpan AlmostSecond = TimeSpan.FromMilliseconds(999);

    /// <summary>Each state that can be restored, oldest first.</summary>
    public ImmutableArray<KnownPoint> Known { get; init; } = [];

    /// <summary>Finds them in the names and times of files; this takes about a millisecond for 3,000 files.</summary>
    /// <param name="levels">The names of the files of each level, by their first transactions.</param>
    /// <param name="reach">The last transaction that can be restored; 0 if nothing can be.</param>
    /// <param name="timeOf">Returns the time by which Litestream restores a file.</param>
    /// <param name="listedAt">When they were listed.</param>
    /// <returns>Null if nothing can be restored.</returns>
    public static RestorePoints? Find(IReadOnlyList<IReadOnlyList<LtxName>> levels, ulong reach, Func<LtxName, DateTimeOffset> timeOf, DateTimeOffset listedAt)
    {
        if (reach == 0)
        {
            return null;
        }

        var runs = new List<Run>();
        var lowest = reach + 1;
        for (var level = 0; level < LtxName.SnapshotLevel; level++)
        {
            // A level that ends before a finer one begins has points too, but nobody could go on from them to now.
            if (Run.EndOf(levels[level]) is { } run && run.Last + 1 >= lowest && run.First < lowest)
            {
                runs.Add(run);
                lowest = run.First;
            }
        }

        var snapshots = levels[LtxName.SnapshotLevel].OrderBy(name => name.Max).ToList();
        var begin = snapshots.Find(name => name.Max + 1 >= lowest) is { Max: > 0 } snapshot ? snapshot : (LtxName?)null;
        DateTimeOffset? oldest = begin is { } known ? timeOf(known) : null;
        if (lowest == 1 && timeOf(runs[^1].Name) is var first && !(first > oldest))
        {
            // Everything since the first transaction is there, as before the first snapshot.
            (begin, oldest) = (null, first);
        }

        if (oldest is not { } since)
        {
            return null;
        }

        var steps = runs.Select(run => new RestoreStep(run.Name.Level, run.First <= (begin?.Max ?? 0) + 1 || timeOf(run.Name) < since ? since : timeOf(run.Name))).ToList();
        if (steps.Count == 0 || steps[^1].Since > since)
        {
            steps.Add(new RestoreStep(LtxName.SnapshotLevel, since));
        }

        return new RestorePoints(listedAt, since, snapshots.Count > 0 ? timeOf(snapshots[^1]) : null, [.. steps.Where((step, i) => i == 0 || step.Since < steps[i - 1].Since)])
        {
            Known = FindKnown(levels, begin?.Max ?? 0, reach, timeOf),
        };
    }

    /// <summary>The newest state that is not after a time; null if none is known.</summary>
    /// <param name="time">The time.</param>
    public KnownPoint? At(DateTimeOffset time)
    {
        for (var i = Known.Length - 1; i >= 0; i--)
        {
            if (Known[i].Until <= time)
            {
                return Known[i];
            }
        }

        return null;
    }

    /// <summary>
    /// How finely at a later time, if no file is lost: the files of level 0 are deleted after their time, when they are merged into
    /// those of level 1.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="l0Retention">How long the files of level 0 stay.</param>
    public IEnumerable<RestoreStep> StepsAt(DateTimeOffset now, TimeSpan l0Retention)
    {
        var kept = now - l0Retention;
        for (var i = 0; i < Steps.Length; i++)
        {
            if (Steps[i] is not { Level: 0 } finest || finest.Since >= kept)
            {
                yield return Steps[i];
                continue;
            }

            yield return finest with { Since = kept };
            if (i + 1 == Steps.Length || Steps[i + 1].Level > 1)
            {
                yield return new RestoreStep(1, finest.Since);
            }
        }
    }

    private static ImmutableArray<KnownPoint> FindKnown(IReadOnlyList<IReadOnlyList<LtxName>> levels, ulong first, ulong reach, Func<LtxName, DateTimeOffset> timeOf)
    {
        var (ends, begins) = (new Dictionary<ulong, LtxName>(), new Dictionary<ulong, LtxName>());
        foreach (var name in levels.SelectMany(level => level).Where(name => name.Max >= first && name.Max <= reach))
        {
            begins.TryAdd(name.Min, name);
            if (!ends.TryAdd(name.Max, name) && HasOwnTime(name) && !HasOwnTime(ends[name.Max]))
            {
                ends[name.Max] = name;
            }
        }

        var known = ImmutableArray.CreateBuilder<KnownPoint>(ends.Count);
        foreach (var name in ends.Values)
        {
            var since = timeOf(name);
            known.Add(new KnownPoint(
                name.Max, since, EndOf(HasOwnTime(name) ? since : begins.TryGetValue(name.Max + 1, out var next) ? timeOf(next) : since + LongestMerge)));
        }

        known.Sort((one, other) => one.Txid.CompareTo(other.Txid));
        return known.ToImmutable();

        // A merged file has the time of its first change.
        static bool HasOwnTime(LtxName name) => name.Level is 0 or LtxName.SnapshotLevel || name.Min == name.Max;

        // Litestream and S3 tell whole seconds, without the part of one that had passed.
        static DateTimeOffset EndOf(DateTimeOffset time) => time.UtcTicks % TimeSpan.TicksPerSecond == 0 ? time + AlmostSecond : time;
    }

    /// <summary>The last files of one level that follow each other without a gap.</summary>
    /// <param name="Name">The one with which they begin.</param>
    /// <param name="First">Its first transaction.</param>
    /// <param name="Last">Their last transaction.</param>
    private readonly record struct Run(LtxName Name, ulong First, ulong Last)
    {
        public static Run? EndOf(IReadOnlyList<LtxName> names)
        {
            if (names.Count == 0)
            {
                return null;
            }

            var i = names.Count - 1;
            var last = names[i].Max;
            for (; i > 0 && names[i - 1].Max + 1 >= names[i].Min; i--)
            {
                last = Math.Max(last, names[i - 1].Max);
            }

            return new Run(names[i], names[i].Min, last);
        }
    }
}

/// <summary>How finely one can go back since some time.</summary>
/// <param name="Level">The level whose files reach back that far: one for each sync with 0, merged ones above, and snapshots alone with
/// <see cref="LtxName.SnapshotLevel"/>.</param>
/// <param name="Since">Since when.</param>
internal readonly record struct RestoreStep(int Level, DateTimeOffset Since);
