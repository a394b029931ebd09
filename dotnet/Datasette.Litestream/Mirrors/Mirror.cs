using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Keeps one destination equal to what Litestream replicates. One task does it and owns all its state. Each transaction is copied
/// from this machine as soon as Litestream has made its file, whatever another destination does; what is older, merged or a snapshot
/// comes from the primary, beside that. At every moment what lies there can be restored: nothing is written that does not follow.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Mirror
{
    /// <summary>How often it is listed and compared, and how often the primary is when nothing happens.</summary>
    public static readonly TimeSpan ListInterval = TimeSpan.FromHours(1);

    /// <summary>How often the primary is listed while there are changes: a folder costs nothing but time.</summary>
    private static readonly TimeSpan FolderSourceInterval = TimeSpan.FromMinutes(1), SourceInterval = TimeSpan.FromMinutes(5);

    /// <summary>How often it is looked whether a mirror's folder is still the same one.</summary>
    private static readonly TimeSpan FolderLookInterval = TimeSpan.FromSeconds(10);

    /// <summary>The delay between the first two times that it is listed because it was found to be damaged.</summary>
    private static readonly TimeSpan MinRecheckDelay = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan PruneInterval = TimeSpan.FromMinutes(1), ProgressInterval = TimeSpan.FromSeconds(1);

    /// <summary>The delays after a failure.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(10);

    /// <summary>The delays after a source had nothing or failed, and between two times that a mirror is begun anew.</summary>
    private static readonly TimeSpan MinPatience = TimeSpan.FromSeconds(2), MaxPatience = TimeSpan.FromMinutes(1), MaxAnewDelay = TimeSpan.FromHours(1);

    /// <summary>A mirror that failed for longer is listed anew: much may have happened to it.</summary>
    private static readonly TimeSpan LongFailure = TimeSpan.FromMinutes(1);

    /// <summary>It is not known whether what lies there is of the history that is replicated now; before the first look here nobody knows.</summary>
    private const int NotVerified = -1;

    private readonly MirrorPlace _place;
    private readonly MirrorTools _tools;
    private readonly TimeProvider _time;
    private readonly Action<MirrorStatus> _publish;
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;
    private volatile bool _isFinishing;
    private volatile bool _isInDoubt;

    // Only whoever calls Recheck uses these.
    private DateTimeOffset _recheckedAt;
    private TimeSpan _recheckDelay;

    // Only the task uses the following.
    private readonly Backoff _retry;
    private readonly Backoff _patience;
    private readonly Backoff _anew = new(TimeSpan.FromSeconds(5), MaxAnewDelay);
    private readonly Dictionary<LtxName, LtxSeal> _snapshots = [];
    private readonly Dictionary<LtxName, int> _compared = [];
    private readonly Dictionary<int, FileStatus> _folders = [];
    private MirrorStatus _status = new();
    private MirrorStatus? _published;
    private LtxSet? _files;
    private LtxSeal? _tail;
    private int _verifiedEpoch = NotVerified;
    private SourceListing? _listing;
    private LtxSeal? _listingTop;
    private int _listedVersion = -1;
    private bool _mayWant;
    private bool _isPrunable;
    private DateTimeOffset _patientUntil, _anewAt, _lookedAt, _prunedAt;
    private Job? _job;
    private string? _sourceError;

    /// <summary>Starts it.</summary>
    /// <param name="place">The mirror, and where it copies from.</param>
    /// <param name="tools">What it shares with others.</param>
    /// <param name="publish">Receives each new status, on the task.</param>
    public Mirror(MirrorPlace place, MirrorTools tools, Action<MirrorStatus> publish)
    {
        (_place, _tools, _time, _publish) = (place, tools, tools.Time, publish);
        _retry = new Backoff(MinRetryDelay, MaxRetryDelay, tools.Random);
        _patience = new Backoff(MinPatience, MaxPatience, tools.Random);
        _running = Task.Run(RunAsync);
    }

    private enum JobKind
    {
        /// <summary>It lists the primary.</summary>
        List,

        /// <summary>It copies what is next, without which the mirror cannot go on.</summary>
        Next,

        /// <summary>It copies what is older or merged.</summary>
        History,
    }

    /// <summary>The mirror.</summary>
    public ReplicaPlan Replica => _place.Replica;

    /// <summary>Has it look at what changed here; returns at once.</summary>
    public void Wake() => _signal.Writer.TryWrite(true);

    /// <summary>
    /// Has it list and compare what lies there, and mend it; returns at once. The more often it is asked to, the longer it waits until
    /// it does so again. Not for several threads at once.
    /// </summary>
    public void Recheck()
    {
        var now = _time.GetUtcNow();
        if (now < _recheckedAt + _recheckDelay)
        {
            return;
        }

        _recheckDelay = now - _recheckedAt > ListInterval ? MinRecheckDelay : (_recheckDelay * 2) is var twice && twice < ListInterval ? twice : ListInterval;
        _recheckedAt = now;
        _isInDoubt = true;
        Wake();
    }

    /// <summary>Copies what is still missing after Litestream has ended, and stops.</summary>
    /// <param name="deadline">Ends it at once.</param>
    /// <returns>Whether it has everything, and otherwise why not, if not for the time alone.</returns>
    public async Task<(bool IsComplete, string? Error)> FinishAsync(CancellationToken deadline)
    {
        _isFinishing = true;
        Wake();
        await using var registration = deadline.UnsafeRegister(_ => _stopping.Cancel(), null).ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        return (IsComplete, _status.Error);
    }

    private bool IsComplete => _files is { } files && _place.Local.Current is var look && _verifiedEpoch == look.Epoch && files.Reach >= look.Highest;

    private CancellationToken Stopping => _stopping.Token;

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                TimeSpan wait;
                try
                {
                    wait = await StepAsync().ConfigureAwait(false);
                    Worked();
                }
                catch (Exception ex) when (!Stopping.IsCancellationRequested)
                {
                    wait = Failed(ex);
                }

                if (_isFinishing && (IsComplete || IsHopeless()))
                {
                    return;
                }

                await WaitAsync(wait).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The deadline.
        }
        finally
        {
            _job?.Ending.Cancel();
        }
    }

    /// <summary>Whether waiting at the end is in vain: it has failed for long, or nobody has what it needs.</summary>
    private bool IsHopeless() =>
        (_status.FailingSince is { } since && _time.GetUtcNow() - since > LongFailure) || (_job is null && _status.Phase == MirrorPhase.HeldBack);

    private void Worked()
    {
        _retry.Reset();
        if (_status.FailingSince is { } since && _status.Phase != MirrorPhase.HeldBack && _time.GetUtcNow() - since > LongFailure)
        {
            _isInDoubt = true;
            Wake();
        }

        Publish(error: null);
    }

    private TimeSpan Failed(Exception exception)
    {
        Publish(exception is StoreException or SourceException ? exception.Message : _tools.Redact(exception.Message.TrimEnd('.')));
        return _retry.Next();
    }

    /// <summary>Does everything that can be done now.</summary>
    /// <returns>How long until there is something to do, if nothing happens.</returns>
    private async Task<TimeSpan> StepAsync()
    {
        TakeJob();
        if (_files is null || _isInDoubt || _time.GetUtcNow() - _status.ListedAt >= ListInterval || IsOtherFolder())
        {
            await ListAsync().ConfigureAwait(false);
        }

        if (_verifiedEpoch != _place.Local.Current.Epoch && !await VerifyAsync(_place.Local.Current).ConfigureAwait(false))
        {
            return Due();
        }

        await FollowAsync().ConfigureAwait(false);
        if (_place.Local.Current is var look && look.Epoch == _verifiedEpoch)
        {
            StartJob(look);
        }

        await PruneAsync().ConfigureAwait(false);
        return Due();
    }

    private TimeSpan Due()
    {
        var now = _time.GetUtcNow();
        var due = (_status.ListedAt ?? now) + ListInterval;
        if (Replica.Type == "file")
        {
            due = Earlier(due, now + FolderLookInterval);
        }

        if (_job is not null)
        {
            due = Earlier(due, now + ProgressInterval);
        }
        else if (_patientUntil > now)
        {
            due = Earlier(due, _patientUntil);
        }

        if (_listing is { } listing && _job is null)
        {
            due = Earlier(due, listing.At + (_listedVersion == _place.Local.Current.Version ? ListInterval : IntervalOf(_place.Primary)));
        }

        if (_isPrunable)
        {
            due = Earlier(due, _prunedAt + PruneInterval);
        }

        var wait = due - now;
        return wait > MinRetryDelay ? wait : MinRetryDelay;
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    private static TimeSpan IntervalOf(Source source) => source.Replica.Type == "file" ? FolderSourceInterval : SourceInterval;

    private async Task WaitAsync(TimeSpan wait)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        var signalled = _signal.Reader.WaitToReadAsync(waiting.Token).AsTask();
        var delay = Task.Delay(wait, _time, waiting.Token);
        await (_job is { } job ? Task.WhenAny(signalled, delay, job.Done) : Task.WhenAny(signalled, delay)).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        _signal.Reader.TryRead(out _);
        Stopping.ThrowIfCancellationRequested();
    }

    /// <summary>Whether the folder of the mirror was deleted or replaced.</summary>
    private bool IsOtherFolder()
    {
        if (Replica.Type != "file" || _time.GetUtcNow() - _lookedAt < FolderLookInterval)
        {
            return false;
        }

        _lookedAt = _time.GetUtcNow();
        var isOther = false;
        for (var level = 0; level < LtxName.LevelCount; level++)
        {
            if (_files!.Level(level).Count == 0)
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

    private FileStatus? LookAtFolder(int level) => FileStatus.Look(Path.Combine(StoreFactory.PathOf(Replica), LtxLayout.Folder.FolderOf(level))).Status;

    private async Task ListAsync()
    {
        using var turn = await _tools.Traffic.EnterAsync(Replica, Stopping).ConfigureAwait(false);
        var isInDoubt = _isInDoubt;
        _isInDoubt = false;
        var store = _place.Holder.Get();
        try
        {
            var before = _files;
            var files = await store.ListAsync(Stopping).ConfigureAwait(false);
            await ReadSnapshotsAsync(store, files).ConfigureAwait(false);
            if (isInDoubt)
            {
                await RemoveDamagedAsync(store, files).ConfigureAwait(false);
            }

            await ForgetAsideAsync(store).ConfigureAwait(false);
            _files = before is null ? files : KeepTimes(files, before);
        }
        catch
        {
            _isInDoubt |= isInDoubt;
            throw;
        }

        _folders.Clear();
        _compared.Clear();
        (_tail, _verifiedEpoch, _mayWant, _isPrunable) = (null, NotVerified, true, true);
        _patientUntil = default;
        if (isInDoubt)
        {
            _listing = null;
        }

        _status = _status with { ListedAt = _time.GetUtcNow(), Phase = _files.Reach > 0 && _status.Phase == MirrorPhase.Starting ? MirrorPhase.Following : _status.Phase };
    }

    private async Task ReadSnapshotsAsync(LtxStore store, LtxSet files)
    {
        _snapshots.Clear();
        foreach (var name in files.Level(LtxName.SnapshotLevel).ToList())
        {
            if (await store.ReadSealAsync(name, files.Files[name].Size, Stopping).ConfigureAwait(false) is { } seal)
            {
                _snapshots[name] = seal;
            }
            else
            {
                Notice($"{name} was not complete, and was copied again.");
                files.Remove([name]);
            }
        }
    }

    /// <summary>What is not complete is copied again, as if it were not there.</summary>
    private async Task RemoveDamagedAsync(LtxStore store, LtxSet files)
    {
        foreach (var name in files.Chain.Files.ToList())
        {
            if (await store.ReadSealAsync(name, files.Files[name].Size, Stopping).ConfigureAwait(false) is null)
            {
                Notice($"{name} was not complete, and was copied again.");
                files.Remove([name]);
            }
        }
    }

    /// <summary>Deletes what was moved aside longer ago than it is kept.</summary>
    private async Task ForgetAsideAsync(LtxStore store)
    {
        foreach (var suffix in await store.Store.FindAsideAsync(ReplacedBackup.Mark, Stopping).ConfigureAwait(false))
        {
            if (ReplacedBackup.HasExpired(suffix, _time.GetUtcNow(), _tools.Pruning.Retention))
            {
                await store.Store.DeleteAsideAsync(suffix, Stopping).ConfigureAwait(false);
            }
        }
    }

    private static LtxSet KeepTimes(LtxSet files, LtxSet before) => new(files.Files.Select(file =>
        before.Files.TryGetValue(file.Key, out var known) ? new(file.Key, file.Value with { Since = known.Since }) : file));

    /// <summary>
    /// Finds out whether what lies there is of the history that is replicated now: its last file must be the one that this machine
    /// or the primary has under that name. What is not is moved aside.
    /// </summary>
    /// <returns>False if that is not known yet.</returns>
    private async Task<bool> VerifyAsync(LocalFilesLook look)
    {
        var files = _files!;
        if (look.Epoch == 0)
        {
            return false;
        }

        if (files.Count == 0)
        {
            (_verifiedEpoch, _tail) = (look.Epoch, null);
            return true;
        }

        if (files.Reach == 0)
        {
            return await BeginAnewAsync(look, "What lay here could not be restored").ConfigureAwait(false);
        }

        var highest = files.Highest;
        var store = _place.Holder.Get();
        foreach (var name in files.Level(0).Where(look.Has).Reverse().ToList())
        {
            if (look.ReadSeal(name) is not { } here)
            {
                continue;
            }

            if (await store.ReadSealAsync(name, files.Files[name].Size, Stopping).ConfigureAwait(false) is not { } there)
            {
                // It was cut, and is copied again.
                Notice($"{name} was not complete, and was copied again.");
                files.Remove([name]);
                continue;
            }

            if (here != there)
            {
                return await BeginAnewAsync(look, "What lay here was of another history").ConfigureAwait(false);
            }

            if (look.Highest >= highest)
            {
                (_verifiedEpoch, _tail) = (look.Epoch, there);
                return true;
            }

            break;
        }

        if (_listing is not { } listing || listing.At < _status.ListedAt - ProgressInterval)
        {
            StartListing();
            return false;
        }

        if (IsTrusted(look))
        {
            foreach (var name in files.EndingAt(highest))
            {
                if (listing.Files.Files.ContainsKey(name)
                    && await listing.ReadSealAsync(name, Stopping).ConfigureAwait(false) is { } there
                    && await store.ReadSealAsync(name, files.Files[name].Size, Stopping).ConfigureAwait(false) is { } here)
                {
                    if (here != there)
                    {
                        return await BeginAnewAsync(look, "What lay here was of another history").ConfigureAwait(false);
                    }

                    (_verifiedEpoch, _tail) = (look.Epoch, here.Name.Level == 0 ? here : null);
                    return true;
                }
            }
        }

        if (look.Names.IsEmpty)
        {
            // Litestream has not opened the database yet, so that nobody knows how it will go on.
            _listing = null;
            BePatient();
            return false;
        }

        return await BeginAnewAsync(
            look,
            look.Highest < highest ? "Its transactions went farther than those that are replicated now" : "What lay here could not be shown to be of the history that is replicated now")
            .ConfigureAwait(false);
    }

    /// <summary>Whether the primary has what this machine's Litestream sent.</summary>
    private bool IsTrusted(LocalFilesLook look) =>
        _listingTop is not { } top || !look.Has(top.Name) || look.ReadSeal(top.Name) is not { } here || here == top;

    private async Task<bool> BeginAnewAsync(LocalFilesLook look, string reason)
    {
        var now = _time.GetUtcNow();
        if (now < _anewAt)
        {
            throw new StoreException($"{char.ToLowerInvariant(reason[0])}{reason[1..]} again");
        }

        EndJob();
        var suffix = ReplacedBackup.SuffixAt(now);
        await _place.Holder.Get().Store.MoveAsideAsync(suffix, Stopping).ConfigureAwait(false);
        Notice($"{reason}. It is kept at {Replica.Destination}{suffix}, and a new backup was begun.");
        _files = new LtxSet();
        _snapshots.Clear();
        _folders.Clear();
        _compared.Clear();
        (_tail, _verifiedEpoch, _mayWant) = (null, look.Epoch, true);
        _anewAt = now + _anew.Next();
        _patientUntil = default;
        return true;
    }

    /// <summary>Copies what this machine has that follows.</summary>
    private async Task FollowAsync()
    {
        while (_place.Local.Current is var look && look.Epoch == _verifiedEpoch)
        {
            var reach = _files!.Reach;
            var last = new LtxName(0, reach, reach);
            if (_files.Chain.ResumesAt is not null && look.After(reach) is null)
            {
                return;
            }

            // A mirror has the file of its last transaction, by which it can be recognised and taken up.
            var next = look.After(reach)
                ?? (reach > 0 && !_files.Files.ContainsKey(last) && look.Has(last) ? last : null as LtxName?);
            if (next is not { } name || look.SizeOf(name) is not { } size)
            {
                return;
            }

            if (name != last && _tail is { } tail && tail.Name == last && look.ReadSeal(last) is { } here && here != tail)
            {
                _verifiedEpoch = NotVerified;
                return;
            }

            using var from = LocalHistory.Open(look.DatabasePath, _time);
            try
            {
                await CopyAsync(from, name, size, Stopping).ConfigureAwait(false);
            }
            catch (SourceException)
            {
                // Litestream deletes a file that it has merged, and then the primary has it.
                if (look.SizeOf(name) is null)
                {
                    return;
                }

                throw;
            }
        }
    }

    private async Task CopyAsync(LtxStore from, LtxName name, long size, CancellationToken cancellationToken) =>
        Add(name, await _tools.Copier.CopyAsync(from, name, size, _place.Holder.Get(), Replica, onProgress: null, cancellationToken).ConfigureAwait(false));

    private void Add(LtxName name, (LtxFile File, LtxSeal Seal) copied)
    {
        _files!.Set(name, copied.File);
        if (Replica.Type == "file" && !_folders.ContainsKey(name.Level) && LookAtFolder(name.Level) is { } folder)
        {
            // Before the next look it may be deleted, and made again by a copy.
            _folders[name.Level] = folder;
        }

        if (name.Level == LtxName.SnapshotLevel)
        {
            _snapshots[name] = copied.Seal;
        }

        if (name.Max == _files.Reach)
        {
            _tail = name.Level == 0 ? copied.Seal : _tail?.Name.Max == name.Max ? _tail : null;
        }

        _isPrunable = true;
        _status = _status with { CopiedAt = _time.GetUtcNow() };
        Publish(error: null);
    }

    /// <summary>Starts the next thing that takes longer, or waits for another destination, beside which local files are copied.</summary>
    private void StartJob(LocalFilesLook look)
    {
        var reach = _files!.Reach;
        var hasNext = !look.Names.IsEmpty && look.Lowest <= reach + 1 && _files.Chain.ResumesAt is null;
        if (_isFinishing && hasNext && _job is { Kind: not JobKind.Next })
        {
            EndJob();
        }

        if (_job is not null || _time.GetUtcNow() < _patientUntil || (_isFinishing && hasNext))
        {
            return;
        }

        if (!hasNext)
        {
            _job = Start(JobKind.Next, stop => CopyNextAsync(look, reach, stop));
            return;
        }

        _sourceError = null;
        var version = look.Version;
        if (_listing is not { } listing || _time.GetUtcNow() - listing.At >= (_listedVersion == version ? ListInterval : IntervalOf(_place.Primary)))
        {
            StartListing();
        }
        else if (_mayWant)
        {
            if (IsTrusted(look) && FindWanted(listing) is { } wanted)
            {
                _job = Start(JobKind.History, stop => CopyHistoryAsync(listing, wanted, stop));
            }
            else
            {
                _mayWant = false;
            }
        }
    }

    private void StartListing()
    {
        if (_job is null && _time.GetUtcNow() >= _patientUntil)
        {
            var version = _place.Local.Current.Version;
            _job = Start(JobKind.List, async stop =>
            {
                var listing = await ListSourceAsync(_place.Primary, stop).ConfigureAwait(false);
                var top = await ReadTopAsync(listing, stop).ConfigureAwait(false);
                return () =>
                {
                    (_listing, _listingTop, _listedVersion, _mayWant) = (listing, top, version, true);
                    _patience.Reset();
                };
            });
        }
    }

    private async Task<SourceListing> ListSourceAsync(Source source, CancellationToken stop)
    {
        try
        {
            // What another mirror has just listed will do, unless it is older than what it is compared with.
            var recent = _time.GetUtcNow() - ProgressInterval;
            return await source.ListAsync(_status.ListedAt > recent ? _status.ListedAt.Value : recent, stop).ConfigureAwait(false);
        }
        catch (StoreException ex)
        {
            throw new SourceException($"{source.Replica.Destination}: {ex.Message}", ex);
        }
    }

    private static Task<LtxSeal?> ReadTopAsync(SourceListing listing, CancellationToken stop) =>
        listing.Files.HighestOf(0) is > 0 and var highest ? listing.ReadSealAsync(new LtxName(0, highest, highest), stop) : Task.FromResult<LtxSeal?>(null);

    /// <summary>Copies what is next from another destination.</summary>
    private async Task<Action> CopyNextAsync(LocalFilesLook look, ulong reach, CancellationToken stop)
    {
        var errors = new List<string>();
        foreach (var source in _place.Peers.Prepend(_place.Primary))
        {
            try
            {
                var listing = await ListSourceAsync(source, stop).ConfigureAwait(false);
                if (NextFile.Find(listing.Files, reach) is not { } name)
                {
                    continue;
                }

                var top = await ReadTopAsync(listing, stop).ConfigureAwait(false);
                var isKnown = top is { } seal && look.ReadSeal(seal.Name) == seal;
                if (top is { } other && look.Has(other.Name) && !isKnown)
                {
                    errors.Add($"{source.Replica.Destination} is of another history");
                    continue;
                }

                if (source != _place.Primary && !isKnown)
                {
                    continue;
                }

                var fill = reach == 0 ? listing.Files.Chain.Files.Sum(file => listing.Files.Files[file].Size) : (long?)null;
                var copied = await _tools.Copier.CopyAsync(
                    listing.Store, name, listing.Files.Files[name].Size, _place.Holder.Get(), Replica, read => SetProgress(read, fill), stop).ConfigureAwait(false);
                return () =>
                {
                    _patience.Reset();
                    _sourceError = null;
                    Add(name, copied);
                };
            }
            catch (SourceException ex)
            {
                errors.Add(ex.Message);
            }
        }

        return () =>
        {
            _sourceError = look.Names.IsEmpty || look.Highest <= reach ? null
                : errors.Count > 0 ? string.Join("; ", errors)
                : reach == 0 ? "no other destination has a snapshot yet"
                : $"no other destination has transaction {reach + 1}";
            BePatient();
        };
    }

    // Written by the job before, and read by the task after, it is started; a torn pair does no harm.
    private void SetProgress(Func<long> readBytes, long? fillBytes)
    {
        if (_job is { } job)
        {
            (job.ReadBytes, job.FillBytes) = (readBytes, fillBytes);
        }
    }

    /// <summary>The next file of the primary that the mirror lacks, or has with another content; newer ones first.</summary>
    private LtxName? FindWanted(SourceListing listing)
    {
        var files = _files!;
        var reach = files.Reach;
        var oldest = _tools.Pruning.FindBase(
            _snapshots.Concat(listing.Seals).Select(snapshot => (snapshot.Key, snapshot.Value.MadeAt)), _time.GetUtcNow());
        for (var level = LtxName.SnapshotLevel; level > 0; level--)
        {
            var names = listing.Files.Level(level);
            for (var i = names.Count - 1; i >= 0; i--)
            {
                var name = names[i];
                var isUseful = level == LtxName.SnapshotLevel ? name.Max >= oldest && listing.Seals.ContainsKey(name) : name.Max > oldest && name.Max <= reach;
                if (isUseful && IsMissing(name, listing.Files.Files[name], isLast: i == names.Count - 1))
                {
                    return name;
                }
            }
        }

        return null;

        bool IsMissing(LtxName name, LtxFile there, bool isLast)
        {
            if (!files.Files.TryGetValue(name, out var here))
            {
                return true;
            }

            if (_compared.TryGetValue(name, out var version) && version == there.Version)
            {
                return false;
            }

            // Two folders are compared in full; elsewhere what is newest shows whether the history is the same.
            return here.Size != there.Size || name.Level == LtxName.SnapshotLevel || isLast || (Replica.Type, listing.Replica.Type) is ("file", "file");
        }
    }

    /// <summary>Copies a file that the mirror lacks, or has with another content.</summary>
    private async Task<Action> CopyHistoryAsync(SourceListing listing, LtxName name, CancellationToken stop)
    {
        var there = listing.Files.Files[name];
        LtxSeal? here = null;
        if (_files!.Files.TryGetValue(name, out var file))
        {
            LtxSeal? seal;
            try
            {
                seal = await listing.ReadSealAsync(name, stop).ConfigureAwait(false);
            }
            catch (StoreException ex)
            {
                throw new SourceException(ex.Message, ex);
            }

            here = await _place.Holder.Get().ReadSealAsync(name, file.Size, stop).ConfigureAwait(false);
            if (seal is null || seal == here)
            {
                return () => _compared[name] = there.Version;
            }
        }

        var copied = await _tools.Copier.CopyAsync(
            listing.Store, name, there.Size, _place.Holder.Get(), Replica, read => SetProgress(read, fillBytes: null), stop).ConfigureAwait(false);
        return () =>
        {
            // Litestream writes a snapshot of the same transactions again when nothing was written in between.
            if (file != default && !(name.Level == LtxName.SnapshotLevel && here is { } known && known.MadeAt < copied.Seal.MadeAt))
            {
                Notice($"{name} was another one than at {listing.Replica.Destination}, and was copied again.");
            }

            _compared[name] = there.Version;
            Add(name, copied);
        };
    }

    private async Task PruneAsync()
    {
        var now = _time.GetUtcNow();
        if (!_isPrunable || _isFinishing || _verifiedEpoch != _place.Local.Current.Epoch || now - _prunedAt < PruneInterval)
        {
            return;
        }

        (_prunedAt, _isPrunable) = (now, false);
        var gone = _tools.Pruning.Find(_files!, _snapshots.Select(snapshot => (snapshot.Key, snapshot.Value.MadeAt)), now);
        if (gone.Count > 0)
        {
            using var turn = await _tools.Traffic.EnterAsync(Replica, Stopping).ConfigureAwait(false);
            await _place.Holder.Get().DeleteAsync(gone, Stopping).ConfigureAwait(false);
            _files!.Remove(gone);
            foreach (var name in gone)
            {
                _snapshots.Remove(name);
                _compared.Remove(name);
            }
        }

        // What is not old enough yet.
        _isPrunable = _files!.Level(0).Count > 1;
    }

    private Job Start(JobKind kind, Func<CancellationToken, Task<Action>> run)
    {
        var ending = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        return new Job(kind, Task.Run(() => run(ending.Token), ending.Token), ending);
    }

    /// <summary>Takes over what a job has done.</summary>
    private void TakeJob()
    {
        if (_job is not { Done.IsCompleted: true } job)
        {
            return;
        }

        _job = null;
        job.Ending.Dispose();
        try
        {
            job.Done.GetAwaiter().GetResult()();
        }
        catch (SourceException ex)
        {
            // The primary's own fault is shown there; here it only matters if the mirror cannot go on.
            _sourceError = job.Kind == JobKind.History ? null : ex.Message;
            _listing = null;
            BePatient();
        }
        catch (Exception) when (!Stopping.IsCancellationRequested)
        {
            // What is copied from here must not wait for it.
            BePatient();
            throw;
        }
    }

    private void EndJob()
    {
        if (_job is { } job)
        {
            _job = null;
            job.Ending.Cancel();
            _ = job.Done.ContinueWith(static (done, state) => ((CancellationTokenSource)state!).Dispose(), job.Ending, TaskScheduler.Default);
        }
    }

    private void BePatient() => _patientUntil = _time.GetUtcNow() + _patience.Next();

    private void Notice(string sentence) => _status = _status with { Notice = sentence };

    private void Publish(string? error)
    {
        var look = _place.Local.Current;
        var reach = _files?.Reach ?? 0;
        var isVerified = _files is not null && _verifiedEpoch == look.Epoch;
        var isBehind = !look.Names.IsEmpty && (!isVerified || look.Highest > reach);
        var isHeldBack = error is null && isBehind && _sourceError is not null;
        var cause = isHeldBack ? _sourceError : error;
        var isFilling = isVerified && reach == 0;
        var job = isFilling ? _job : null;
        _status = _status with
        {
            Phase = _files is null ? MirrorPhase.Starting
                : isHeldBack ? MirrorPhase.HeldBack
                : isFilling ? MirrorPhase.Filling
                : isVerified ? MirrorPhase.Following
                : _status.Phase,
            Txid = reach,
            BehindSince = !isBehind ? null : isVerified ? FirstMissing(look, reach) : _status.BehindSince ?? _time.GetUtcNow(),
            Bytes = _files?.Bytes,
            Files = _files?.Count,
            Error = cause,
            FailingSince = cause is null ? null : _status.FailingSince ?? _time.GetUtcNow(),
            FilledBytes = job?.FillBytes is null ? null : job.ReadBytes?.Invoke(),
            FillBytes = job?.FillBytes,
        };
        if (_status != _published)
        {
            _published = _status;
            _publish(_status);
        }
    }

    private DateTimeOffset FirstMissing(LocalFilesLook look, ulong reach) =>
        look.Names.Where(name => name.Max > reach).Select(look.TimeOf).FirstOrDefault(time => time is not null) ?? _time.GetUtcNow();

    /// <summary>Something that takes longer.</summary>
    private sealed class Job(JobKind kind, Task<Action> done, CancellationTokenSource ending)
    {
        public JobKind Kind { get; } = kind;

        /// <summary>Ends with what is to be done with the result, on the mirror's task.</summary>
        public Task<Action> Done { get; } = done;

        public CancellationTokenSource Ending { get; } = ending;

        /// <summary>How far a copy is.</summary>
        public Func<long>? ReadBytes { get; set; }

        /// <summary>How many bytes the first copy has.</summary>
        public long? FillBytes { get; set; }
    }
}
