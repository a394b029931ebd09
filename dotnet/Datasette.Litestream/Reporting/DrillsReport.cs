using System.Text.Json.Serialization;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>The content of <c>/-/litestream/drills.json</c>: the drills of the last 90 days. It contains no secret.</summary>
/// <param name="Query">What was asked for.</param>
/// <param name="Now">The time of the report.</param>
/// <param name="Summary">Whether the backups are tested, in a sentence.</param>
/// <param name="Backups">How many there are: a destination of a database is one. This and what follows is of all databases that match.</param>
/// <param name="Proven">How many of them were proven in the 90 days, and have not failed since.</param>
/// <param name="Counts">The drills of all of them.</param>
/// <param name="Page">The number of this page, starting at 1.</param>
/// <param name="Pages">The number of pages.</param>
/// <param name="Size">Databases per page.</param>
/// <param name="Matching">How many databases match the search.</param>
/// <param name="Databases">The databases of this page.</param>
internal sealed record DrillsReport(
    [property: JsonIgnore] StatusQuery Query,
    DateTimeOffset Now,
    string Summary,
    int Backups,
    int Proven,
    DrillCountReport Counts,
    int Page,
    int Pages,
    int Size,
    int Matching,
    IReadOnlyList<DrilledDatabaseReport> Databases)
{
    /// <summary>Whether every backup is proven; false if the last drill of one failed, null if one is not proven yet.</summary>
    public bool? Healthy { get; init; }

    /// <summary>The same as the page shows it.</summary>
    [JsonIgnore]
    public DrillsText Text => DrillsWriter.Write(this);

    /// <summary>A page of databases with their drills.</summary>
    /// <param name="databases">All that may be seen.</param>
    /// <param name="query">Which of them.</param>
    /// <param name="now">The time.</param>
    public static DrillsReport Of(IEnumerable<DrilledDatabase> databases, StatusQuery query, DateTimeOffset now)
    {
        var named = string.IsNullOrEmpty(query.Database) ? databases : databases.Where(database => database.Listing.Name == query.Database);
        var matching = query.Select(named, database => database.Listing);
        var backups = matching.SelectMany(database => database.Replicas).ToList();
        var pages = Math.Max(1, (matching.Count + query.PageSize - 1) / query.PageSize);
        var page = Math.Clamp(query.Page, 1, pages);
        return new DrillsReport(
            query with { Page = page },
            now,
            ProofWording.Summarize(backups, now),
            backups.Count,
            backups.Count(backup => backup.IsProven),
            DrillCountReport.Of(backups.SelectMany(backup => backup.Drills)),
            page,
            pages,
            query.PageSize,
            matching.Count,
            [
                .. matching.Skip((page - 1) * query.PageSize).Take(query.PageSize).Select(database =>
                    new DrilledDatabaseReport(database.Listing.Name, [.. database.Replicas.Select(replica => DrilledReplicaReport.Of(replica, now))])),
            ])
        {
            Healthy = backups.Exists(backup => backup.IsFailed) ? false : backups.Count > 0 && backups.TrueForAll(backup => backup.IsProven) ? true : null,
        };
    }
}

/// <summary>How many drills ended in which way.</summary>
internal sealed record DrillCountReport(int Total, int Proven, int ProvenWeakly, int Failed, int NotHeld)
{
    /// <summary>Counts drills.</summary>
    public static DrillCountReport Of(IEnumerable<DrillResult> drills)
    {
        var counts = new int[Enum.GetValues<DrillOutcome>().Length];
        foreach (var drill in drills)
        {
            counts[(int)drill.Outcome]++;
        }

        return new DrillCountReport(
            counts.Sum(), counts[(int)DrillOutcome.Proven], counts[(int)DrillOutcome.ProvenWeakly], counts[(int)DrillOutcome.Failed], counts[(int)DrillOutcome.NotHeld]);
    }
}

/// <param name="Name">Datasette's name.</param>
/// <param name="Replicas">Each destination.</param>
internal sealed record DrilledDatabaseReport(string Name, IReadOnlyList<DrilledReplicaReport> Replicas);

