using System.Text.Json.Serialization;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream.Standby;

/// <summary>
/// What the process that replicates leaves for those that stand by: the state of all of its databases, and the answers that do not
/// depend on a query. It contains no secret.
/// </summary>
/// <param name="At">When it was made.</param>
/// <param name="Folder">The folder in which the process sees the folder of the report, so that paths can be compared.</param>
/// <param name="Health">What health checks are told.</param>
/// <param name="Healthy">See <see cref="StatusReport.Healthy"/>.</param>
/// <param name="Summary">See <see cref="StatusReport.Summary"/>.</param>
/// <param name="WrongSince">See <see cref="StatusReport.WrongSince"/>.</param>
/// <param name="UpdatedAt">See <see cref="StatusReport.UpdatedAt"/>.</param>
/// <param name="Litestream">See <see cref="StatusReport.Litestream"/>.</param>
/// <param name="Credentials">See <see cref="StatusReport.Credentials"/>.</param>
/// <param name="Databases">All of them.</param>
/// <param name="Warnings">See <see cref="StatusReport.Warnings"/>.</param>
/// <param name="Log">See <see cref="StatusReport.Log"/>.</param>
/// <param name="LitestreamMetrics">See <see cref="StatusReport.Metrics"/>.</param>
/// <param name="Deeds">See <see cref="StatusReport.Deeds"/>.</param>
/// <param name="Metrics">All metrics as Prometheus' text exposition.</param>
internal sealed record HolderReport(
    DateTimeOffset At,
    string Folder,
    HealthReport Health,
    bool? Healthy,
    string Summary,
    DateTimeOffset? WrongSince,
    DateTimeOffset UpdatedAt,
    LitestreamReport Litestream,
    CredentialReport? Credentials,
    IReadOnlyList<DatabaseReport> Databases,
    IReadOnlyList<string> Warnings,
    IReadOnlyList<LogReport> Log,
    MetricsReport? LitestreamMetrics,
    IReadOnlyList<DeedReport> Deeds,
    string Metrics)
{
    /// <summary>Makes one.</summary>
    /// <param name="reporter">Knows the state.</param>
    /// <param name="reportFolder">The folder in which it will lie.</param>
    public static async Task<HolderReport> MakeAsync(IReporter reporter, string reportFolder)
    {
        var status = await reporter.ReportAsync(StatusQuery.All).ConfigureAwait(false);
        return new HolderReport(
            status.Now,
            Path.GetDirectoryName(reportFolder)!,
            await reporter.ReportHealthAsync().ConfigureAwait(false),
            status.Healthy,
            status.Summary,
            status.WrongSince,
            status.UpdatedAt,
            status.Litestream,
            status.Credentials,
            status.Databases,
            status.Warnings,
            status.Log,
            status.Metrics,
            status.Deeds,
            await reporter.WriteMetricsAsync().ConfigureAwait(false));
    }
}

[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(HolderReport))]
internal sealed partial class HolderJson : JsonSerializerContext;
