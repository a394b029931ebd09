using System.Runtime.InteropServices;

namespace Datasette.Litestream.Observation;

/// <summary>How one database's replication stood over one interval, in 30 bytes.</summary>
/// <param name="Txid">The last transaction that Litestream had taken; 0 for unknown.</param>
/// <param name="Behind">How many of its transactions were not at the replica; <see cref="uint.MaxValue"/> for unknown.</param>
/// <param name="Lag">The most seconds that a change had waited for the replica; NaN for unknown.</param>
/// <param name="WalBytes">The size of the write-ahead log; NaN for unknown.</param>
/// <param name="DatabaseBytes">The size of the database file, to 7 digits; NaN for unknown.</param>
/// <param name="UploadedBytes">What went to the replica in the interval; NaN for unknown.</param>
/// <param name="SyncErrors">The errors that Litestream logged in the interval; NaN for unknown.</param>
[StructLayout(LayoutKind.Sequential, Pack = 2)]
internal readonly record struct Sample(
    ulong Txid, uint Behind, float Lag, float WalBytes, float DatabaseBytes, float UploadedBytes, Half SyncErrors)
{
    /// <summary>Nobody was there to look.</summary>
    public static Sample None { get; } = new(0, uint.MaxValue, float.NaN, float.NaN, float.NaN, float.NaN, Half.NaN);

    /// <summary>Both intervals as one: the later state, the larger lag, the sums.</summary>
    public Sample Then(Sample later) => this == None ? later
        : later == None ? this
        : later with
        {
            Lag = float.IsNaN(later.Lag) ? Lag : float.IsNaN(Lag) ? later.Lag : Math.Max(Lag, later.Lag),
            UploadedBytes = UploadedBytes + later.UploadedBytes,
            SyncErrors = SyncErrors + later.SyncErrors,
        };
}
