using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream.Standby;

/// <summary>
/// Tells of the databases for which this process stands by what those tell that replicate them. What they have not told for 15 s is
/// not known. Any thread may use it.
/// </summary>
/// <param name="databases">The databases for which this process stands by, now.</param>
/// <param name="plan">The whole plan, now.</param>
/// <param name="warnings">What else there is to say, now; one sentence each.</param>
/// <param name="time">The clock.</param>
internal sealed class StandbyReporter(Func<IReadOnlyList<DatabasePlan>> databases, Func<ReplicationPlan> plan, Func<IReadOnlyList<string>> warnings, TimeProvider time) : IReporter
{
    /// <summary>How old a report may be.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);

    private const string State = "standby";

    /// <summary>How many points of a history a minute has.</summary>
    private const int PointsPerMinute = 6;

    private readonly DateTimeOffset _start = time.GetUtcNow();
    private readonly StandbyView _view = new();

    /// <inheritdoc/>
    public Task<StatusReport> ReportAsync(StatusQuery query, bool mayManage = true)
    {
        var (now, (standing, discretion)) = (time.GetUtcNow(), Look(mayManage));
        var all = standing.Select(one => Report(one, now)).ToList();
        var matching = query.Select(all, Listed);
        var pages = Math.Max(1, (matching.Count + query.PageSize - 1) / query.PageSize);
        var page = Math.Clamp(query.Page, 1, pages);
        var replicating = By(standing);
        var reports = replicating.Select(by => by.Report).OfType<HolderReport>().ToList();
        return Task.FromResult(new StatusReport(
            State,
            IsHealthy(standing, now),
            Summarize(standing, discretion, now),
            reports.Select(report => report.WrongSince).Concat(replicating.Where(by => !IsFresh(by, now)).Select(by => (DateTimeOffset?)LastAt(by))).Min(),
            reports.Select(report => (DateTimeOffset?)report.UpdatedAt).Min() ?? _start,
            now,
            reports.FirstOrDefault() is { } first ? discretion.Show(first.Litestream) : new LitestreamReport("", "", "", null, null, null, 0, null, null, null, []),
            reports.FirstOrDefault()?.Credentials,
            CountReport.Of(all.Select(StateOf)),
            page,
            pages,
            query.PageSize,
            matching.Count,
            query.Search ?? "",
            query.Order,
            query.Descending,
            [.. matching.Skip((page - 1) * query.PageSize).Take(query.PageSize)],
            [.. plan().Skipped.Select(database => new SkippedReport(database.Name, database.Reason))],
            [.. warnings().Concat(plan().Warnings).Concat(reports.SelectMany(report => report.Warnings)).Where(discretion.Allows).Distinct()],
            "",
            [.. (reports.FirstOrDefault()?.Log ?? []).Where(discretion.Allows)],
            Show(reports.FirstOrDefault()?.LitestreamMetrics, discretion))
        {
            ProvenAt = DrillReport.OldestProof(all.SelectMany(database => database.Replicas.Select(replica => replica.Drill?.ProvenAt).DefaultIfEmpty())),
            Deeds = [.. reports.SelectMany(report => report.Deeds).Where(deed => discretion.Allows(deed.Database))],
        });
    }

    /// <inheritdoc/>
    /// <remarks>How to restore it tells who replicates it.</remarks>
    public Task<DatabaseDetailReport?> ReportDatabaseAsync(string name, HistoryRange range, bool mayManage = true, string? at = null)
    {
        var now = time.GetUtcNow();
        var (all, discretion) = Look(mayManage);
        if (all.FirstOrDefault(one => one.Plan.Name == name) is not { } standing)
        {
            return Task.FromResult<DatabaseDetailReport?>(null);
        }

        var report = Report(standing, now);
        var (file, holder) = (Path.GetFileName(standing.Plan.Path), standing.By.Report);
        return Task.FromResult<DatabaseDetailReport?>(new DatabaseDetailReport(
            report with { Sparklines = null },
            $"{Subject(standing.By)} {report.Reason.Sentence}",
            Wording.IsHealthy(StateOf(report)),
            report.Replicas.FirstOrDefault(replica => replica.Writer != "plugin")?.RestoreCommand ?? "",
            LitestreamVersion.Parse(holder?.Litestream.Version ?? "")?.ReleaseLine is { } releaseLine ? RestoreWording.Note(releaseLine) : null,
            History(report.Sparklines, holder?.UpdatedAt ?? now),
            [.. (holder?.Log ?? []).Where(line => line.Details.Contains(file, StringComparison.Ordinal) && discretion.Allows(line))],
            holder?.UpdatedAt ?? _start,
            now)
        {
            Deeds = [.. (holder?.Deeds ?? []).Where(deed => deed.Database == name)],
        });
    }

