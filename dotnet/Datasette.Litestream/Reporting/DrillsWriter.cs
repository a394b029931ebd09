using System.Globalization;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>Converts the report of the drills to the texts that the page shows.</summary>
internal static class DrillsWriter
{
    /// <summary>Of so many backups a page has each drill, unless those of one database are asked for.</summary>
    private const int MaxDetailed = 10;

    /// <summary>The shortest time that is drawn over the whole width, in days.</summary>
    private const int MinChartDays = 12;

    /// <summary>The minimum height of the scale of restore times, in seconds, so that negligible ones look flat.</summary>
    private const float MinRestoreScale = 1;

    /// <summary>The page.</summary>
    public static DrillsText Write(DrillsReport report)
    {
        var query = report.Query;
        var link = query.Link;
        var isChosen = !string.IsNullOrEmpty(query.Database);
        var backups = report.Databases.SelectMany(database => database.Replicas.Select(replica => (database.Name, Replica: replica))).ToList();
        return new DrillsText(
            "drills",
            link.Length > 1 ? link : "",
            report.Summary,
            report.Healthy switch { true => "true", false => "false", null => "" },
            ProofWording.Proves,
            ProofWording.ProvesNot,
            isChosen ? null : PageWriter.WriteSearch(query, report.Matching),
            isChosen ? (query with { Database = null }).Link : null,
            ["Database", "Replicated to", "Last proof", "Drills", "Longest time without a proof", "Restored in", "Size"],
            [.. backups.Select(backup => Write(backup.Name, backup.Replica, report.Now))],
            ["Began", "Outcome", "Found", "Restored state", "Data was", "Restored in", "Checked in", "Size"],
            isChosen || backups.Count <= MaxDetailed ? [.. backups.Select((backup, i) => WriteDetails(backup.Name, backup.Replica, i, isChosen || backups.Count == 1, report.Now))] : [],
            PageWriter.WritePages(query, report.Page, report.Pages, report.Matching));
    }

    private static DrilledText Write(string name, DrilledReplicaReport replica, DateTimeOffset now) => new(
        name,
        new StatusQuery(Database: name).Link,
        replica.Destination,
        MomentText.Ago(replica.ProvenAt, now),
        ProofWording.Outcomes(replica.Counts),
        Wording.Duration(replica.LongestGapSeconds),
        [.. replica.Gaps.Select(ProofWording.Gap)],
        replica.MedianRestoreSeconds is null ? Wording.Unknown : $"{Wording.Duration(replica.MedianRestoreSeconds)}, at most {Wording.Duration(replica.MaxRestoreSeconds)}",
        Wording.Size(replica.Bytes));

    private static DrillDetailsText WriteDetails(string name, DrilledReplicaReport replica, int index, bool isOpen, DateTimeOffset now)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"drills-{index}");
        return new DrillDetailsText(
            id,
            $"{name} at {replica.Destination}: {ProofWording.Drills(replica.Counts.Total)}",
            isOpen,
            replica.Drills.Count == 0 ? [] : WriteCharts(id, replica.Drills, now),
            [.. replica.Drills.Select(drill => Write(drill, now))]);
    }

    private static DrillRowText Write(DrillResultReport drill, DateTimeOffset now) => new(
        new MomentText(MomentText.ForHtml(drill.At), Wording.Ago(drill.At, now), Wording.Exact(drill.At)),
        drill.Outcome,
        ProofWording.Label(drill.Outcome),
        string.Join(' ', new[] { drill.Sentence, drill.StillRestorable, drill.ForeignKeyViolations is > 0 and { } rows ? $"Foreign keys: {ProofWording.ForeignKeys(rows)}." : null }.OfType<string>()),
        drill.RestoredState ?? Wording.Unknown,
        drill.DataAgeSeconds is { } age ? $"{Wording.Duration(age)} old" : Wording.Unknown,
        Wording.Duration(drill.RestoreSeconds),
        Wording.Duration(drill.CheckSeconds),
        Wording.Size(drill.Bytes));

    /// <summary>The longest restore and the largest file of each day, since the first drill.</summary>
    private static ChartText[] WriteCharts(string id, IReadOnlyList<DrillResultReport> drills, DateTimeOffset now)
    {
        var today = now.UtcDateTime.Date;
        var days = Math.Clamp((today - drills[^1].At.UtcDateTime.Date).Days + 1, MinChartDays, (int)DrillLog.Kept.TotalDays);
        var (seconds, bytes) = (new float?[days], new float?[days]);
        foreach (var drill in drills)
        {
            var day = days - 1 - (today - drill.At.UtcDateTime.Date).Days;
            if (day >= 0 && day < days)
            {
                seconds[day] = Larger(seconds[day], drill.RestoreSeconds);
                bytes[day] = Larger(bytes[day], drill.Bytes);
            }
        }

        var axis = new ChartAxis(days, TimeSpan.FromDays(1), new DateTimeOffset(today, TimeSpan.Zero));
        var (longest, largest) = (Drawing.Highest(seconds), Drawing.Highest(bytes));
        return
        [
            ChartWriter.Write(
                $"{id}-restore", "Restore time", $"Longest restore of each day: at most {Wording.Duration(longest)}", axis, [("", seconds)], Drawing.Line,
                Math.Max(longest, MinRestoreScale), Drawing.StepOfSeconds, value => Wording.Duration(value)),
            ChartWriter.Write(
                $"{id}-size", "Size of the restored database", $"Largest restored file of each day: at most {Wording.Size(largest)}", axis, [("", bytes)], Drawing.Line,
                Math.Max(largest, Drawing.MinBytesScale), Drawing.StepOfBytes, Wording.Size),
        ];

        static float? Larger(float? one, double? other) => other is { } value && !(one >= value) ? (float)value : one;
    }
}
