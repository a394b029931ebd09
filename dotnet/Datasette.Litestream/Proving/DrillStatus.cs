namespace Datasette.Litestream.Proving;

/// <summary>How far one destination of a database is proven. Immutable.</summary>
/// <param name="Interval">How often it is to be proven; null for never by itself.</param>
/// <param name="WantedSince">Since when a proof is wanted that there was not one of yet: when the drills of it began.</param>
internal sealed record DrillStatus(TimeSpan? Interval, DateTimeOffset WantedSince)
{
    /// <summary>How many intervals may pass without a proof before that is an error.</summary>
    public const int PatientIntervals = 3;

    /// <summary>So long a drill that is due may wait or last, however short the interval is.</summary>
    private static readonly TimeSpan MinPatience = TimeSpan.FromMinutes(5);

    /// <summary>The last drill; null before the first.</summary>
    public DrillResult? Last { get; init; }

    /// <summary>The last drill that proved the backup; null if none did.</summary>
    public DrillResult? LastProof { get; init; }

    /// <summary>The failed drill since which none has proven the backup; null if there is none.</summary>
    public DrillResult? Failure { get; init; }

    /// <summary>How many drills have failed since the last proof.</summary>
    public int Failures { get; init; }

    /// <summary>How often the backup was made anew since this process began.</summary>
    public int Renewals { get; init; }

    /// <summary>When the backup was made anew after that failure; null if it was not.</summary>
    public DateTimeOffset? RenewedAt { get; init; }

    /// <summary>When the next drill is due; null if none is: drills are turned off, or the first copy is not complete.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>How far the drill is that is under way; null if none is.</summary>
    public DrillProgress? Progress { get; init; }

    /// <summary>Since when the drill under way runs; null if none is.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>Since when nothing has been proven.</summary>
    public DateTimeOffset UnprovenSince => LastProof?.At ?? WantedSince;

    /// <summary>The same after one more drill.</summary>
    public DrillStatus With(DrillResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return result.Outcome switch
        {
            DrillOutcome.NotHeld => this with { Last = result },
            DrillOutcome.Failed when Failure?.At == result.At => this with { Last = result, Failure = result },
            DrillOutcome.Failed => this with { Last = result, Failure = result, Failures = Failures + 1, RenewedAt = null },
            _ => this with { Last = result, LastProof = result, Failure = null, Failures = 0, RenewedAt = null },
        };
    }

    /// <summary>The same after the backup was made anew; a drill is due by itself where none is known to have failed.</summary>
    /// <param name="now">The time.</param>
    public DrillStatus Renewed(DateTimeOffset now) => this with
    {
        WantedSince = now,
        Renewals = Renewals + 1,
        LastProof = null,
        RenewedAt = Failure is null ? null : now,
        DueAt = Failure is null ? null : Failures == 1 ? now : DueAt,
    };

    /// <summary>Whether the last drill could not be held, which is told as a warning.</summary>
    public bool IsNotHeld => Last is { Outcome: DrillOutcome.NotHeld };

    /// <summary>Whether drills could not be held, or one does not end, for so long that this is an error.</summary>
    public bool IsOverdue(DateTimeOffset now) => Interval is { } interval
        && ((IsNotHeld && now - UnprovenSince > PatientIntervals * interval) || now - DueAt > PatientIntervals * (interval < MinPatience ? MinPatience : interval));
}
