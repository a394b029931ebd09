using Datasette.Litestream.Configuration;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>A database with the drills of the last 90 days, as its log tells them.</summary>
/// <param name="Listing">What of it can be searched and sorted.</param>
/// <param name="Replicas">Each of its destinations.</param>
internal sealed record DrilledDatabase(DatabaseListing Listing, IReadOnlyList<DrilledReplica> Replicas)
{
    /// <summary>Reads the log of a database.</summary>
    /// <param name="plan">The database.</param>
    /// <param name="listing">What of it can be searched and sorted.</param>
    /// <param name="intervalOf">How often a destination is to be proven; null for never by itself, and if that is not known.</param>
    /// <param name="now">The time.</param>
    public static DrilledDatabase Read(DatabasePlan plan, DatabaseListing listing, Func<ReplicaPlan, TimeSpan?> intervalOf, DateTimeOffset now)
    {
        var log = DrillLog.Read(plan);
        return new DrilledDatabase(listing, [.. plan.Replicas.Select(replica =>
            new DrilledReplica(replica.Destination, intervalOf(replica), [.. log.Of(replica).Where(drill => now - drill.At < DrillLog.Kept)]))]);
    }
}

/// <summary>A destination with its drills.</summary>
/// <param name="Destination">The destination, without secrets.</param>
/// <param name="Interval">How often it is to be proven; null for never by itself, and if that is not known.</param>
/// <param name="Drills">Oldest first.</param>
internal sealed record DrilledReplica(string Destination, TimeSpan? Interval, IReadOnlyList<DrillResult> Drills)
{
    /// <summary>The last drill that proved the backup; null if none did.</summary>
    public DrillResult? LastProof => Drills.LastOrDefault(drill => drill.IsProof);

    /// <summary>Whether the last drill that was held failed.</summary>
    public bool IsFailed => Drills.LastOrDefault(drill => drill.Outcome != DrillOutcome.NotHeld) is { Outcome: DrillOutcome.Failed };

    /// <summary>Whether it was proven, and no drill has failed since.</summary>
    public bool IsProven => !IsFailed && LastProof is not null;

    /// <summary>The times between a proof and the next one, from the first drill on; the last one lasts until now.</summary>
    /// <param name="now">The time.</param>
    public IEnumerable<DrillGap> Gaps(DateTimeOffset now)
    {
        if (Drills.Count == 0)
        {
            yield break;
        }

        var from = Drills[0].At;
        foreach (var proof in Drills.Where(drill => drill.IsProof))
        {
            yield return new DrillGap(from, proof.At, proof.At - from);
            from = proof.At;
        }

        yield return new DrillGap(from, null, now - from);
    }

    /// <summary>The gaps that are longer than may pass without a proof, newest first.</summary>
    /// <param name="now">The time.</param>
    public IEnumerable<DrillGap> LongGaps(DateTimeOffset now) => Gaps(now).Where(gap => gap.Length > DrillStatus.PatientIntervals * Interval).Reverse();
}

/// <summary>A time without a proof.</summary>
/// <param name="From">The proof before it, or the first drill.</param>
/// <param name="To">The proof after it; null if it lasts.</param>
/// <param name="Length">How long it is, until now if it lasts.</param>
internal readonly record struct DrillGap(DateTimeOffset From, DateTimeOffset? To, TimeSpan Length);
