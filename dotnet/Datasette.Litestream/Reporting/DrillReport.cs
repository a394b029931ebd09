using System.Text.Json.Serialization;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>How far one destination of a database is proven. What it tells of a drill is of the last one, or of the failed one that no proof has followed.</summary>
/// <param name="State"><c>running</c>, <c>proven</c>, <c>proven_weakly</c>, <c>failed</c>, <c>not_held</c>, <c>due</c> (there was none yet) or <c>off</c>.</param>
/// <param name="At">When that drill began; null if there was none.</param>
/// <param name="Sentence">How it ended, in words; null if there was none.</param>
internal sealed record DrillReport(string State, DateTimeOffset? At, string? Sentence)
{
    /// <summary>When the last drill began that proved the backup; null if none did.</summary>
    public DateTimeOffset? ProvenAt { get; init; }

    /// <summary>Whether that one compared page by page; null if there is none.</summary>
    public bool? Strong { get; init; }

    /// <summary>The state that was restored, as Litestream names it. Like each figure, it is of the last drill that was held; null if there was none, or if it is not known.</summary>
    public string? RestoredState { get; init; }

    /// <summary>How old that state was when its restore began (RPO).</summary>
    public double? DataAgeSeconds { get; init; }

    /// <summary>How long the restore took (RTO).</summary>
    public double? RestoreSeconds { get; init; }

    /// <summary>How long SQLite's checks and the comparison took.</summary>
    public double? CheckSeconds { get; init; }

    /// <summary>The size of the restored file.</summary>
    public long? Bytes { get; init; }

    /// <summary>How many rows break a foreign key, in the live database as well as in its backup, at most 1,000.</summary>
    public int? ForeignKeyViolations { get; init; }

    /// <summary>When the drill began that failed, if no proof has followed it; null if none did.</summary>
    public DateTimeOffset? FailedAt { get; init; }

    /// <summary>After a drill that failed: what still can be restored, in a sentence; null if that is not known.</summary>
    public string? StillRestorable { get; init; }

    /// <summary>When the backup was made anew after it; null if it was not.</summary>
    public DateTimeOffset? RenewedAt { get; init; }

    /// <summary>When the next drill is due; null if none is.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>How often it is to be proven; null for never by itself.</summary>
    public double? IntervalSeconds { get; init; }

    /// <summary>What the drill under way does, in words; null if none is.</summary>
    public string? Progress { get; init; }

    /// <summary>Since when it runs; null if none does.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>Whether the drill that is told could not be held.</summary>
    [JsonIgnore]
    public bool IsNotHeld => State == DrillWording.Name(DrillOutcome.NotHeld);

    /// <summary>What is known of a destination.</summary>
    public static DrillReport Of(DrillStatus status)
    {
        var told = status.Failure ?? status.Last;
        var held = told is { Outcome: DrillOutcome.NotHeld } ? status.LastProof : told;
        var state = status.Progress is not null ? "running"
            : told is not null ? DrillWording.Name(told.Outcome)
            : status.Interval is null ? "off"
            : "due";
        return new DrillReport(state, told?.At, told?.Sentence)
        {
            ProvenAt = status.LastProof?.At,
            Strong = status.LastProof is { } proof ? proof.Outcome == DrillOutcome.Proven : null,
            RestoredState = held?.State,
            DataAgeSeconds = held?.DataAgeSeconds,
            RestoreSeconds = held?.RestoreSeconds,
            CheckSeconds = held?.CheckSeconds,
            Bytes = held?.Bytes,
            ForeignKeyViolations = held?.ForeignKeyViolations,
            FailedAt = status.Failure?.At,
            StillRestorable = told?.StillRestorable,
            RenewedAt = status.RenewedAt,
            DueAt = status.DueAt,
            IntervalSeconds = status.Interval?.TotalSeconds,
            Progress = status.Progress is { } progress ? DrillWording.Describe(progress) : null,
            RunningSince = status.RunningSince,
        };
    }

    /// <summary>The oldest of the last proofs of destinations; null if there are none, or one was never proven.</summary>
    public static DateTimeOffset? OldestProof(IEnumerable<DateTimeOffset?> proofs)
    {
        var all = proofs.ToList();
        return all.Contains(null) ? null : all.Min();
    }
}
