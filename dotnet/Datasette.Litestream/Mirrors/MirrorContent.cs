using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// What lies at one mirror, as it was listed and as it was changed since: lists, prunes, and knows whether it was deleted or replaced.
/// It belongs to the mirror's task; a copy that runs beside may read <see cref="Files"/> of what only that copy changes.
/// </summary>
/// <param name="place">The mirror.</param>
/// <param name="tools">What it shares with others.</param>
internal sealed class MirrorContent(MirrorPlace place, MirrorTools tools)
{
    /// <summary>How often it is looked whether a mirror's folder is still the same one.</summary>
    public static readonly TimeSpan FolderLookInterval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan PruneInterval = TimeSpan.FromMinutes(1);

    private readonly Dictionary<LtxName, LtxSeal> _snapshots = [];
    private readonly Dictionary<int, FileStatus> _folders = [];
    private bool _isPrunable;
    private DateTimeOffset _lookedAt, _prunedAt;

    /// <summary>The files; null before the first listing.</summary>
    public LtxSet? Files { get; private set; }

    /// <summary>The last transaction of a restore; 0 if nothing can be restored.</summary>
    public ulong Reach => Files?.Reach ?? 0;

    /// <summary>When it was last listed; null if it never was.</summary>
    public DateTimeOffset? ListedAt { get; private set; }

    /// <summary>When a file last arrived; null if none has since the start.</summary>
    public DateTimeOffset? CopiedAt { get; private set; }

    /// <summary>What was found wrong and mended, in a sentence; null if nothing was since the start.</summary>
    public string? Notice { get; set; }

    /// <summary>The seal of the file of the last transaction; null if it is not of level 0, or not known.</summary>
    public LtxSeal? Tail { get; set; }

    /// <summary>The version of the primary's file with which the one of that name was last compared and found equal.</summary>
    public Dictionary<LtxName, int> Compared { get; } = [];

    /// <summary>The complete snapshots, and when they were made.</summary>
    public IEnumerable<(LtxName Name, DateTimeOffset MadeAt)> Snapshots => _snapshots.Select(snapshot => (snapshot.Key, snapshot.Value.MadeAt));

    /// <summary>How far back and how finely one can go, at most a minute ago; null if nothing can be restored, or that is not known yet.</summary>
    public RestorePoints? Points { get; private set; }

    /// <summary>When there is something to do; null if that is not known.</summary>
    public DateTimeOffset? PruneAt => _isPrunable ? _prunedAt + PruneInterval : null;

    private ReplicaPlan Replica => place.Replica;

    private LtxStore Store => place.Holder.Get();

    /// <summary>Whether the folder of the mirror was deleted or replaced.</summary>
    public bool IsOtherFolder()
    {
        if (Replica.Type != "file" || tools.Time.GetUtcNow() - _lookedAt < FolderLookInterval)
        {
            return false;
        }

        _lookedAt = tools.Time.GetUtcNow();
        var isOther = false;
        for (var level = 0; level < LtxName.LevelCount; level++)
        {
            if (Files!.Level(level).Count == 0)
            {
                _folders.Remove(level);
            }
            else if (LookAtFolder(level) is not { } status || (_folders.TryGetValue(level, out var known) && !known.IsSameFile(status)))
            {
                isOther = true;
            }
            else
            {
                _folders[level] = status;
            }
        }

        return isOther;
    }

    /// <summary>Lists it.</summary>
    /// <param name="isInDoubt">Whether what a restore of the newest point uses is looked into, too.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task ListAsync(bool isInDoubt, CancellationToken cancellationToken)
    {
        using var turn = await tools.Traffic.EnterAsync(Replica, cancellationToken).ConfigureAwait(false);
        var before = Files;
        var files = await Store.ListAsync(cancellationToken).ConfigureAwait(false);
        await ReadSnapshotsAsync(files, cancellationToken).ConfigureAwait(false);
        if (isInDoubt)
        {
            await RemoveDamagedAsync(files, cancellationToken).ConfigureAwait(false);
        }

        await Store.Store.DeleteExpiredAsync(tools.Time.GetUtcNow(), tools.Pruning.Retention, cancellationToken).ConfigureAwait(false);
        Files = before is null ? files : KeepTimes(files, before);
        _folders.Clear();
        Compared.Clear();
        (Tail, _isPrunable, ListedAt) = (null, true, tools.Time.GetUtcNow());
    }

    /// <summary>Reads the seal of a file that lies there.</summary>
    /// <returns>Null if it is not there any more, or not complete.</returns>
    public Task<LtxSeal?> ReadSealAsync(LtxName name, CancellationToken cancellationToken) =>
        Store.ReadSealAsync(name, Files!.Files[name].Size, cancellationToken);

