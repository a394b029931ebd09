namespace Datasette.Litestream.Observation;

/// <summary>What Litestream answered when it was asked to take a database's changes, beside what was seen before it was asked.</summary>
/// <param name="AskedAt">When it was asked.</param>
/// <param name="Files">The database's files as they were then: it has taken what they tell of.</param>
/// <param name="SyncErrors">How many errors of taking changes it had logged by then: they are over.</param>
/// <param name="Txid">The last transaction that it has taken; 0 for none.</param>
/// <param name="ReplicatedTxid">The last one that it remembers to have brought to the replica; 0 for unknown.</param>
/// <param name="UploadedBytes">What went to the replica since the answer before.</param>
internal sealed record SyncAnswer(
    DateTimeOffset AskedAt, DatabaseFiles Files, int SyncErrors, ulong Txid, ulong ReplicatedTxid, long UploadedBytes)
{
    /// <summary>
    /// Whether the replica has all that was taken. A replica that is ahead is a moment's race or something that is wrong:
    /// Litestream would bring nothing to it. That is no safety; another answer tells which it is.
    /// </summary>
    public bool IsAllReplicated => Txid > 0 && ReplicatedTxid == Txid;

    /// <summary>Whether the replica has what an earlier answer told to be taken.</summary>
    public bool Confirms(SyncAnswer earlier) => ReplicatedTxid >= earlier.Txid && ReplicatedTxid <= Txid && earlier.Txid > 0;
}
