using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// Looks at the destination of one database that is a folder on this machine. A look costs a few microseconds as long as nothing
/// changes there: it asks for the times of the folders, and for size, inode and time of the files that a restore of the newest
/// point needs. A folder is listed again when it has changed. All state belongs to the thread that calls <see cref="Look"/>; a
/// folder on a network that does not answer blocks it.
/// </summary>
/// <remarks>
/// Litestream changes the folder all the time. It makes every file under another name (<c>.tmp</c>), renames it, and then sets its
/// time to the one that the file says (file/replica_client.go, v0.5.17). It merges files of one level to one of the next, and
/// deletes them minutes later; below old snapshots it deletes everything. So the levels are listed from the lowest up: what a
/// lower one does not have any more, a higher one has by then.
/// </remarks>
internal sealed class ReplicaFolder
{
    /// <summary>How often a look begins anew before it finds a fault: Litestream may have deleted merged files meanwhile.</summary>
    private const int Tries = 3;

    /// <summary>How many new files of level 0 are compared with the local ones in one look, the newest first.</summary>
    private const int MaxComparisons = 64;

    /// <summary>Of the looks that find nothing uploaded, how many pass until one asks all folders for their times.</summary>
    private const int LooksPerList = 8;

    /// <summary>A folder that changed this recently may change again without another time.</summary>
    private static readonly TimeSpan TimeResolution = TimeSpan.FromSeconds(2);

    private readonly string _root;
    private readonly string _localFolder;
    private readonly int _maxFiles;
    private readonly LevelFolder[] _levels;
    private readonly List<LtxName>[] _names;
    private readonly RestoreChain _chain = new();
    private readonly List<string> _temporaryFiles = [];
    private Dictionary<LtxName, NeededFile> _needed = [];
    private Dictionary<LtxName, NeededFile> _spare = [];
    private NeededFile[] _inOrder = [];
    private int _firstFile;
    private uint _looks;
    private FileStatus? _rootStatus;
    private bool _isRootSettled;
    private ulong? _foundAtFirst;
    private ulong _comparedUpTo;
    private ulong _prunedUpTo;
    private ReplicaFinding? _otherWriter;
    private ReplicaFinding _last = new(ReplicaCondition.Missing, 0);

    /// <param name="path">The destination.</param>
    /// <param name="stateFolder">Litestream's folder of the database.</param>
    /// <param name="maxFiles">How many files one look examines; the others have their turn at the next looks.</param>
    public ReplicaFolder(string path, string stateFolder, int maxFiles)
    {
        _root = Path.Combine(path, "ltx");
        _localFolder = LocalFiles.FolderOf(stateFolder);
        _maxFiles = maxFiles;
        _names = [.. Enumerable.Range(0, LtxName.LevelCount).Select(_ => new List<LtxName>())];
        _levels = [.. Enumerable.Range(0, LtxName.LevelCount).Select(level => new LevelFolder(Path.Combine(_root, $"{level}")))];
    }

    /// <summary>
    /// The size in bytes of the biggest file that Litestream is writing there, which during the first copy is how much has
    /// arrived; null if it is writing none.
    /// </summary>
    public long? CopiedBytes { get; private set; }

    /// <summary>Looks at the folder. No error is an exception.</summary>
    /// <param name="now">The time, from before the look.</param>
    /// <param name="replicatedTxid">The last transaction that is known to have arrived; 0 if none is.</param>
    public ReplicaFinding Look(DateTimeOffset now, ulong replicatedTxid)
    {
        ReplicaFinding finding;
        try
        {
            finding = Find(now, replicatedTxid);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Whatever was listed is in doubt, so the next look lists everything.
            _rootStatus = null;
            finding = new ReplicaFinding(ReplicaCondition.Unreadable, 0, ex.Message.TrimEnd('.'));
        }

        return _last = finding;
    }

