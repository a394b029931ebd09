using Datasette.Litestream.Errors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Fetches for one mirror what only other destinations have: what is next, where this machine does not have it any more, and what is
/// older or merged. One thing at a time, beside the copies of this machine's files, which must not wait for another destination. It
/// belongs to the mirror's task, on which the results are taken in; only the fetching runs elsewhere.
/// </summary>
internal sealed class MirrorSupply
{
    /// <summary>How often the primary is listed while there are changes: a folder costs nothing but time.</summary>
    private static readonly TimeSpan FolderInterval = TimeSpan.FromMinutes(1), Interval = TimeSpan.FromMinutes(5);

    /// <summary>A listing that another mirror has made this recently will do.</summary>
    private static readonly TimeSpan Recency = TimeSpan.FromSeconds(1);

    /// <summary>The delays after a source had nothing or failed.</summary>
    private static readonly TimeSpan MinPatience = TimeSpan.FromSeconds(2), MaxPatience = TimeSpan.FromMinutes(1);

    private readonly MirrorPlace _place;
    private readonly MirrorTools _tools;
    private readonly MirrorContent _content;
    private readonly Action<LtxName, (LtxFile File, LtxSeal Seal)> _add;
    private readonly CancellationToken _stopping;
    private readonly Backoff _patience;
    private SourceListing? _listing;
    private LtxSeal? _listingTop;
    private int _listedVersion = -1;
    private bool _mayWant;
    private DateTimeOffset _patientUntil;
    private Job? _job;

    /// <param name="place">The mirror, and where it copies from.</param>
    /// <param name="tools">What it shares with others.</param>
    /// <param name="content">What lies at the mirror.</param>
    /// <param name="add">Takes in a file that was copied, on the mirror's task.</param>
    /// <param name="stopping">Ends everything.</param>
    public MirrorSupply(
        MirrorPlace place, MirrorTools tools, MirrorContent content, Action<LtxName, (LtxFile File, LtxSeal Seal)> add, CancellationToken stopping)
    {
        (_place, _tools, _content, _add, _stopping) = (place, tools, content, add, stopping);
        _patience = new Backoff(MinPatience, MaxPatience, tools.Random);
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

    /// <summary>What the primary had when it was listed after the mirror, or just before; null if it was not.</summary>
    public SourceListing? Listing => _listing is { } listing && !(listing.At < _content.ListedAt - Recency) ? listing : null;

    /// <summary>Why the mirror cannot go on; null if it can.</summary>
    public string? Error { get; private set; }

    /// <summary>Completes when the result of what is being fetched can be taken; null if nothing is.</summary>
    public Task? Done => _job?.Done;

    /// <summary>During the first copy, how many bytes have arrived and are to arrive.</summary>
    public (long? Filled, long? Total) Progress => _job is { FillBytes: { } total } job ? (job.ReadBytes?.Invoke(), total) : (null, null);

    private DateTimeOffset Now => _tools.Time.GetUtcNow();

    /// <summary>When there is something to do, while nothing is being fetched; null if that is not known.</summary>
    public DateTimeOffset? DueAt
    {
        get
        {
            if (_job is not null)
            {
                return null;
            }

            var patient = _patientUntil > Now ? _patientUntil : (DateTimeOffset?)null;
            var listing = _listing is null ? (DateTimeOffset?)null : _listing.At + IntervalOf(_place.Local.Current.Version);
            return patient < listing || listing is null ? patient : listing;
        }
    }

    /// <summary>Has everything looked for anew, since the mirror was listed or begun anew.</summary>
    /// <param name="isInDoubt">Whether the primary is listed again first.</param>
    public void Refresh(bool isInDoubt = false)
    {
        (_mayWant, _patientUntil) = (true, default);
        if (isInDoubt)
        {
            _listing = null;
        }
    }

    /// <summary>Whether the primary has what this machine's Litestream sent.</summary>
    public bool IsTrusted(LocalFilesLook look) =>
        _listingTop is not { } top || !look.Has(top.Name) || look.ReadSeal(top.Name) is not { } here || here == top;

    /// <summary>Has the primary listed later, since nobody knows yet how Litestream will go on.</summary>
    public void Postpone()
    {
        _listing = null;
        BePatient();
    }

    /// <summary>Starts to list the primary, if nothing else is being fetched.</summary>
    public void StartListing()
    {
        if (_job is null && Now >= _patientUntil)
        {
            var version = _place.Local.Current.Version;
            _job = Start(JobKind.List, async stop =>
            {
                var listing = await ListAsync(_place.Primary, stop).ConfigureAwait(false);
                var top = await ReadTopAsync(listing, stop).ConfigureAwait(false);
                return () =>
                {
                    (_listing, _listingTop, _listedVersion, _mayWant) = (listing, top, version, true);
                    _patience.Reset();
                };
            });
        }
    }

    /// <summary>Starts the next thing that takes longer, or waits for another destination.</summary>
    /// <param name="look">What this machine has.</param>
    /// <param name="isFinishing">Whether only what the mirror cannot do without is fetched.</param>
    public void StartNext(LocalFilesLook look, bool isFinishing)
    {
        var files = _content.Files!;
        var reach = files.Reach;
        var hasNext = !look.Names.IsEmpty && look.Lowest <= reach + 1 && files.Chain.ResumesAt is null;
        if (isFinishing && hasNext && _job is { Kind: not JobKind.Next })
        {
            End();
        }

        if (_job is not null || Now < _patientUntil || (isFinishing && hasNext))
        {
            return;
        }

        if (!hasNext)
        {
            _job = Start(JobKind.Next, stop => CopyNextAsync(look, reach, stop));
            return;
        }

        Error = null;
        if (_listing is not { } listing || Now - listing.At >= IntervalOf(look.Version))
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

    /// <summary>Takes in what was fetched.</summary>
    public void Take()
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
            Error = job.Kind == JobKind.History ? null : ex.Message;
            Postpone();
        }
        catch (Exception) when (!_stopping.IsCancellationRequested)
        {
            // What is copied from here must not wait for it.
            BePatient();
            throw;
        }
    }