    /// <inheritdoc/>
    public Task<DatabaseStateReport?> ReportDatabaseStateAsync(string name)
    {
        var now = time.GetUtcNow();
        return Task.FromResult(Look(mayManage: false).Standing.FirstOrDefault(one => one.Plan.Name == name) is { } standing && Report(standing, now) is var report
            ? new DatabaseStateReport(report.State, report.Since, report.LagSeconds, $"{report.State}; {standing.By.Holder} replicates. {report.Reason.Sentence}")
            : null);
    }

    /// <inheritdoc/>
    public Task<HealthReport> ReportHealthAsync()
    {
        if (plan().HealthMaxLag is null)
        {
            return Task.FromResult(new HealthReport(false, true, ""));
        }

        var (now, standing) = (time.GetUtcNow(), Look(mayManage: true).Standing);
        var each = By(standing).Select(by => Judge(by, standing.Where(one => one.By == by), now)).ToList();
        return Task.FromResult(new HealthReport(true, each.All(one => one.Healthy), string.Join("; ", each.OrderBy(one => one.Healthy).Select(one => one.Line))));
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<DrilledDatabase>> ReportDrillsAsync(bool mayManage = true)
    {
        var now = time.GetUtcNow();
        return Task.FromResult<IReadOnlyList<DrilledDatabase>>(
        [
            .. Look(mayManage).Standing.Select(one =>
            {
                var report = Report(one, now);
                return DrilledDatabase.Read(one.Plan, Listed(report), replica => IntervalOf(report, replica), now);
            }),
        ]);
    }

    /// <inheritdoc/>
    public Task<string> WriteMetricsAsync(bool mayManage = true)
    {
        var (now, (standing, discretion)) = (time.GetUtcNow(), Look(mayManage));
        var names = standing.Select(one => one.Report?.Name).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var text = new StringBuilder();
        foreach (var report in By(standing).Where(by => IsFresh(by, now)).Select(by => by.Report!))
        {
            foreach (var line in report.Metrics.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !IsOfAnother(line, names) && discretion.Allows(line)))
            {
                text.Append(line).Append('\n');
            }
        }

        return Task.FromResult(text.Append(StandbyMetric(standing.Count)).ToString());
    }

    /// <summary>How many databases another process replicates, as a metric.</summary>
    public static string StandbyMetric(int count) =>
        "# HELP datasette_litestream_standby_databases Databases for which this process stands by, since another one replicates them.\n"
        + "# TYPE datasette_litestream_standby_databases gauge\n"
        + $"datasette_litestream_standby_databases {count}\n";

    /// <summary>Who replicates, and how that goes, in a sentence for each.</summary>
    /// <param name="mayManage">See <see cref="IReporter"/>.</param>
    public Sentence Summarize(bool mayManage)
    {
        var (standing, discretion) = Look(mayManage);
        return Summarize(standing, discretion, time.GetUtcNow());
    }

    /// <summary>For each database, who replicates it and how that goes, in a sentence.</summary>
    /// <param name="mayManage">See <see cref="IReporter"/>.</param>
    public IReadOnlyList<SkippedReport> List(bool mayManage)
    {
        var now = time.GetUtcNow();
        return [.. Look(mayManage).Standing.Select(one => new SkippedReport(one.Plan.Name, $"stands by; {one.By.Holder} replicates. {Report(one, now).Reason.Sentence}"))];
    }

    /// <summary>Whether everything is safe; null if that is not known.</summary>
    public bool? IsHealthy() => IsHealthy(Look(mayManage: true).Standing, time.GetUtcNow());

    private (IReadOnlyList<StandbyDatabase> Standing, Discretion Discretion) Look(bool mayManage)
    {
        var all = _view.Look(databases());
        var hidden = Discretion.TextsOf(all.Select(one => one.Plan)).Concat(Discretion.TextsOf(By(all).SelectMany(by => by.Report?.Databases ?? [])));
        var discretion = new Discretion(hidden, mayManage);
        return (mayManage ? all : [.. all.Where(one => discretion.Allows(one.Plan))], discretion);
    }

    private static MetricsReport? Show(MetricsReport? metrics, Discretion discretion) =>
        metrics is null ? null : metrics with { Databases = metrics.Databases.Where(database => discretion.Allows(database.Key)).ToDictionary(StringComparer.Ordinal) };

    private static List<Replicating> By(IReadOnlyList<StandbyDatabase> standing) => [.. standing.Select(one => one.By).Distinct()];

    private static bool IsFresh(Replicating by, DateTimeOffset now) => by.Report is { } report && (now - report.At).Duration() <= MaxAge;

    private DateTimeOffset LastAt(Replicating by) => by.Report?.At > _start ? by.Report.At : _start;

