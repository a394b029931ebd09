using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Keeps one destination equal to what Litestream replicates. One task does it and owns all its state, with <see cref="MirrorContent"/>
/// and <see cref="MirrorSupply"/>. Each transaction is copied from this machine as soon as Litestream has made its file, whatever another
/// destination does; what is older, merged or a snapshot comes from the primary, beside that. At every moment what lies there can be
/// restored: nothing is written that does not follow.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A CancellationTokenSource without a timer or a link holds nothing.")]
internal sealed class Mirror
{
    /// <summary>How often it is listed and compared, and how often the primary is when nothing happens.</summary>
    public static readonly TimeSpan ListInterval = TimeSpan.FromHours(1);

    /// <summary>The delay between the first two times that it is listed because it was found to be damaged.</summary>
    private static readonly TimeSpan MinRecheckDelay = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    /// <summary>The delays after a failure.</summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(10);

    /// <summary>The delays between two times that a mirror is begun anew.</summary>
    private static readonly TimeSpan MinAnewDelay = TimeSpan.FromSeconds(5), MaxAnewDelay = TimeSpan.FromHours(1);

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
    private readonly MirrorContent _content;
    private readonly MirrorSupply _supply;
    private readonly Backoff _retry;
    private readonly Backoff _anew = new(MinAnewDelay, MaxAnewDelay);
    private MirrorStatus _status = new();
    private MirrorStatus? _published;
    private int _verifiedEpoch = NotVerified;
    private DateTimeOffset _anewAt;

