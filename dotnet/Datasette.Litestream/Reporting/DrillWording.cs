using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts drills into words.</summary>
internal static class DrillWording
{
    /// <summary>What a drill that is under way does, in a clause.</summary>
    public static string Describe(DrillProgress progress) => progress switch
    {
        { Phase: DrillPhase.Copying } => "the live database is copied, once nobody writes for a moment",
        { Phase: DrillPhase.Waiting } => "what was copied is waited for at the destination",
        { Phase: DrillPhase.Restoring, RestoredBytes: > 0 and { } bytes } => $"{Wording.Size(bytes)} restored",
        { Phase: DrillPhase.Restoring } => "it is restored",
        { Phase: DrillPhase.Comparing } => "what was restored is checked and compared",
        _ => "it failed, and what still can be restored is looked for",
    };

    /// <summary>An outcome as reports name it, such as <c>proven_weakly</c>.</summary>
    public static string Name(DrillOutcome outcome) => outcome switch
    {
        DrillOutcome.Proven => "proven",
        DrillOutcome.ProvenWeakly => "proven_weakly",
        DrillOutcome.Failed => "failed",
        _ => "not_held",
    };

    /// <summary>An outcome as the command begins its line with it.</summary>
    public static string Verdict(DrillOutcome outcome) => outcome switch
    {
        DrillOutcome.Proven => "ok",
        DrillOutcome.ProvenWeakly => "weak",
        DrillOutcome.Failed => "FAIL",
        _ => "not held",
    };

    /// <summary>A drill in a sentence of the log.</summary>
    public static string Tell(string database, string destination, DrillResult result) => result.Outcome switch
    {
        DrillOutcome.NotHeld => $"The backup of {database} at {destination} could not be proven: {result.Sentence}",
        DrillOutcome.Failed => string.Join(' ', new[] { $"A drill of the backup of {database} at {destination} failed: {result.Sentence}", result.Details, result.StillRestorable }.Where(part => part is not null)),
        _ => $"The backup of {database} at {destination} was proven: {result.Sentence}",
    };
}
