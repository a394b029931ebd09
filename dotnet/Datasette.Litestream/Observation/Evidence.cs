using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>Why a database is in the state that it is in.</summary>
internal enum StateReason
{
    /// <summary>Litestream took the database after its last change, and the replica has all that was taken.</summary>
    AllReplicated,

    /// <summary>Changes wait for the replica, no longer than is usual.</summary>
    OnTheWay,

    /// <summary>Litestream 0.3 cannot be asked, and its log tells of no error.</summary>
    NoErrorLogged,

    /// <summary>Nothing was seen to be at the replica yet.</summary>
    NothingReplicatedYet,

    /// <summary>Changes have waited for the replica for longer than is usual.</summary>
    WaitingTooLong,

    /// <summary>Litestream logged that it cannot take changes from the database, and has not taken any since.</summary>
    SyncFailed,

    /// <summary>Litestream logged another error, and reported no success since.</summary>
    ErrorLogged,

    /// <summary>Litestream says that its last sync of the database failed.</summary>
    ErrorReported,

    /// <summary>Litestream does not run.</summary>
    LitestreamDown,

    /// <summary>Litestream runs, but has stopped replicating the database.</summary>
    ReplicationStopped,

    /// <summary>Litestream does not say how the database stands.</summary>
    NoAnswer,
}

/// <summary>The figures that a database's state was concluded from.</summary>
/// <param name="ChangedAt">When its files were last changed; null where there are none.</param>
/// <param name="AskedAt">When Litestream was last asked to take its changes, of the questions that it answered; null for never.</param>
/// <param name="TakenTxid">The last transaction that Litestream has taken; null for unknown.</param>
/// <param name="ReplicatedTxid">The last transaction at the replica; null for unknown.</param>
/// <param name="ReplicatedUntil">All that was written until then is at the replica; null where that was never seen.</param>
/// <param name="Lag">For how long the oldest change that is not at the replica has waited; zero for none, null for unknown.</param>
/// <param name="Activity">What Litestream is doing with the database; null where it does not say.</param>
internal sealed record Evidence(
    DateTimeOffset? ChangedAt,
    DateTimeOffset? AskedAt,
    ulong? TakenTxid,
    ulong? ReplicatedTxid,
    DateTimeOffset? ReplicatedUntil,
    TimeSpan? Lag,
    SyncActivity? Activity = null);
