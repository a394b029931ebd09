using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Observation;

/// <summary>What drills say of a database or a mirror of which nothing else is known to be wrong.</summary>
internal static class DrillJudgement
{
    /// <summary>Judges.</summary>
    /// <param name="drills">How far its destinations are proven.</param>
    /// <param name="isMirror">Whether it is a mirror.</param>
    /// <param name="now">The time.</param>
    /// <returns>What is wrong or not known, and the drill's own words; null if nothing is.</returns>
    public static (StateReason Reason, string? Error)? Of(IReadOnlyCollection<DrillStatus> drills, bool isMirror, DateTimeOffset now)
    {
        if (drills.FirstOrDefault(drill => drill is { Failure: not null, RenewedAt: null })?.Failure is { } failure)
        {
            return (
                failure.IsLiveDamaged ? StateReason.DatabaseDamaged : isMirror ? StateReason.MirrorDrillFailed : StateReason.DrillFailed,
                $"{failure.Sentence} {failure.StillRestorable}".TrimEnd());
        }

        if (drills.FirstOrDefault(drill => drill.Failure is not null)?.Failure is { } mended)
        {
            return (StateReason.NotProvenAgain, mended.Sentence);
        }

        return drills.FirstOrDefault(drill => drill.IsOverdue(now)) is { } overdue
            ? (isMirror ? StateReason.MirrorDrillOverdue : StateReason.DrillOverdue, overdue.IsNotHeld ? overdue.Last!.Sentence : null)
            : null;
    }

    /// <summary>Whether a drill's word counts beside what else is known: what is worse is told instead.</summary>
    public static bool Outweighs((StateReason Reason, string? Error) drill, StateReason known) =>
        known.State() is DatabaseState.Replicating or DatabaseState.Unverified || (known.State() == DatabaseState.Behind && drill.Reason.State() == DatabaseState.Failing);
}
