using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// The LTX files at one place, and what a restore of the newest point would use of them. Not for several threads at once while it
/// is changed.
/// </summary>
internal sealed class LtxSet
{
    private static readonly IComparer<LtxName> ByFirst = Comparer<LtxName>.Create(
        static (one, other) => one.Min != other.Min ? one.Min.CompareTo(other.Min) : one.Max.CompareTo(other.Max));

    private readonly Dictionary<LtxName, LtxFile> _files = [];
    private readonly List<LtxName>[] _levels = [.. Enumerable.Range(0, LtxName.LevelCount).Select(_ => new List<LtxName>())];
    private readonly RestoreChain _chain = new();
    private bool _isCurrent = true;

    public LtxSet()
    {
    }

    public LtxSet(IEnumerable<KeyValuePair<LtxName, LtxFile>> files)
    {
        foreach (var (name, file) in files)
        {
            _files[name] = file;
            Bytes += file.Size;
        }

        foreach (var name in _files.Keys)
        {
            _levels[name.Level].Add(name);
        }

        foreach (var level in _levels)
        {
            level.Sort(ByFirst);
        }

        _isCurrent = false;
        _ = Chain;
    }

    /// <summary>The number of files.</summary>
    public int Count => _files.Count;

    /// <summary>The size of all files in bytes.</summary>
    public long Bytes { get; private set; }

    public IReadOnlyDictionary<LtxName, LtxFile> Files => _files;

    /// <summary>The files that a restore of the newest point uses.</summary>
    public RestoreChain Chain
    {
        get
        {
            if (!_isCurrent)
            {
                _chain.Find(_levels);
                _isCurrent = true;
            }

            return _chain;
        }
    }

    /// <summary>The last transaction of a restore; 0 if nothing can be restored.</summary>
    public ulong Reach => Chain.Reach;

    /// <summary>The highest transaction of all levels; 0 if there is no file.</summary>
    public ulong Highest => Enumerable.Range(0, LtxName.LevelCount).Max(HighestOf);

    /// <summary>The names of each level, by their first transactions.</summary>
    public IReadOnlyList<IReadOnlyList<LtxName>> Levels => _levels;

    /// <summary>The names of a level, by their first transactions.</summary>
    public IReadOnlyList<LtxName> Level(int level) => _levels[level];

    /// <summary>The highest transaction of a level; 0 if it has no file.</summary>
    public ulong HighestOf(int level)
    {
        // Files of a level hardly overlap, so the last ones reach farthest; snapshots all begin at the first transaction.
        var names = _levels[level];
        return level is 0 or LtxName.SnapshotLevel ? names is [.., var last] ? last.Max : 0 : names.Select(name => name.Max).DefaultIfEmpty().Max();
    }

    /// <summary>The names of the files that end with a transaction.</summary>
    public IReadOnlyList<LtxName> EndingAt(ulong txid) => [.. _levels.SelectMany(level => level).Where(name => name.Max == txid)];

    /// <summary>
    /// Whether a merged file lies, or would lie, within an earlier one of its level: Litestream then never merges that level again (<c>Compact</c> in
    /// compactor.go, v0.5.17). Two Litestreams that wrote to different destinations in turn have not merged the same transactions together.
    /// </summary>
    public bool IsNested(LtxName name) => name.Level is > 0 and < LtxName.SnapshotLevel
        && _levels[name.Level].TakeWhile(other => other.Min < name.Min).Any(other => other.Max >= name.Max);

    /// <summary>The merged files that lie within an earlier one of their level; nothing is lost without them but a point between.</summary>
    public IReadOnlyList<LtxName> FindNested()
    {
        var nested = new List<LtxName>();
        for (var level = 1; level < LtxName.SnapshotLevel; level++)
        {
            var reach = 0ul;
            foreach (var name in _levels[level])
            {
                if (name.Max <= reach)
                {
                    nested.Add(name);
                }

                reach = Math.Max(reach, name.Max);
            }
        }

        return nested;
    }

    /// <summary>Adds a file, or replaces the one of that name.</summary>
    public void Set(LtxName name, LtxFile file)
    {
        if (_files.TryGetValue(name, out var known))
        {
            Bytes -= known.Size;
        }
        else
        {
            var names = _levels[name.Level];
            var at = names.BinarySearch(name, ByFirst);
            names.Insert(~at, name);
            _isCurrent = false;
        }

        _files[name] = file;
        Bytes += file.Size;
    }

    /// <summary>Removes files.</summary>
    public void Remove(IEnumerable<LtxName> names)
    {
        foreach (var name in names)
        {
            if (_files.Remove(name, out var file))
            {
                Bytes -= file.Size;
                _levels[name.Level].RemoveAt(_levels[name.Level].BinarySearch(name, ByFirst));
                _isCurrent = false;
            }
        }
    }
}