    /// <summary>Stops what is being fetched, and forgets it.</summary>
    public void End()
    {
        if (_job is { } job)
        {
            _job = null;
            job.Ending.Cancel();
            _ = job.Done.ContinueWith(static (done, state) => ((CancellationTokenSource)state!).Dispose(), job.Ending, TaskScheduler.Default);
        }
    }

    private TimeSpan IntervalOf(int version) =>
        _listedVersion == version ? Mirror.ListInterval : _place.Primary.Replica.Type == "file" ? FolderInterval : Interval;

    private async Task<SourceListing> ListAsync(Source source, CancellationToken stop)
    {
        try
        {
            // What another mirror has just listed will do, unless it is older than what it is compared with.
            var recent = Now - Recency;
            return await source.ListAsync(_content.ListedAt > recent ? _content.ListedAt.Value : recent, stop).ConfigureAwait(false);
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
                var listing = await ListAsync(source, stop).ConfigureAwait(false);
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
                var copied = await CopyAsync(listing, name, fill, stop).ConfigureAwait(false);
                return () =>
                {
                    _patience.Reset();
                    Error = null;
                    _add(name, copied);
                };
            }
            catch (SourceException ex)
            {
                errors.Add(ex.Message);
            }
        }

        return () =>
        {
            Error = look.Names.IsEmpty || look.Highest <= reach ? null
                : errors.Count > 0 ? string.Join("; ", errors)
                : reach == 0 ? "no other destination has a snapshot yet"
                : $"no other destination has transaction {reach + 1}";
            BePatient();
        };
    }

    private Task<(LtxFile File, LtxSeal Seal)> CopyAsync(SourceListing listing, LtxName name, long? fillBytes, CancellationToken stop) => _tools.Copier.CopyAsync(
        listing.Store, name, listing.Files.Files[name].Size, _place.Holder.Get(), _place.Replica, read => SetProgress(read, fillBytes), stop);

    // Written by the job before, and read by the task after, it is started; a torn pair does no harm.
    private void SetProgress(Func<long> readBytes, long? fillBytes)
    {
        if (_job is { } job)
        {
            (job.ReadBytes, job.FillBytes) = (readBytes, fillBytes);
        }
    }

    /// <summary>
    /// The next file of the primary that the mirror lacks, or has with another content: the newest snapshots first, and then in the order in
    /// which Litestream merges, so that it can go on here at any time: it never looks for what is missing before the last file of a level.
    /// </summary>
    private LtxName? FindWanted(SourceListing listing)
    {
        var files = _content.Files!;
        var reach = files.Reach;
        var oldest = _tools.Pruning.FindBase(_content.Snapshots.Concat(listing.Seals.Select(snapshot => (snapshot.Key, snapshot.Value.MadeAt))), Now);
        var snapshots = listing.Files.Level(LtxName.SnapshotLevel);
        for (var i = snapshots.Count - 1; i >= 0; i--)
        {
            var name = snapshots[i];
            if (name.Max >= oldest && listing.Seals.ContainsKey(name) && IsMissing(name, listing.Files.Files[name], isLast: i == snapshots.Count - 1))
            {
                return name;
            }
        }

        for (var level = 1; level < LtxName.SnapshotLevel; level++)
        {
            var names = listing.Files.Level(level);
            for (var i = 0; i < names.Count; i++)
            {
                var name = names[i];
                if (name.Max > oldest && name.Max <= reach && IsMissing(name, listing.Files.Files[name], isLast: i == names.Count - 1) && !files.IsNested(name))
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

            if (_content.Compared.TryGetValue(name, out var version) && version == there.Version)
            {
                return false;
            }

            // Two folders are compared in full; elsewhere what is newest shows whether the history is the same.
            return here.Size != there.Size || name.Level == LtxName.SnapshotLevel || isLast || (_place.Replica.Type, listing.Replica.Type) is ("file", "file");
        }
    }

    /// <summary>Copies a file that the mirror lacks, or has with another content.</summary>
    private async Task<Action> CopyHistoryAsync(SourceListing listing, LtxName name, CancellationToken stop)
    {
        var there = listing.Files.Files[name];
        LtxSeal? here = null;
        if (_content.Files!.Files.TryGetValue(name, out var file))
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
                return () => _content.Compared[name] = there.Version;
            }
        }

        var copied = await CopyAsync(listing, name, fillBytes: null, stop).ConfigureAwait(false);
        return () =>
        {
            // Litestream writes a snapshot of the same transactions again when nothing was written in between.
            if (file != default && !(name.Level == LtxName.SnapshotLevel && here is { } known && known.MadeAt < copied.Seal.MadeAt))
            {
                _content.Notice = $"{name} was another one than at {listing.Replica.Destination}, and was copied again.";
            }

            _content.Compared[name] = there.Version;
            _add(name, copied);
        };
    }

    private Job Start(JobKind kind, Func<CancellationToken, Task<Action>> run)
    {
        var ending = CancellationTokenSource.CreateLinkedTokenSource(_stopping);
        return new Job(kind, Task.Run(() => run(ending.Token), ending.Token), ending);
    }

    private void BePatient() => _patientUntil = Now + _patience.Next();

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