    private bool? IsHealthy(IReadOnlyList<StandbyDatabase> standing, DateTimeOffset now)
    {
        var each = standing.Select(one => Wording.IsHealthy(StateOf(Report(one, now))))
            .Concat(By(standing).Select(by => IsFresh(by, now) ? by.Report!.Healthy : now - LastAt(by) > MaxAge ? false : null)).ToList();
        return each.Contains(false) ? false : each.Contains(null) ? null : true;
    }

    private HealthReport Judge(Replicating by, IEnumerable<StandbyDatabase> of, DateTimeOffset now)
    {
        var (last, told) = (LastAt(by), of.All(one => one.Report is not null));
        return IsFresh(by, now) && told
            ? new HealthReport(
                true,
                by.Report!.Health is { Enabled: true, Healthy: true } || (by.Report.Health is { Enabled: false } && by.Report.Healthy == true),
                $"{(by.Report.Health.Enabled ? by.Report.Health.Line : by.Report.Healthy == true ? "ok" : "bad")} (stands by; {by.Holder} replicates)")
            : now - last <= MaxAge
                ? new HealthReport(true, true, $"starting: stands by; {by.Holder} replicates, and has not reported yet")
                : new HealthReport(true, false, $"bad: stands by; {by.Holder} replicates, and has not reported since {Wording.Clock(last, now)}");
    }

    private static Sentence Subject(Replicating by) => $"This Datasette stands by; {by.Holder.ToString()} replicates.";

    private Sentence Summarize(IReadOnlyList<StandbyDatabase> standing, Discretion discretion, DateTimeOffset now) => Sentence.Join(
        " ",
        By(standing).Select(by => Sentence.Of(
            $"{Subject(by)} {(IsFresh(by, now) ? discretion.Show(by.Report!.Summary)! : Silence(by, now))}")));

    private string Silence(Replicating by, DateTimeOffset now) => now - LastAt(by) > MaxAge
        ? $"It has not reported since {Wording.Clock(LastAt(by), now)}, so whether anything is safe is not known."
        : "It has not reported yet.";

    /// <summary>The last report of a database under this Datasette's name, or what is known without one.</summary>
    private DatabaseReport Report(StandbyDatabase standing, DateTimeOffset now)
    {
        var (database, by) = (standing.Plan, standing.By);
        if (standing.Report is { } report && IsFresh(by, now))
        {
            return report with { Name = database.Name, Path = database.Path };
        }

        var last = LastAt(by);
        var isLate = now - last > MaxAge;
        var reason = new ReasonReport(
            isLate ? "no_report" : "starting", Silence(by, now), null, isLate ? $"See what {by.Holder} does, and end it if it hangs: then this one replicates." : null,
            null, null, null, null, standing.Report?.Reason.ReplicatedUntil, null, null);
        return new DatabaseReport(
            database.Name,
            database.Path,
            [.. database.Replicas.Select(replica => replica.Destination)],
            [],
            Wording.Name(isLate ? DatabaseState.Unknown : DatabaseState.Starting),
            last,
            null,
            null,
            null,
            null,
            standing.Report?.LastSyncAt,
            null,
            null,
            0,
            0,
            reason,
            [],
            null);
    }

    private static TimeSpan? IntervalOf(DatabaseReport report, ReplicaPlan replica) =>
        report.Replicas.FirstOrDefault(one => one.Destination == replica.Destination)?.Drill?.IntervalSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    private static DatabaseState StateOf(DatabaseReport report) =>
        Enum.TryParse<DatabaseState>(report.State, ignoreCase: true, out var state) ? state : DatabaseState.Unknown;

    private static DatabaseListing Listed(DatabaseReport report) => new(
        report.Name,
        report.Path,
        report.Destinations,
        StateOf(report),
        report.LagSeconds is { } lag ? TimeSpan.FromSeconds(lag) : null,
        report.LastSyncAt,
        report.DatabaseBytes);

    /// <summary>The last hour, of which a report has one point a minute.</summary>
    private static HistoryReport History(SparklineReport? minutes, DateTimeOffset at)
    {
        var range = HistoryRange.Hour;
        var (lag, bytes) = (new float?[range.Length], new float?[range.Length]);
        for (var i = 0; minutes is not null && i < range.Length; i++)
        {
            lag[i] = minutes.Lag[i / PointsPerMinute];
            bytes[i] = minutes.Bytes[i / PointsPerMinute] / PointsPerMinute;
        }

        var none = new float?[range.Length];
        return new HistoryReport(
            range.Name, range.Interval.TotalSeconds, range.EndOf(range.IndexOf(at)), lag, bytes, new ulong?[range.Length], new ulong?[range.Length], none, none, none);
    }

    private static bool IsOfAnother(string metric, HashSet<string> names)
    {
        const string label = "database=\"";
        var start = metric.IndexOf(label, StringComparison.Ordinal);
        return start >= 0 && !names.Any(name => metric.AsSpan(start + label.Length).StartsWith($"{name}\"", StringComparison.Ordinal));
    }
}
