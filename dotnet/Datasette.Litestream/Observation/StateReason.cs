namespace Datasette.Litestream.Observation;

/// <summary>Why a database is in the state that it is in.</summary>
internal enum StateReason
{
    /// <summary>Litestream synced the database after its last change, and the replica has everything that was synced.</summary>
    AllReplicated,

    /// <summary>Changes are waiting for their upload, no longer than usual.</summary>
    OnTheWay,

    /// <summary>Litestream 0.3 has no control socket, and nothing indicates that the replica is behind.</summary>
    NotKnownToBeBehind,

    /// <summary>Litestream was just started, and has not reported yet what it has replicated.</summary>
    Starting,

    /// <summary>The database is being copied to the replica for the first time.</summary>
    FirstCopy,

    /// <summary>Everything is replicated, but the replica has not been checked since the start.</summary>
    NotCheckedYet,

    /// <summary>Changes have waited for their upload for longer than usual.</summary>
    WaitingTooLong,

    /// <summary>Litestream reports that it could not read the changes of the database, and has read none since.</summary>
    SyncFailed,

    /// <summary>The last upload failed.</summary>
    UploadFailed,

    /// <summary>Litestream 0.3 logged an error, and has reported no success since.</summary>
    ErrorLogged,

    /// <summary>A compaction at the replica failed, and no later one of its level has succeeded.</summary>
    CompactionFailed,

    /// <summary>The destination refused Litestream at its start, so Litestream runs without this database.</summary>
    DestinationRefused,

    /// <summary>Litestream would miss a part of the write-ahead log, which others keep from being emptied, so it runs without this database.</summary>
    LogBlocked,

    /// <summary>Somebody has paused its replication.</summary>
    Paused,

    /// <summary>Litestream is not running.</summary>
    LitestreamDown,

    /// <summary>Litestream is running, but has stopped replicating the database.</summary>
    ReplicationStopped,

    /// <summary>Litestream does not report the state of the database.</summary>
    NoAnswer,

    /// <summary>The file that Datasette serves cannot be looked at.</summary>
    FileUnreadable,

    /// <summary>There is no file where Datasette serves one.</summary>
    FileMissing,

    /// <summary>The file that Datasette serves is not the one that is replicated.</summary>
    FileReplaced,

    /// <summary>The content of the file was overwritten from outside of SQLite.</summary>
    FileOverwritten,

    /// <summary>Another database of this Datasette is the same file, and is replicated.</summary>
    SameFile,

    /// <summary>Litestream cannot open a file of this name.</summary>
    NameNotSupported,

    /// <summary>It was attached while Datasette serves, and what is configured for it is wrong.</summary>
    SettingsRefused,

    /// <summary>Litestream cannot work beside the database.</summary>
    FolderUnusable,

    /// <summary>Datasette does not serve it any more, and its last changes could not be replicated.</summary>
    NotDetached,

    /// <summary>Litestream's folder beside the database was removed, or files in it that it needs.</summary>
    FolderRemoved,

    /// <summary>What lies at the replica cannot be restored up to what was replicated.</summary>
    BackupDamaged,

    /// <summary>Another Litestream writes to the same destination.</summary>
    OtherWriter,

    /// <summary>Another Datasette writes to the destination, and was asked to let go of it.</summary>
    WaitingForWriter,

    /// <summary>Another Datasette has taken over the destination.</summary>
    TakenOver,

    /// <summary>It is not known whether another Datasette writes to the destination.</summary>
    WriterUnknown,

    /// <summary>The database is being replicated anew, after a fault or since its file is another one, and that is not complete.</summary>
    ReplicatedAnew,

    /// <summary>The destination that Litestream is to write is being filled from another one; Litestream leaves the database alone.</summary>
    Filling,

    /// <summary>It is being found out whether the file may be sent to its destination; Litestream leaves the database alone.</summary>
    Admitting,

    /// <summary>Whether the file may be sent to its destination cannot be found out, since that does not answer.</summary>
    DestinationUnknown,

    /// <summary>The file holds nothing, and its backup does, so nothing is sent.</summary>
    FileEmpty,

    /// <summary>The file is older than its backup, or another machine's, so nothing is sent.</summary>
    FileOlder,

    /// <summary>The first copy to a mirror is under way; Litestream's own destination has everything.</summary>
    MirrorFirstCopy,

    /// <summary>Changes have waited for a mirror for longer than usual.</summary>
    MirrorBehind,

    /// <summary>A mirror cannot be read or written.</summary>
    MirrorFailed,

    /// <summary>What lies at a mirror cannot be restored up to what was copied there.</summary>
    MirrorDamaged,

    /// <summary>The last drill showed that the backup cannot be relied on.</summary>
    DrillFailed,

    /// <summary>The last drill showed that the live database itself is damaged, and its backup with it.</summary>
    DatabaseDamaged,

    /// <summary>No drill could be held for so long that what is known of the backup is too old.</summary>
    DrillOverdue,

    /// <summary>After a drill that failed the backup was made anew, and has not been proven since.</summary>
    NotProvenAgain,

    /// <summary>The last drill showed that the backup at a mirror cannot be relied on.</summary>
    MirrorDrillFailed,

    /// <summary>No drill of a mirror could be held for so long that what is known of it is too old.</summary>
    MirrorDrillOverdue,
}

/// <summary>What follows from a <see cref="StateReason"/>.</summary>
internal static class StateReasons
{
    /// <summary>The state that a database is in for a reason.</summary>
    public static DatabaseState State(this StateReason reason) => reason switch
    {
        StateReason.AllReplicated or StateReason.OnTheWay => DatabaseState.Replicating,
        StateReason.NotKnownToBeBehind or StateReason.NotCheckedYet => DatabaseState.Unverified,
        StateReason.Starting or StateReason.FirstCopy or StateReason.Filling or StateReason.Admitting or StateReason.MirrorFirstCopy => DatabaseState.Starting,
        StateReason.WaitingTooLong or StateReason.MirrorBehind => DatabaseState.Behind,
        StateReason.LitestreamDown or StateReason.ReplicationStopped or StateReason.Paused => DatabaseState.Stopped,
        StateReason.NoAnswer => DatabaseState.Unknown,
        _ => DatabaseState.Failing,
    };

    /// <summary>Whether it is about a mirror, so that Litestream's own destination is as well as the database.</summary>
    public static bool IsOfMirror(this StateReason reason) =>
        reason is StateReason.MirrorFirstCopy or StateReason.MirrorBehind or StateReason.MirrorFailed or StateReason.MirrorDamaged
            or StateReason.MirrorDrillFailed or StateReason.MirrorDrillOverdue;
}
