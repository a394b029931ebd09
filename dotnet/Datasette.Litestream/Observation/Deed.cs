namespace Datasette.Litestream.Observation;

/// <summary>Something that was done by hand.</summary>
/// <param name="At">When it was asked for.</param>
/// <param name="Actor">The id of Datasette's actor.</param>
/// <param name="Action">What was asked for.</param>
/// <param name="Database">Datasette's name of the database; null if it concerns Litestream.</param>
/// <param name="Failure">Why it was not achieved, in a sentence; null if it was.</param>
internal sealed record Deed(DateTimeOffset At, string Actor, ManualAction Action, string? Database, string? Failure = null)
{
    /// <summary>What was downloaded; null if nothing was.</summary>
    public DownloadedState? Downloaded { get; init; }
}
