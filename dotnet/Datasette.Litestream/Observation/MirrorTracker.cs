using Datasette.Litestream.Configuration;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Tracks one mirror of a database from look to look. A change counts as safe there if Litestream was asked to sync after the
/// change was seen, and the mirror has what it synced then. The sampling task owns the tracker.
/// </summary>
/// <param name="replica">The mirror.</param>
/// <param name="start">When replication started.</param>
/// <param name="maxLag">How long a change may wait before that is told.</param>
internal sealed class MirrorTracker(ReplicaPlan replica, DateTimeOffset start, TimeSpan maxLag)
{
    /// <summary>A shorter failure is mended by the next try.</summary>
    private static readonly TimeSpan MinFailure = TimeSpan.FromSeconds(5);

    private DateTimeOffset _replicatedUntil = start;
    private DestinationObservation? _last;
    private SyncAnswer? _confirmed;

    // Taken by Litestream and not known to be at the mirror: the oldest, which arrives first, and the newest.
    private SyncAnswer? _oldest;
    private SyncAnswer? _newest;
    private bool _hasBeenSafe;
    private bool _isCheckWanted;
    private DateTimeOffset? _wholeAt;
    private DateTimeOffset? _checkSeenAt;
    private string? _checkFault;

    /// <summary>The mirror.</summary>
    public ReplicaPlan Replica => replica;

    /// <summary>The last transaction that must be at the mirror by now; 0 if none must.</summary>
    public ulong ExpectedTxid { get; private set; }

    /// <summary>Derives the state from what was seen.</summary>
    public DestinationObservation Observe(in MirrorLook look)
    {
        var now = look.At;
        if (look.IsRenewed || _confirmed?.AskedAt <= look.WithdrawnAt || _oldest?.AskedAt <= look.WithdrawnAt)
        {
            (_confirmed, _oldest, _newest, _wholeAt) = (null, null, null, null);
        }

        ExpectedTxid = look.Status?.Txid ?? 0;
        if (look.Answer is { Txid: > 0, Error: null } answer && answer.AskedAt > look.WithdrawnAt)
        {
            _oldest ??= answer;
            _newest = answer;
        }

        var fault = FindFault(look);
        if (fault is not null)
        {
            (_confirmed, _wholeAt) = (null, null);
        }
        else if (!look.IsRenewed)
        {
            Prove(look);
        }

        _replicatedUntil = _replicatedUntil > now ? now : _replicatedUntil;
        var isSafe = _confirmed is not null && _oldest is null && look.Files == _confirmed.Files;
        _replicatedUntil = isSafe ? now : _replicatedUntil;
        _hasBeenSafe |= _confirmed is not null;
        var wait = isSafe ? TimeSpan.Zero : Evidence.LagSince(_replicatedUntil, now);
        var (reason, error) = look.IsRenewed ? (StateReason.ReplicatedAnew, null) : fault is not null ? (StateReason.MirrorDamaged, fault) : Conclude(look, isSafe, wait);
        if (look.Drill is { } drill && DrillJudgement.Of([drill], isMirror: true, now) is { } drilled && DrillJudgement.Outweighs(drilled, reason))
        {
            (reason, error) = drilled;
        }

        var state = reason.State();

        // At its first good state, and whenever something is over, what Litestream says of it is asked for.
        _isCheckWanted |= state is DatabaseState.Replicating or DatabaseState.Unverified && _last?.State is not (DatabaseState.Replicating or DatabaseState.Unverified);
        return _last = new DestinationObservation(
            replica,
            IsMirror: true,
            state,
            _last?.State == state ? _last.Since : now,
            reason,
            error,
            new Evidence(
                look.Files.Database is null ? null : look.Files.ChangedAt,
                _newest?.AskedAt ?? _confirmed?.AskedAt,
                (_newest ?? _confirmed)?.Txid,
                look.Status is { Txid: > 0 } status ? status.Txid : null,
                _confirmed is null ? null : _replicatedUntil,
                _hasBeenSafe ? wait : null,
                Activity: null,
                _wholeAt,
                look.Status?.FilledBytes,
                look.Status?.Error is null,
                look.Status?.CopiedAt))
        {
            Bytes = look.Status?.Bytes,
            Files = look.Status?.Files,
            Points = look.Status?.Points,
            Notice = look.Status?.Notice,
            Drill = look.Drill,
        };
    }

    /// <summary>Whether Litestream should judge the mirror now; true once for each occasion.</summary>
    public bool TakeCheckRequest()
    {
        var isWanted = _isCheckWanted;
        _isCheckWanted = false;
        return isWanted;
    }

    private string? FindFault(in MirrorLook look)
    {
        if (look.Finding is { } finding)
        {
            return Judge(finding, look.Status);
        }

        // What was found before it was compared, or before it was filled, says nothing.
        if (look.Check is { } check && check.At != _checkSeenAt && check.At > look.Status?.ListedAt && check.At > look.WithdrawnAt)
        {
            _checkSeenAt = check.At;
            _checkFault = Judge(check.Finding, look.Status);
        }

        return _checkFault;
    }

    private static string? Judge(ReplicaFinding finding, MirrorStatus? status) => finding.Condition switch
    {
        ReplicaCondition.OtherWriter or ReplicaCondition.Damaged => finding.Problem,
        ReplicaCondition.Missing when status is { Txid: > 0, Phase: MirrorPhase.Following } => finding.Problem,
        _ => null,
    };

    private void Prove(in MirrorLook look)
    {
        if (look.Finding is { Condition: ReplicaCondition.Whole })
        {
            _wholeAt = look.At;
        }
        else if (look.Finding is null && look.Check is { IsWhole: true } check && check.At > look.WithdrawnAt && check.At > look.Status?.ListedAt)
        {
            _wholeAt = check.At;
        }

        var reach = look.Finding is { } finding ? Math.Min(finding.UpTo, ExpectedTxid) : ExpectedTxid;
        if (_newest?.Txid <= reach)
        {
            (_confirmed, _oldest, _newest) = (_newest, null, null);
        }
        else if (_oldest?.Txid <= reach)
        {
            (_confirmed, _oldest) = (_oldest, _newest);
        }
        else
        {
            return;
        }

        _replicatedUntil = _confirmed!.AskedAt > _replicatedUntil ? _confirmed.AskedAt : _replicatedUntil;
    }

    private (StateReason Reason, string? Error) Conclude(in MirrorLook look, bool isSafe, TimeSpan wait)
    {
        if (look.Status is { Phase: MirrorPhase.HeldBack } || look.At - look.Status?.FailingSince >= MinFailure)
        {
            return (StateReason.MirrorFailed, look.Status!.Error);
        }

        if (look.Status is null or { Phase: MirrorPhase.Starting } || (_confirmed is null && look.Status is { Phase: MirrorPhase.Following }))
        {
            return (wait > maxLag ? StateReason.MirrorBehind : StateReason.Starting, look.Status?.Error);
        }

        if (look.Status is { Phase: MirrorPhase.Filling })
        {
            return (StateReason.MirrorFirstCopy, null);
        }

        return wait > maxLag ? (StateReason.MirrorBehind, look.Status.Error)
            : !isSafe ? (StateReason.OnTheWay, null)
            : _wholeAt is null ? (StateReason.NotCheckedYet, look.Finding?.Problem ?? look.Check?.Error)
            : (StateReason.AllReplicated, null);
    }
}
