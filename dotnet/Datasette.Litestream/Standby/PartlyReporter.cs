using Datasette.Litestream.Observation;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream.Standby;

/// <summary>Tells of databases of which this process replicates some, and stands by for the others.</summary>
/// <param name="own">Tells of the ones that it replicates.</param>
/// <param name="others">Tells of the others.</param>
internal sealed class PartlyReporter(IReporter own, StandbyReporter others) : IReporter
{
    /// <inheritdoc/>
    public async Task<StatusReport> ReportAsync(StatusQuery query, bool mayManage = true)
    {
        var report = await own.ReportAsync(query, mayManage).ConfigureAwait(false);
        var isHealthy = (report.Healthy, others.IsHealthy()) switch
        {
            (false, _) or (_, false) => false,
            (true, true) => true,
            _ => (bool?)null,
        };
        return report with
        {
            Healthy = isHealthy,
            Headline = Sentence.Join(" ", [report.Headline, others.Summarize(mayManage)]),
            Skipped = [.. report.Skipped, .. others.List(mayManage)],
        };
    }

    /// <inheritdoc/>
    public async Task<DatabaseDetailReport?> ReportDatabaseAsync(string name, HistoryRange range, bool mayManage = true, string? at = null) =>
        await own.ReportDatabaseAsync(name, range, mayManage, at).ConfigureAwait(false) ?? await others.ReportDatabaseAsync(name, range, mayManage).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<DatabaseStateReport?> ReportDatabaseStateAsync(string name) =>
        await own.ReportDatabaseStateAsync(name).ConfigureAwait(false) ?? await others.ReportDatabaseStateAsync(name).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<HealthReport> ReportHealthAsync()
    {
        var (mine, theirs) = (await own.ReportHealthAsync().ConfigureAwait(false), await others.ReportHealthAsync().ConfigureAwait(false));
        return mine with
        {
            Healthy = mine.Healthy && theirs.Healthy,
            Line = mine.Healthy ? $"{(theirs.Healthy ? mine.Line : theirs.Line)}; {(theirs.Healthy ? theirs.Line : mine.Line)}" : $"{mine.Line}; {theirs.Line}",
        };
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DrilledDatabase>> ReportDrillsAsync(bool mayManage = true) =>
        [.. await own.ReportDrillsAsync(mayManage).ConfigureAwait(false), .. await others.ReportDrillsAsync(mayManage).ConfigureAwait(false)];

    /// <inheritdoc/>
    public async Task<string> WriteMetricsAsync(bool mayManage = true) =>
        await own.WriteMetricsAsync(mayManage).ConfigureAwait(false) + StandbyReporter.StandbyMetric(others.List(mayManage).Count);
}