/// <param name="Destination">The destination, without secrets.</param>
/// <param name="Counts">How its drills ended.</param>
/// <param name="ProvenAt">When the last drill began that proved it; null if none did.</param>
/// <param name="IntervalSeconds">How often it is to be proven; null for never by itself, and if that is not known.</param>
/// <param name="LongestGapSeconds">The longest time without a proof since the first drill; null if there was none.</param>
/// <param name="Gaps">The times without a proof that were longer than three intervals, newest first.</param>
/// <param name="MedianRestoreSeconds">How long half of the restores took at most; null if there was none.</param>
/// <param name="MaxRestoreSeconds">How long the longest restore took; null if there was none.</param>
/// <param name="Bytes">The size of the file that was restored last; null if none was.</param>
/// <param name="Drills">Newest first.</param>
internal sealed record DrilledReplicaReport(
    string Destination,
    DrillCountReport Counts,
    DateTimeOffset? ProvenAt,
    double? IntervalSeconds,
    double? LongestGapSeconds,
    IReadOnlyList<DrillGapReport> Gaps,
    double? MedianRestoreSeconds,
    double? MaxRestoreSeconds,
    long? Bytes,
    IReadOnlyList<DrillResultReport> Drills)
{
    /// <summary>What is known of a destination.</summary>
    public static DrilledReplicaReport Of(DrilledReplica replica, DateTimeOffset now)
    {
        var restores = replica.Drills.Select(drill => drill.RestoreSeconds).OfType<double>().Order().ToList();
        return new DrilledReplicaReport(
            replica.Destination,
            DrillCountReport.Of(replica.Drills),
            replica.LastProof?.At,
            replica.Interval?.TotalSeconds,
            replica.Gaps(now).Select(gap => (double?)gap.Length.TotalSeconds).Max(),
            [.. replica.LongGaps(now).Select(gap => new DrillGapReport(gap.From, gap.To, gap.Length.TotalSeconds))],
            restores.Count > 0 ? restores[(restores.Count - 1) / 2] : null,
            restores.Count > 0 ? restores[^1] : null,
            replica.Drills.LastOrDefault(drill => drill.Bytes is not null)?.Bytes,
            [.. replica.Drills.Select(DrillResultReport.Of).Reverse()]);
    }
}

/// <param name="From">The proof before it, or the first drill.</param>
/// <param name="To">The proof after it; null if it lasts.</param>
/// <param name="Seconds">How long it is, until now if it lasts.</param>
internal sealed record DrillGapReport(DateTimeOffset From, DateTimeOffset? To, double Seconds);

/// <summary>How one drill ended; see <see cref="DrillResult"/>.</summary>
/// <param name="At">When it began.</param>
/// <param name="Outcome"><c>proven</c>, <c>proven_weakly</c>, <c>failed</c> or <c>not_held</c>.</param>
/// <param name="Sentence">The same in words.</param>
/// <param name="RestoredState">The state that was restored, as Litestream names it; null if none was.</param>
/// <param name="DataAgeSeconds">How old that was when its restore began (RPO); null if that is not known.</param>
/// <param name="RestoreSeconds">How long the restore took (RTO); null if there was none.</param>
/// <param name="CheckSeconds">How long SQLite's checks and the comparison took; null if there were none.</param>
/// <param name="Bytes">The size of the restored file; null if there is none.</param>
/// <param name="ForeignKeyViolations">How many rows break a foreign key, in the live database as well as in its backup, at most 1,000; null if that was not found out.</param>
/// <param name="StillRestorable">After a drill that failed: what still can be restored, in a sentence; null if that was not looked for.</param>
internal sealed record DrillResultReport(
    DateTimeOffset At,
    string Outcome,
    string Sentence,
    string? RestoredState,
    double? DataAgeSeconds,
    double? RestoreSeconds,
    double? CheckSeconds,
    long? Bytes,
    int? ForeignKeyViolations,
    string? StillRestorable)
{
    public static DrillResultReport Of(DrillResult drill) => new(
        drill.At, DrillWording.Name(drill.Outcome), drill.Sentence, drill.State, drill.DataAgeSeconds, drill.RestoreSeconds, drill.CheckSeconds, drill.Bytes, drill.ForeignKeyViolations, drill.StillRestorable);
}
