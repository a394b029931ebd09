using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts into words how far backups are proven.</summary>
internal static class ProofWording
{
    /// <summary>At most so many rows that break a foreign key are counted; see <see cref="DrillResult.ForeignKeyViolations"/>.</summary>
    private const int MaxViolations = 1000;

    /// <summary>What a drill proves, one sentence each.</summary>
    public static IReadOnlyList<string> Proves { get; } =
    [
        "In a drill the backup is restored from its destination by Litestream, as it would be in need, into a temporary folder that is deleted afterwards.",
        "Proven: SQLite's integrity check finds no fault in what was restored, and it is equal to the live database, page by page, at one and the same transaction.",
        "Proven weakly: SQLite's integrity check finds no fault, and schema and row counts are those that the live database had about then. It could not be compared page by page.",
    ];

    /// <summary>What a drill does not prove, one sentence each.</summary>
    public static IReadOnlyList<string> ProvesNot { get; } =
    [
        "It is held on this machine, with the credentials that are here: it says nothing of a day on which both are lost. Keep the credentials and the configuration elsewhere, too, and restore on another machine now and then.",
        "It proves the state that it restored, not each older one that the backup has.",
        "What somebody deletes or changes by mistake is equal in the backup: for that there are the older states.",
    ];

    /// <summary>An outcome as pages show it.</summary>
    /// <param name="outcome">As reports name it, see <see cref="DrillWording.Name"/>.</param>
    public static string Label(string outcome) => outcome.Replace('_', ' ');

    /// <summary>What was found when a backup was proven.</summary>
    /// <param name="isStrong">Whether it was compared page by page.</param>
    public static string How(bool isStrong) => isStrong
        ? "equal to the live database, page by page"
        : "the weaker proof: whole, with the schema and the row counts that the live database had about then";

    /// <summary>The drill that failed, and what still can be restored.</summary>
    public static string Failure(DrillReport drill) => $"The drill of {Wording.Exact(drill.FailedAt!.Value)} failed. {drill.Sentence} {drill.StillRestorable}".TrimEnd();

    /// <summary>That the backup was made anew after the drill that failed.</summary>
    public static string Renewed(DrillReport drill) =>
        $"{Failure(drill)} The backup was made anew at {Wording.Exact(drill.RenewedAt!.Value)}, and is not proven again yet.";

    /// <summary>The drill that could not be held.</summary>
    public static string NotHeld(DrillReport drill) => $"The drill of {Wording.Exact(drill.At!.Value)} could not be held. {drill.Sentence}";

    /// <summary>How many rows break a foreign key.</summary>
    public static string ForeignKeys(int rows) =>
        $"{(rows >= MaxViolations ? $"{Wording.Count(rows)} rows or more break one" : rows == 1 ? "1 row breaks one" : $"{Wording.Count(rows)} rows break one")}, in the live database as in its backup";

    /// <summary>When all of some databases were last proven, or how many are not, as a clause that follows others; empty if drills are turned off, or it is not known.</summary>
    public static string Proof(IReadOnlyList<DatabaseObservation> databases, DateTimeOffset now)
    {
        var isKnown = true;
        var (wanted, unproven) = (0, 0);
        var oldest = now;
        foreach (var database in databases)
        {
            var drills = database.AllDestinations.Select(destination => destination.Drill).ToList();
            isKnown &= !drills.Contains(null);
            var expected = drills.OfType<DrillStatus>().Where(drill => drill.Interval is not null).ToList();
            wanted += expected.Count;
            if (expected.Exists(drill => drill.LastProof is null || drill.Failure is not null))
            {
                unproven++;
            }
            else if (expected.Min(drill => drill.LastProof?.At) is { } at && at < oldest)
            {
                oldest = at;
            }
        }

        return !isKnown || wanted == 0 ? ""
            : unproven > 0 && databases.Count == 1 ? "; backup not proven yet"
            : unproven > 0 ? $"; the backup of {Wording.Databases(unproven)} is not proven yet"
            : wanted == 1 ? $"; backup proven {Wording.Ago(oldest, now)}"
            : $"; every backup proven in the last {Within(now - oldest)}";
    }

    /// <summary>Whether backups are tested, in a sentence.</summary>
    public static string Summarize(List<DrilledReplica> backups, DateTimeOffset now)
    {
        var counts = DrillCountReport.Of(backups.SelectMany(backup => backup.Drills));
        var proven = backups.Where(backup => backup.IsProven).ToList();
        var days = $"{DrillLog.Kept.TotalDays} days";
        return backups.Count == 0 ? "No database is replicated."
            : counts.Total == 0 ? $"No drill was held in {days}: whether {(backups.Count == 1 ? "the backup" : $"the {Wording.Count(backups.Count)} backups")} can be relied on was not tested."
            : (proven.Count == 0 ? $"{(backups.Count == 1 ? "The backup is not" : $"None of {Backups(backups.Count)} is")} proven" : $"{Wording.Count(proven.Count)} of {Backups(backups.Count)} {(proven.Count == 1 ? "was" : "were")} proven in the last {Period(now - proven.Min(backup => backup.LastProof!.At))}")
                + $"; {Drills(counts.Total)} in {days}: {Outcomes(counts)}.";
    }

    /// <summary>Such as <c>1,080 drills</c>.</summary>
    public static string Drills(int count) => count == 1 ? "1 drill" : $"{Wording.Count(count)} drills";

    /// <summary>Such as <c>1,078 proven (3 of them weakly), 2 not held, none failed</c>.</summary>
    public static string Outcomes(DrillCountReport counts) => counts.Total == 0 ? "none yet"
        : $"{Wording.Count(counts.Proven + counts.ProvenWeakly)} proven{(counts.ProvenWeakly > 0 ? $" ({Wording.Count(counts.ProvenWeakly)} of them weakly)" : "")}"
            + $"{(counts.NotHeld > 0 ? $", {Wording.Count(counts.NotHeld)} not held" : "")}, {(counts.Failed > 0 ? Wording.Count(counts.Failed) : "none")} failed";

    /// <summary>A time without a proof that was too long.</summary>
    public static string Gap(DrillGapReport gap) =>
        $"No proof from {Wording.Exact(gap.From)} {(gap.To is { } to ? $"to {Wording.Exact(to)}" : "until now")}: {Wording.Duration(gap.Seconds)}.";

    private static string Backups(int count) => count == 1 ? "1 backup" : $"{Wording.Count(count)} backups";

    private static string Period(TimeSpan time) => time <= TimeSpan.FromDays(1) ? "day" : Wording.Duration(time);

    /// <summary>A time since something, such as <c>3 h 20 min</c>.</summary>
    private static string Within(TimeSpan time) => Wording.Duration(time < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : time);
}
