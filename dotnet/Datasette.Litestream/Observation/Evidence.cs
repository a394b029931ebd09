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
/// <param name="CheckedAt">When the backup was last found to be restorable; null if it never was.</param>
/// <param name="CopiedBytes">How many bytes of the first copy are at the replica; null where that cannot be seen.</param>
/// <param name="IsMoving">Whether Litestream is sending anything.</param>
/// <param name="MovedAt">When it was last seen to send anything; null if it never was.</param>
internal sealed record Evidence(
    DateTimeOffset? ChangedAt,
    DateTimeOffset? AskedAt,
    ulong? TakenTxid,
    ulong? ReplicatedTxid,
    DateTimeOffset? ReplicatedUntil,
    TimeSpan? Lag,
    SyncActivity? Activity = null,
    DateTimeOffset? CheckedAt = null,
    long? CopiedBytes = null,
    bool IsMoving = false,
    DateTimeOffset? MovedAt = null)
{
    /// <summary>The lag of what is not safe, since the time up to which everything was: never zero, even where no time has passed.</summary>
    public static TimeSpan LagSince(DateTimeOffset until, DateTimeOffset now) => now - until is var lag && lag > TimeSpan.Zero ? lag : TimeSpan.FromTicks(1);
}
