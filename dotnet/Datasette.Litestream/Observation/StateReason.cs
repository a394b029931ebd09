namespace Datasette.Litestream.Observation;

/// <summary>Why a database is in the state that it is in.</summary>
internal enum StateReason
{
    /// <summary>Litestream synced the database after its last change, and the replica has everything that was synced.</summary>
    AllReplicated,

    /// <summary>Changes are waiting for their upload, no longer than usual.</summary>
    OnTheWay,

    /// <summary>Litestream 0.3 has no control socket, and its log contains no error.</summary>
    NoErrorLogged,

    /// <summary>Nothing is known to be at the replica yet.</summary>
    NothingReplicatedYet,

    /// <summary>Changes have waited for their upload for longer than usual.</summary>
    WaitingTooLong,

    /// <summary>Litestream logged that it cannot sync the database, and has not synced it since.</summary>
    SyncFailed,

    /// <summary>Litestream logged another error, and has reported no success since.</summary>
    ErrorLogged,

    /// <summary>Litestream reports that its last sync of the database failed.</summary>
    ErrorReported,

    /// <summary>Litestream is not running.</summary>
    LitestreamDown,

    /// <summary>Litestream is running, but has stopped replicating the database.</summary>
    ReplicationStopped,

    /// <summary>Litestream does not report the state of the database.</summary>
    NoAnswer,
}
