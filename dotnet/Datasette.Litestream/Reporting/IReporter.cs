using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// Tells how the databases of one Datasette are replicated, by whichever process. <c>mayManage</c> is whether the one who asks may manage
/// replication; see <see cref="Discretion"/>.
/// </summary>
internal interface IReporter
{
    /// <summary>Reports the state of all databases, and one page of them.</summary>
    Task<StatusReport> ReportAsync(StatusQuery query, bool mayManage = true);

    /// <summary>
    /// Reports one database in full, with what restores it to a time, as somebody wrote that, or null for the newest state; null if it is not replicated.
    /// </summary>
    Task<DatabaseDetailReport?> ReportDatabaseAsync(string name, HistoryRange range, bool mayManage = true, string? at = null);

    /// <summary>Reports one database in a line; null if it is not replicated.</summary>
    Task<DatabaseStateReport?> ReportDatabaseStateAsync(string name);

    /// <summary>Reports whether everything is replicated in time, for health checks.</summary>
    Task<HealthReport> ReportHealthAsync();

    /// <summary>Reads the drills of all databases.</summary>
    Task<IReadOnlyList<DrilledDatabase>> ReportDrillsAsync(bool mayManage = true);

    /// <summary>All metrics as Prometheus' text exposition.</summary>
    Task<string> WriteMetricsAsync(bool mayManage = true);
}