    /// <summary>Counts a file as not there, so that it is copied again.</summary>
    public void RemoveIncomplete(LtxName name) => RemoveIncomplete(Files!, name);

    /// <summary>Takes in a file that was copied.</summary>
    public void Add(LtxName name, (LtxFile File, LtxSeal Seal) copied)
    {
        Files!.Set(name, copied.File);
        if (Replica.Type == "file" && !_folders.ContainsKey(name.Level) && LookAtFolder(name.Level) is { } folder)
        {
            // Before the next look it may be deleted, and made again by a copy.
            _folders[name.Level] = folder;
        }

        if (name.Level == LtxName.SnapshotLevel)
        {
            _snapshots[name] = copied.Seal;
        }

        if (name.Level is > 0 and < LtxName.SnapshotLevel && Files.FindNested().Count > 0)
        {
            _prunedAt = default;
        }

        if (name.Max == Files.Reach)
        {
            Tail = name.Level == 0 ? copied.Seal : Tail?.Name.Max == name.Max ? Tail : null;
        }

        (_isPrunable, CopiedAt) = (true, tools.Time.GetUtcNow());
    }

    /// <summary>Moves everything aside, where it can still be restored for as long as it is kept.</summary>
    /// <param name="reason">Why, as a sentence without its full stop.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task MoveAsideAsync(string reason, CancellationToken cancellationToken)
    {
        var suffix = ReplacedBackup.SuffixAt(tools.Time.GetUtcNow());
        await Store.Store.MoveAsideAsync(suffix, cancellationToken).ConfigureAwait(false);
        Notice = $"{reason}. It is kept at {Replica.Destination}{suffix}, and a new backup was begun.";
        Files = new LtxSet();
        _snapshots.Clear();
        _folders.Clear();
        Compared.Clear();
        (Tail, Points) = (null, null);
    }

    /// <summary>Deletes what nobody needs any more, and finds out how far back one can go with the rest: at once when anything can be restored, and then at most once a minute.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        var now = tools.Time.GetUtcNow();
        if (!_isPrunable || (Points is not null && now - _prunedAt < PruneInterval))
        {
            return;
        }

        (_prunedAt, _isPrunable) = (now, false);
        var gone = tools.Pruning.Find(Files!, Snapshots, now);
        if (gone.Count > 0)
        {
            using var turn = await tools.Traffic.EnterAsync(Replica, cancellationToken).ConfigureAwait(false);
            await Store.DeleteAsync(gone, cancellationToken).ConfigureAwait(false);
            Files!.Remove(gone);
            foreach (var name in gone)
            {
                _snapshots.Remove(name);
                Compared.Remove(name);
            }
        }

        Points = RestorePoints.Find(Files!.Levels, Files.Reach, TimeOf, now);

        // What is not old enough yet.
        _isPrunable = Files!.Level(0).Count > 1;
    }

    private DateTimeOffset TimeOf(LtxName name) => _snapshots.TryGetValue(name, out var seal) ? seal.MadeAt : Files!.Files[name].At;

    private FileStatus? LookAtFolder(int level) => FileStatus.Look(Path.Combine(StoreFactory.PathOf(Replica), LtxLayout.Folder.FolderOf(level))).Status;

    private async Task ReadSnapshotsAsync(LtxSet files, CancellationToken cancellationToken)
    {
        _snapshots.Clear();
        foreach (var name in files.Level(LtxName.SnapshotLevel).ToList())
        {
            if (await Store.ReadSealAsync(name, files.Files[name].Size, cancellationToken).ConfigureAwait(false) is { } seal)
            {
                _snapshots[name] = seal;
            }
            else
            {
                RemoveIncomplete(files, name);
            }
        }
    }

    private async Task RemoveDamagedAsync(LtxSet files, CancellationToken cancellationToken)
    {
        foreach (var name in files.Chain.Files.ToList())
        {
            if (await Store.ReadSealAsync(name, files.Files[name].Size, cancellationToken).ConfigureAwait(false) is null)
            {
                RemoveIncomplete(files, name);
            }
        }
    }

    private void RemoveIncomplete(LtxSet files, LtxName name)
    {
        Notice = $"{name} was not complete, and was copied again.";
        files.Remove([name]);
    }

    private static LtxSet KeepTimes(LtxSet files, LtxSet before) => new(files.Files.Select(file =>
        before.Files.TryGetValue(file.Key, out var known)
            ? new(file.Key, file.Value with { Since = known.Since, At = (known.Size, known.Version) == (file.Value.Size, file.Value.Version) ? known.At : file.Value.At })
            : file));
}
