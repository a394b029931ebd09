namespace Datasette.Litestream.Daemon;

/// <summary>A file that Litestream has brought to a replica, as its log tells.</summary>
/// <param name="Txid">The last transaction in it; null for Litestream 0.3, which numbers none.</param>
/// <param name="Bytes">Its size; 0 where this Litestream does not say.</param>
internal readonly record struct Upload(ulong? Txid, long Bytes);
