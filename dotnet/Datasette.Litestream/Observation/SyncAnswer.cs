namespace Datasette.Litestream.Observation;

/// <summary>Litestream's answer to a request to sync a database, with what was seen before the request.</summary>
/// <param name="AskedAt">The time of the request.</param>
/// <param name="Files">The database's files at that time: the sync covers all changes visible in them.</param>
/// <param name="SyncErrors">How many sync errors it had logged by then: the answer shows that they are over.</param>
/// <param name="Txid">The last transaction that it has synced; 0 if there is none.</param>
/// <param name="ReplicatedTxid">The last transaction that it remembers to have uploaded to the replica; 0 if it does not know,
/// as before its first upload and after a failed one.</param>
/// <param name="UploadedBytes">The bytes uploaded to the replica since the previous answer.</param>
/// <param name="Error">Why the sync failed, in Litestream's words without secrets; null if it succeeded.</param>
internal sealed record SyncAnswer(
    DateTimeOffset AskedAt, DatabaseFiles Files, int SyncErrors, ulong Txid, ulong ReplicatedTxid, long UploadedBytes, string? Error = null)
{
    /// <inheritdoc cref="Litestream.ControlSocket.IsLocalStateLost"/>
    public bool IsLocalStateLost { get; init; }

    /// <summary>
    /// Whether the replica has everything that was synced. A replica that is ahead is either a short race or a fault, in which
    /// Litestream uploads nothing. So it does not count as safe; the next answer shows which of the two it is.
    /// </summary>
    public bool IsAllReplicated => Txid > 0 && ReplicatedTxid == Txid;

    /// <summary>Whether the replica has everything that was synced at an earlier answer.</summary>
    public bool Confirms(SyncAnswer earlier) => ReplicatedTxid >= earlier.Txid && ReplicatedTxid <= Txid && earlier.Txid > 0;
}