    private ReplicaFinding Find(DateTimeOffset now, ulong replicatedTxid)
    {
        ReplicaFinding? fault = null;
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            if ((attempt > 0 || !IsBrief()) && (ListChanged(now, listsAll: attempt > 0) || attempt > 0))
            {
                _chain.Find(_names);
            }

            fault = FindFault(replicatedTxid);
            if (fault is null)
            {
                KeepNeeded();
                fault = Examine(now);
            }

            MeasureTemporaryFiles();
            if (_otherWriter is { } other)
            {
                return other with { UpTo = _chain.Reach };
            }

            if (fault is null)
            {
                return _last is { Condition: ReplicaCondition.Whole } last && last.UpTo == _chain.Reach && last.Snapshot == _chain.Snapshot
                    ? last
                    : new ReplicaFinding(ReplicaCondition.Whole, _chain.Reach, Snapshot: _chain.Snapshot);
            }
        }

        return fault!;
    }

    /// <summary>
    /// Whether this look can do without the folders of merged files: nothing was uploaded, every file that a restore needs is examined
    /// anyway, and there is no other folder. What else may lie there can wait for a later look.
    /// </summary>
    private bool IsBrief() =>
        _last.Condition == ReplicaCondition.Whole
        && _isRootSettled
        && Status(_root) == _rootStatus
        && _inOrder.Length <= _maxFiles
        && ++_looks % LooksPerList != 0
        && _levels[0].IsSettled
        && Status(_levels[0].Path) == _levels[0].Status;

    /// <summary>Lists the folders that have changed.</summary>
    /// <returns>Whether there was one.</returns>
    private bool ListChanged(DateTimeOffset now, bool listsAll)
    {
        var root = Status(_root);
        var isRootNew = listsAll || !_isRootSettled || root != _rootStatus;
        (_rootStatus, _isRootSettled) = (root, root is { } known && known.ModifiedAt < now - TimeResolution);
        if (listsAll)
        {
            _prunedUpTo = 0;
        }

        var hasChanged = false;
        for (var level = 0; level < _levels.Length; level++)
        {
            if (_levels[level].Status is null && !isRootNew)
            {
                continue;
            }

            var status = root is null ? null : Status(_levels[level].Path);
            if (!listsAll && _levels[level].IsSettled && status == _levels[level].Status)
            {
                continue;
            }

            hasChanged = true;
            _levels[level].Status = status;
            _levels[level].IsSettled = status is null || status.Value.ModifiedAt < now - TimeResolution;
            List(level);
        }

        return hasChanged;
    }

    private void List(int level)
    {
        var names = _names[level];
        names.Clear();
        _levels[level].IsFile = false;
        _temporaryFiles.RemoveAll(file => Path.GetDirectoryName(file.AsSpan()).SequenceEqual(_levels[level].Path));
        if (_levels[level].Status is not null)
        {
            try
            {
                using var files = new LtxFolder(_levels[level].Path, level, _temporaryFiles.Add);
                while (files.MoveNext())
                {
                    // A day has thousands of merged files, and what a snapshot covers is not needed for the newest point.
                    if (level == LtxName.SnapshotLevel || files.Current.Max > _prunedUpTo)
                    {
                        names.Add(files.Current);
                    }
                }
            }
            catch (DirectoryNotFoundException)
            {
                // Deleted meanwhile, or a file, at which Litestream's restore fails.
                names.Clear();
                _levels[level].IsFile = File.Exists(_levels[level].Path);
                _levels[level].Status = _levels[level].IsFile ? _levels[level].Status : null;
            }
        }

        names.Sort(static (one, other) => one.Min != other.Min ? one.Min.CompareTo(other.Min) : one.Max.CompareTo(other.Max));
        if (level == 0)
        {
            CompareNew(names);
        }
        else if (level == LtxName.SnapshotLevel)
        {
            _prunedUpTo = names.Count == 0 ? 0 : names[^1].Max;
        }
    }

    /// <summary>What the names alone show.</summary>
    private ReplicaFinding? FindFault(ulong replicatedTxid)
    {
        if (Array.Find(_levels, static level => level.IsFile) is { } blocked)
        {
            return new ReplicaFinding(ReplicaCondition.Damaged, 0, $"{blocked.Path} is a file, and should be a folder");
        }

        if (_chain.Reach > 0 && _chain.Reach >= replicatedTxid && _chain.ResumesAt is null)
        {
            return null;
        }

        if (Array.TrueForAll(_names, static names => names.Count == 0))
        {
            return new ReplicaFinding(ReplicaCondition.Missing, 0, "there is no backup in this folder");
        }

        // The file that was needed until now and does not exist any more; without such a file, the next one.
        var missing = new LtxName(0, _chain.Reach + 1, _chain.Reach + 1);
        foreach (var file in _inOrder)
        {
            if (file.Name.Max > _chain.Reach && !_names[file.Name.Level].Contains(file.Name))
            {
                missing = file.Name;
                break;
            }
        }

        return Missing(missing);
    }

    private ReplicaFinding Missing(LtxName name) => new(ReplicaCondition.Damaged, _chain.Reach, $"{name} is missing");

    /// <summary>Takes over what is known of the files of the chain, and forgets other files.</summary>
    private void KeepNeeded()
    {
        var files = _chain.Files;
        if (_inOrder.Length == files.Count && IsInOrder(files))
        {
            return;
        }

        _spare.Clear();
        _inOrder = new NeededFile[files.Count];
        for (var i = 0; i < _inOrder.Length; i++)
        {
            _inOrder[i] = _needed.TryGetValue(files[i], out var known) ? known : new NeededFile(files[i], Path.Combine(_levels[files[i].Level].Path, files[i].FileName));
            _spare[files[i]] = _inOrder[i];
        }

        (_needed, _spare) = (_spare, _needed);
    }

    private bool IsInOrder(IReadOnlyList<LtxName> files)
    {
        for (var i = 0; i < _inOrder.Length; i++)
        {
            if (_inOrder[i].Name != files[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Examines the files of the chain: all, or those whose turn it is.</summary>
    private ReplicaFinding? Examine(DateTimeOffset now)
    {
        ReplicaFinding? fault = null;
        var first = _firstFile;
        for (var n = 0; n < _inOrder.Length && n < _maxFiles; n++)
        {
            var i = (first + n) % _inOrder.Length;
            fault ??= Examine(_inOrder[i], now);
            _firstFile = i + 1;
        }

        foreach (var file in _inOrder)
        {
            if (file.Problem is { } problem)
            {
                fault ??= new ReplicaFinding(ReplicaCondition.Damaged, _chain.Reach, problem, file.Seal?.MadeAt);
            }
        }

        return fault;
    }

    private ReplicaFinding? Examine(NeededFile file, DateTimeOffset now)
    {
        if (Status(file.Path) is not { } status)
        {
            return Missing(file.Name);
        }

        if (file.Status is { } known && known.Inode == status.Inode && known.Size == status.Size && known.ModifiedAt == status.ModifiedAt)
        {
            if (file.HasWrongTime && status.ModifiedAt < now - TimeResolution)
            {
                // Litestream sets the time right after the name, so it is not going to any more.
                (file.HasWrongTime, file.Problem) = (false, $"{file.Name} was changed");
            }

            return null;
        }

        LtxSeal? seal;
        try
        {
            seal = LtxSeal.Read(file.Path, file.Name);
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return Missing(file.Name);
        }

        Judge(file, status, seal);
        file.Status = status;
        file.Seal = seal ?? file.Seal;
        return null;
    }

    /// <summary>Judges a file that is new, or not as it was.</summary>
    private void Judge(NeededFile file, FileStatus status, LtxSeal? read)
    {
        if (read is not { } seal)
        {
            file.Problem = file.Seal is null ? $"{file.Name} is not complete" : $"{file.Name} was changed";
        }
        else if (file.Seal is not { } before || file.Status is not { } known)
        {
            // It is seen for the first time, and may have been changed before. What the first look found may be a copy by other means.
            if (file.Name.Max > _foundAtFirst && !IsTimeOf(seal, status))
            {
                file.HasWrongTime = file.Name.Level > 0;
                file.Problem = file.Name.Level == 0 && !IsCopyOfLocal(file) ? $"{file.Name} was changed" : null;
            }
        }
        else if (seal == before)
        {
            // A file that is written anew has another inode; Litestream sends one again only from its own copy.
            file.HasWrongTime &= !IsTimeOf(seal, status);
            var isChangedInside = known.Inode == status.Inode ? !IsTimeOf(seal, status)
                : file.Name.Level != LtxName.SnapshotLevel && !IsCopyOfLocal(file);
            file.Problem = isChangedInside ? $"{file.Name} was changed" : file.Problem;
        }
        else if (known.Inode == status.Inode)
        {
            file.Problem = $"{file.Name} was changed";
        }
        else if (file.Name.Level == 0)
        {
            Compare(file.Name, file.Path);
        }
        else if (file.Name.Level != LtxName.SnapshotLevel)
        {
            // Litestream may make a snapshot again, but never a merged file.
            _otherWriter ??= new ReplicaFinding(ReplicaCondition.OtherWriter, 0, $"{file.Name} was replaced by another one", seal.MadeAt);
        }
    }

    private bool IsCopyOfLocal(NeededFile file)
    {
        try
        {
            return file.Name.Level == 0
                && File.ReadAllBytes(file.Path).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_localFolder, file.Name.FileName)));
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }

    /// <summary>Whether a file has the time that Litestream gives it; some file systems keep only every other second.</summary>
    private static bool IsTimeOf(LtxSeal seal, FileStatus status)
    {
        var difference = (status.ModifiedAt - seal.MadeAt).Duration();
        return difference < TimeSpan.FromMilliseconds(1) || (difference <= TimeResolution && status.ModifiedAt.Ticks % TimeSpan.TicksPerSecond == 0);
    }

    /// <summary>
    /// Compares the files of level 0 that are new with what this machine's Litestream has sent, and the last one always: somebody
    /// else may have replaced it.
    /// </summary>
    private void CompareNew(List<LtxName> names)
    {
        _foundAtFirst ??= names.Count == 0 ? 0 : names[^1].Max;
        var comparisons = 0;
        for (var i = names.Count - 1; i >= 0 && (comparisons == 0 || names[i].Max > _comparedUpTo) && comparisons < MaxComparisons; i--, comparisons++)
        {
            Compare(names[i], Path.Combine(_levels[0].Path, names[i].FileName));
        }

        _comparedUpTo = names.Count == 0 ? _comparedUpTo : names[^1].Max;
    }

    // Litestream writes the local file before it sends it, and deletes the one at the destination before the local one. What the
    // first look found can be from a time before this machine's files, which Litestream takes up when it starts.
    private void Compare(LtxName name, string path)
    {
        var local = ReadIfAny(Path.Combine(_localFolder, name.FileName), name);
        if (local is null && (name.Max <= _foundAtFirst || LocalFiles.FindHighest(_localFolder) is not (> 0 and var highest) || name.Max <= highest))
        {
            return;
        }

        if (ReadIfAny(path, name) is { } sent && sent != local)
        {
            _otherWriter ??= new ReplicaFinding(ReplicaCondition.OtherWriter, 0, $"{name} was not written from here", sent.MadeAt);
        }
    }

    private static LtxSeal? ReadIfAny(string path, LtxName name)
    {
        try
        {
            return LtxSeal.Read(path, name);
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private void MeasureTemporaryFiles()
    {
        CopiedBytes = null;
        foreach (var file in _temporaryFiles)
        {
            if (Status(file) is { } status && status.Size >= (CopiedBytes ?? 0))
            {
                CopiedBytes = status.Size;
            }
        }
    }

    /// <exception cref="IOException">It cannot be looked at.</exception>
    private static FileStatus? Status(string path)
    {
        var look = FileStatus.Look(path);
        return look.Error is null ? look.Status : throw new IOException($"{path}: {look.Error}");
    }

    /// <summary>The folder of one level, as it was when it was last listed.</summary>
    private sealed class LevelFolder(string path)
    {
        public string Path { get; } = path;

        /// <summary>Null if there is no such folder.</summary>
        public FileStatus? Status { get; set; }

        /// <summary>Whether any later change shows in its time.</summary>
        public bool IsSettled { get; set; }

        /// <summary>Whether a file is in its place.</summary>
        public bool IsFile { get; set; }
    }

    /// <summary>A file that a restore of the newest point needs.</summary>
    private sealed class NeededFile(LtxName name, string path)
    {
        public LtxName Name { get; } = name;

        public string Path { get; } = path;

        public FileStatus? Status { get; set; }

        public LtxSeal? Seal { get; set; }

        /// <summary>Whether it had another time than Litestream gives it when it was seen for the first time.</summary>
        public bool HasWrongTime { get; set; }

        /// <summary>What is wrong with it, for as long as it is needed; null if nothing is.</summary>
        public string? Problem { get; set; }
    }
}
