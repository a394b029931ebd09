using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Observation;

/// <summary>How one database stands.</summary>
internal enum DatabaseState
{
    /// <summary>What was written is at the replica, or on its way as usual.</summary>
    Replicating,

    /// <summary>Nothing is at the replica yet.</summary>
    Starting,

    /// <summary>Changes have waited for the replica for longer than they should.</summary>
    Behind,

    /// <summary>Litestream has logged an error, and not synced since.</summary>
    Failing,

    /// <summary>Litestream does not run, or does not replicate this database.</summary>
    Stopped,

    /// <summary>Litestream does not say.</summary>
    Unknown,
}

/// <summary>How one database's replication stood when it was last looked at.</summary>
/// <param name="Plan">What is replicated where.</param>
/// <param name="State">How it stands.</param>
/// <param name="Since">Since when it has stood so.</param>
/// <param name="Error">Litestream's last error since the last sync; null for none.</param>
/// <param name="Reason">Why.</param>
/// <param name="Evidence">The figures that it was concluded from.</param>
/// <param name="LastSyncAt">When the replica was last known to have all; null for unknown.</param>
/// <param name="DatabaseBytes">The size of its file; null where there is none.</param>
/// <param name="WalBytes">The size of its write-ahead log; null where there is none.</param>
/// <param name="UploadedBytes">What went to the replica since Datasette's start.</param>
/// <param name="SyncErrors">How many errors Litestream logged since Datasette's start.</param>
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
    int SyncErrors)
{
    /// <inheritdoc cref="Evidence.Lag"/>
    public TimeSpan? Lag => Evidence.Lag;
}

/// <summary>All databases as they were at one moment.</summary>
/// <param name="At">When.</param>
/// <param name="Databases">In the plan's order.</param>
internal sealed record ObservedDatabases(DateTimeOffset At, IReadOnlyList<DatabaseObservation> Databases);
