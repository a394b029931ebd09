using System.Collections.Immutable;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>The replication state of one database.</summary>
internal enum DatabaseState
{
    /// <summary>All changes are at the replica, or their upload takes no longer than usual, and the replica can be restored.</summary>
    Replicating,

    /// <summary>Nothing is known to be wrong, but not everything that makes a backup safe is known.</summary>
    Unverified,

    /// <summary>Nothing is known to be at the replica yet: Litestream was just started, or makes the first copy.</summary>
    Starting,

    /// <summary>Changes have waited for their upload for longer than expected.</summary>
    Behind,

    /// <summary>Something is wrong with the file, the destination or the replication.</summary>
    Failing,

    /// <summary>Litestream is not running, or is not replicating this database.</summary>
    Stopped,

    /// <summary>Litestream does not report the state.</summary>
    Unknown,
}

/// <summary>The state of one database's replication at the last sample.</summary>
/// <param name="Plan">What is replicated where.</param>
/// <param name="State">Its state.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Error">Litestream's last error since the last sync; null if there is none.</param>
/// <param name="Reason">Why it is in this state.</param>
/// <param name="Evidence">The figures from which the state was derived.</param>
/// <param name="LastSyncAt">When the replica was last known to have every change; null if unknown.</param>
/// <param name="DatabaseBytes">The size of its file; null if there is none.</param>
/// <param name="WalBytes">The size of its write-ahead log; null if there is none.</param>
/// <param name="UploadedBytes">The bytes uploaded to the replica since Datasette started.</param>
/// <param name="SyncErrors">How many errors Litestream has logged since Datasette started.</param>
/// <param name="Warnings">What endangers the database, one sentence each; null if nothing does.</param>
internal sealed record DatabaseObservation(
    DatabasePlan Plan,
    DatabaseState State,
    DateTimeOffset Since,
    string? Error,
    StateReason Reason,
    Evidence Evidence,
    DateTimeOffset? LastSyncAt,
    long? DatabaseBytes,
    long? WalBytes,
    long UploadedBytes,
    int SyncErrors,
    IReadOnlyList<string>? Warnings = null)
{
    /// <summary>When Litestream was asked for what is now confirmed to be at the replica; null if nothing is.</summary>
    public DateTimeOffset? ConfirmedAt { get; init; }

    /// <summary>Each destination of a database that has mirrors, in the order of its plan; empty for every other.</summary>
    public IReadOnlyList<DestinationObservation> Destinations { get; init; } = [];

    /// <summary>What Litestream said of each destination when that was last asked by hand, as long as somebody waits for it.</summary>
    public IReadOnlyList<DestinationJudgement> Judgements { get; init; } = [];

    /// <summary>Litestream's last judgement of its own destination, with what it last listed there; null before the first, and with 0.3.</summary>
    public ReplicaCheck? Listed { get; init; }

    /// <summary>How far each of its destinations is proven, by <see cref="ReplicaPlan.Identity"/>, besides its mirrors.</summary>
    public ImmutableDictionary<string, DrillStatus> Drills { get; init; } = ImmutableDictionary<string, DrillStatus>.Empty;

    /// <summary>Each of its destinations: without mirrors, what is known of the database is all that is known of them.</summary>
    public IEnumerable<DestinationObservation> AllDestinations => Destinations.Count > 0 ? Destinations : Plan.Replicas.Select(Of);

    /// <summary>Whether a drill is under way: after one that failed, it finds out what still can be restored.</summary>
    public bool IsBeingProven => AllDestinations.Any(destination => destination.Drill?.Progress is not null);

    /// <summary>Whether this Datasette may not write to the destination, because another one does, or may.</summary>
    public bool IsForbidden => Reason is StateReason.WaitingForWriter or StateReason.TakenOver or StateReason.WriterUnknown;

    /// <inheritdoc cref="Evidence.Lag"/>
    public TimeSpan? Lag => Evidence.Lag;

    /// <summary>
    /// The state of the database with its mirrors: that of the destination which is worst off, since a change is safe when it is at
    /// all of them.
    /// </summary>
    /// <param name="mirrors">The mirrors.</param>
    public DatabaseObservation With(IReadOnlyList<DestinationObservation> mirrors)
    {
        var primary = Of(Plan.Primary);
        var destinations = mirrors.Append(primary).OrderBy(destination => Plan.Replicas.IndexOf(destination.Replica)).ToList();
        var worst = mirrors.Prepend(primary).MaxBy(Severity)!;
        return this with
        {
            State = worst.State,
            Since = worst.Since,
            Reason = worst.Reason,
            Error = worst == primary || worst.Error is null ? worst.Error : $"{worst.Replica.Destination}: {worst.Error}",
            Evidence = Evidence with
            {
                Lag = mirrors.Select(mirror => mirror.Evidence.Lag).Append(Evidence.Lag).Max(),
                ReplicatedUntil = Oldest(destinations, evidence => evidence.ReplicatedUntil),
                CopiedBytes = worst.Evidence.CopiedBytes,
                CheckedAt = Oldest(destinations, evidence => evidence.CheckedAt),
            },
            Destinations = destinations,
        };
    }

    /// <summary>How the destination that Litestream writes stands, of which nothing is known but what is known of the database.</summary>
    public DestinationObservation Of(ReplicaPlan replica) =>
        new(replica, IsMirror: false, State, Since, Reason, Error, Evidence) { Bytes = Listed?.Bytes, Files = Listed?.Files, Points = Listed?.Points, Drill = Drills.GetValueOrDefault(replica.Identity) };

    /// <summary>The oldest of some times; null if one is not known.</summary>
    private static DateTimeOffset? Oldest(List<DestinationObservation> destinations, Func<Evidence, DateTimeOffset?> timeOf) =>
        destinations.Exists(destination => timeOf(destination.Evidence) is null) ? null : destinations.Min(destination => timeOf(destination.Evidence));

    // Of equals the first counts, which is Litestream's own.
    private static int Severity(DestinationObservation destination) => destination.State switch
    {
        DatabaseState.Failing => 7,
        DatabaseState.Stopped => 6,
        DatabaseState.Behind => 5,
        DatabaseState.Unknown => 4,
        DatabaseState.Starting => 3,
        DatabaseState.Unverified => 2,
        _ => destination.Reason == StateReason.OnTheWay ? 1 : 0,
    };
}

/// <summary>The state of all databases at one moment.</summary>
/// <param name="At">When.</param>
/// <param name="Databases">In the plan's order.</param>
internal sealed record ObservedDatabases(DateTimeOffset At, IReadOnlyList<DatabaseObservation> Databases)
{
    /// <summary>Beyond this age the databases count as not looked at: they are looked at every 2 s.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);

    /// <summary>Whether it is too old to tell how the databases stand.</summary>
    public bool IsOutdated(DateTimeOffset now) => now - At > MaxAge;
}
