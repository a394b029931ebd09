namespace Datasette.Litestream.Status;

/// <summary>How one database's replication stood at one moment, or over one interval: 32 bytes, a day of which is kept.</summary>
/// <param name="Txid">The last transaction that Litestream had taken; 0 for unknown.</param>
/// <param name="ReplicaTxid">The last transaction at the replica; 0 for unknown.</param>
/// <param name="Lag">Seconds for which the oldest change that was not at the replica had waited; NaN for unknown.</param>
/// <param name="WalBytes">The size of the write-ahead log; NaN for unknown.</param>
/// <param name="DatabaseKibibytes">The size of the database file; NaN for unknown.</param>
/// <param name="UploadedBytes">What went to the replica in the interval; NaN for unknown.</param>
internal readonly record struct Sample(
    ulong Txid, ulong ReplicaTxid, float Lag, float WalBytes, float DatabaseKibibytes, float UploadedBytes)
{
    /// <summary>Nobody was there to look.</summary>
    public static Sample None { get; } = new(0, 0, float.NaN, float.NaN, float.NaN, float.NaN);
}
