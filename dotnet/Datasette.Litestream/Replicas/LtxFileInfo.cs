namespace Datasette.Litestream.Replicas;

/// <summary>One LTX file at a destination, as Litestream lists it.</summary>
/// <param name="Level">Its level: 0 as uploaded, 1 to 8 merged, 9 a snapshot.</param>
/// <param name="MinTxid">The first transaction that it holds.</param>
/// <param name="MaxTxid">The last transaction that it holds.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="At">In a folder when it was made, elsewhere mostly when it was uploaded; in whole seconds.</param>
internal sealed record LtxFileInfo(int Level, ulong MinTxid, ulong MaxTxid, long Size, DateTimeOffset At)
{
    /// <summary>What its name says.</summary>
    public LtxName Name => new(Level, MinTxid, MaxTxid);
}