    /// <summary>Starts it.</summary>
    /// <param name="place">The mirror, and where it copies from.</param>
    /// <param name="tools">What it shares with others.</param>
    /// <param name="publish">Receives each new status, on the task.</param>
    public Mirror(MirrorPlace place, MirrorTools tools, Action<MirrorStatus> publish)
    {
        (_place, _tools, _time, _publish) = (place, tools, tools.Time, publish);
        _retry = new Backoff(MinRetryDelay, MaxRetryDelay, tools.Random);
        _content = new MirrorContent(place, tools);
        _supply = new MirrorSupply(place, tools, _content, Add, Stopping);
        _running = Task.Run(RunAsync);
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

    private bool IsComplete => _content.Files is { } files && _place.Local.Current is var look && _verifiedEpoch == look.Epoch && files.Reach >= look.Highest;

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
            _supply.End();
        }
    }

    /// <summary>Whether waiting at the end is in vain: it has failed for long, or nobody has what it needs.</summary>
    private bool IsHopeless() =>
        (_status.FailingSince is { } since && _time.GetUtcNow() - since > LongFailure) || (_supply.Done is null && _status.Phase == MirrorPhase.HeldBack);

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
        _supply.Take();
        if (_content.Files is null || _isInDoubt || _time.GetUtcNow() - _content.ListedAt >= ListInterval || _content.IsOtherFolder())
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
            _supply.StartNext(look, _isFinishing);
        }

        if (!_isFinishing && _verifiedEpoch == _place.Local.Current.Epoch)
        {
            await _content.PruneAsync(Stopping).ConfigureAwait(false);
        }

        return Due();
    }

    private TimeSpan Due()
    {
        var now = _time.GetUtcNow();
        var due = (_content.ListedAt ?? now) + ListInterval;
        if (Replica.Type == "file")
        {
            due = Earlier(due, now + MirrorContent.FolderLookInterval);
        }

        due = Earlier(due, _supply.Done is null ? _supply.DueAt : now + ProgressInterval);
        due = Earlier(due, _content.PruneAt);
        var wait = due - now;
        return wait > MinRetryDelay ? wait : MinRetryDelay;
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset? other) => other < one ? other.Value : one;

    private async Task WaitAsync(TimeSpan wait)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        var signalled = _signal.Reader.WaitToReadAsync(waiting.Token).AsTask();
        var delay = Task.Delay(wait, _time, waiting.Token);
        await (_supply.Done is { } done ? Task.WhenAny(signalled, delay, done) : Task.WhenAny(signalled, delay)).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        _signal.Reader.TryRead(out _);
        Stopping.ThrowIfCancellationRequested();
    }

    private async Task ListAsync()
    {
        var isInDoubt = _isInDoubt;
        _isInDoubt = false;
        try
        {
            await _content.ListAsync(isInDoubt, Stopping).ConfigureAwait(false);
        }
        catch
        {
            _isInDoubt |= isInDoubt;
            throw;
        }

        _verifiedEpoch = NotVerified;
        _supply.Refresh(isInDoubt);
    }

    /// <summary>
    /// Finds out whether what lies there is of the history that is replicated now: its last file must be the one that this machine
    /// or the primary has under that name. What is not is moved aside.
    /// </summary>
    /// <returns>False if that is not known yet.</returns>
    private async Task<bool> VerifyAsync(LocalFilesLook look)
    {
        var files = _content.Files!;
        if (look.Epoch == 0)
        {
            return false;
        }

        if (files.Count == 0)
        {
            (_verifiedEpoch, _content.Tail) = (look.Epoch, null);
            return true;
        }

        if (files.Reach == 0)
        {
            return await BeginAnewAsync(look, "What lay here could not be restored").ConfigureAwait(false);
        }

        var highest = files.Highest;
        foreach (var name in files.Level(0).Where(look.Has).Reverse().ToList())
        {
            if (look.ReadSeal(name) is not { } here)
            {
                continue;
            }

            if (await _content.ReadSealAsync(name, Stopping).ConfigureAwait(false) is not { } there)
            {
                // It was cut, and is copied again.
                _content.RemoveIncomplete(name);
                continue;
            }

            if (here != there)
            {
                return await BeginAnewAsync(look, "What lay here was of another history").ConfigureAwait(false);
            }

            if (look.Highest >= highest)
            {
                (_verifiedEpoch, _content.Tail) = (look.Epoch, there);
                return true;
            }

            break;
        }

        if (look.Remembered.TryGetValue(Replica.Identity, out var remembered) && files.EndingAt(highest).FirstOrDefault(name => name.Level == 0) is { Max: > 0 } end
            && await _content.ReadSealAsync(end, Stopping).ConfigureAwait(false) is { } tail && MirrorMemory.TextOf(tail) == remembered)
        {
            (_verifiedEpoch, _content.Tail) = (look.Epoch, tail);
            return true;
        }

        if (_supply.Listing is not { } listing)
        {
            _supply.StartListing();
            return false;
        }

        if (_supply.IsTrusted(look))
        {
            foreach (var name in files.EndingAt(highest))
            {
                if (listing.Files.Files.ContainsKey(name)
                    && await listing.ReadSealAsync(name, Stopping).ConfigureAwait(false) is { } there
                    && await _content.ReadSealAsync(name, Stopping).ConfigureAwait(false) is { } here)
                {
                    if (here != there)
                    {
                        return await BeginAnewAsync(look, "What lay here was of another history").ConfigureAwait(false);
                    }

                    (_verifiedEpoch, _content.Tail) = (look.Epoch, here.Name.Level == 0 ? here : null);
                    return true;
                }
            }
        }

        if (look.Names.IsEmpty)
        {
            // Litestream has not opened the database yet, so that nobody knows how it will go on.
            _supply.Postpone();
            return false;
        }

        return await BeginAnewAsync(
            look,
            look.Highest < highest ? "Its transactions went farther than those that are replicated now" : "What lay here could not be shown to be of the history that is replicated now")
            .ConfigureAwait(false);
    }

    private async Task<bool> BeginAnewAsync(LocalFilesLook look, string reason)
    {
        var now = _time.GetUtcNow();
        if (now < _anewAt)
        {
            throw new StoreException($"{char.ToLowerInvariant(reason[0])}{reason[1..]} again");
        }

        _supply.End();
        await _content.MoveAsideAsync(reason, Stopping).ConfigureAwait(false);
        _supply.Refresh();
        (_verifiedEpoch, _anewAt) = (look.Epoch, now + _anew.Next());
        return true;
    }

    /// <summary>Copies what this machine has that follows.</summary>
    private async Task FollowAsync()
    {
        while (_place.Local.Current is var look && look.Epoch == _verifiedEpoch)
        {
            var (files, reach) = (_content.Files!, _content.Reach);
            var last = new LtxName(0, reach, reach);
            if (files.Chain.ResumesAt is not null && look.After(reach) is null)
            {
                return;
            }

            // A mirror has the file of its last transaction, by which it can be recognised and taken up.
            var next = look.After(reach)
                ?? (reach > 0 && !files.Files.ContainsKey(last) && look.Has(last) ? last : null as LtxName?);
            if (next is not { } name || look.SizeOf(name) is not { } size)
            {
                return;
            }

            if (name != last && _content.Tail is { } tail && tail.Name == last && look.ReadSeal(last) is { } here && here != tail)
            {
                _verifiedEpoch = NotVerified;
                return;
            }

            using var from = LocalHistory.Open(look.StateFolder, _time);
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
        _content.Add(name, copied);
        Publish(error: null);
    }

    private void Publish(string? error)
    {
        var look = _place.Local.Current;
        var reach = _content.Reach;
        var isVerified = _content.Files is not null && _verifiedEpoch == look.Epoch;
        var isBehind = !look.Names.IsEmpty && (!isVerified || look.Highest > reach);
        var isHeldBack = error is null && isBehind && _supply.Error is not null;
        var cause = isHeldBack ? _supply.Error : error;
        var isFilling = isVerified && reach == 0;
        var (filled, fill) = isFilling ? _supply.Progress : (null, null);
        _status = _status with
        {
            Phase = _content.Files is null ? MirrorPhase.Starting
                : isHeldBack ? MirrorPhase.HeldBack
                : isFilling ? MirrorPhase.Filling
                : isVerified || (reach > 0 && _status.Phase == MirrorPhase.Starting) ? MirrorPhase.Following
                : _status.Phase,
            Txid = reach,
            Tail = isVerified && _content.Tail is { } tail && tail.Name.Max == reach ? (look.Epoch, MirrorMemory.TextOf(tail)) : null,
            BehindSince = !isBehind ? null : isVerified ? FirstMissing(look, reach) : _status.BehindSince ?? _time.GetUtcNow(),
            Bytes = _content.Files?.Bytes,
            Files = _content.Files?.Count,
            Points = _content.Points,
            ListedAt = _content.ListedAt,
            CopiedAt = _content.CopiedAt,
            Notice = _content.Notice,
            Error = cause,
            FailingSince = cause is null ? null : _status.FailingSince ?? _time.GetUtcNow(),
            FilledBytes = filled,
            FillBytes = fill,
        };
        if (_status != _published)
        {
            _published = _status;
            _publish(_status);
        }
    }

    private DateTimeOffset FirstMissing(LocalFilesLook look, ulong reach) =>
        look.Names.Where(name => name.Max > reach).Select(look.TimeOf).FirstOrDefault(time => time is not null) ?? _time.GetUtcNow();
}
