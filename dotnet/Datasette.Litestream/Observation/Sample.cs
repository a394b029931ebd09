using System.Runtime.InteropServices;

namespace Datasette.Litestream.Observation;

/// <summary>The figures of one database's replication in one interval, in 30 bytes.</summary>
/// <param name="Txid">The last transaction that Litestream had synced; 0 if unknown.</param>
/// <param name="Behind">How many transactions were not yet at the replica; <see cref="uint.MaxValue"/> if unknown.</param>
/// <param name="Lag">The maximum lag, in seconds; NaN if unknown.</param>
/// <param name="WalBytes">The size of the write-ahead log; NaN if unknown.</param>
/// <param name="DatabaseBytes">The size of the database file, to 7 digits; NaN if unknown.</param>
/// <param name="UploadedBytes">The bytes uploaded to the replica in the interval; NaN if unknown.</param>
/// <param name="SyncErrors">The number of errors that Litestream logged in the interval; NaN if unknown.</param>
[StructLayout(LayoutKind.Sequential, Pack = 2)]
internal readonly record struct Sample(
    ulong Txid, uint Behind, float Lag, float WalBytes, float DatabaseBytes, float UploadedBytes, Half SyncErrors)
{
    /// <summary>No sample was taken.</summary>
    public static Sample None { get; } = new(0, uint.MaxValue, float.NaN, float.NaN, float.NaN, float.NaN, Half.NaN);

    /// <summary>Merges two intervals: the later state, the larger lag, and the sums of the rest.</summary>
    public Sample MergeWith(Sample later) => this == None ? later
        : later == None ? this
        : later with
        {
            Lag = float.IsNaN(later.Lag) ? Lag : float.IsNaN(Lag) ? later.Lag : Math.Max(Lag, later.Lag),
            UploadedBytes = UploadedBytes + later.UploadedBytes,
            SyncErrors = SyncErrors + later.SyncErrors,
        };
}
