using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Observation;

/// <summary>The figures from which a database's state was derived.</summary>
/// <param name="ChangedAt">When its files last changed; null if there are none.</param>
/// <param name="AskedAt">The time of the last sync request that Litestream answered; null if there is none.</param>
/// <param name="TakenTxid">The last transaction that Litestream has synced; null if unknown.</param>
/// <param name="ReplicatedTxid">The last transaction at the replica; null if unknown.</param>
/// <param name="ReplicatedUntil">Everything written before this time is at the replica; null if that was never confirmed.</param>
/// <param name="Lag">How long the oldest change that is not at the replica has waited; zero if there is none, null if
/// unknown.</param>
/// <param name="Activity">What Litestream is doing with the database; null if it does not report that.</param>
internal sealed record Evidence(
    DateTimeOffset? ChangedAt,
    DateTimeOffset? AskedAt,
    ulong? TakenTxid,
    ulong? ReplicatedTxid,
    DateTimeOffset? ReplicatedUntil,
    TimeSpan? Lag,
    SyncActivity? Activity = null);
