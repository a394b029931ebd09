using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>All that was seen of one mirror in one look.</summary>
/// <param name="At">The time of the look.</param>
/// <param name="Files">The database's files.</param>
/// <param name="Answer">Litestream's answer to a sync request since the last look; null if there is none.</param>
/// <param name="WithdrawnAt">Answers to what was asked before are about another file or another backup.</param>
/// <param name="IsRenewed">Whether the database is being replicated anew.</param>
/// <param name="Status">What the plugin's copying says; null before it has begun.</param>
/// <param name="Finding">What was just found there; null if it is not a folder that is looked at every time.</param>
/// <param name="Check">Litestream's last judgement of it; null before the first.</param>
internal readonly record struct MirrorLook(
    DateTimeOffset At,
    DatabaseFiles Files,
    SyncAnswer? Answer,
    DateTimeOffset WithdrawnAt,
    bool IsRenewed,
    MirrorStatus? Status,
    ReplicaFinding? Finding,
    ReplicaCheck? Check)
{
    /// <summary>How far it is proven; null if that is not known yet.</summary>
    public DrillStatus? Drill { get; init; }
}
