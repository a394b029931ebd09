using System.Globalization;
using System.Text;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>What <c>docs/alerts.yml</c> makes of the plugin's metrics if they stay the same; Prometheus' own tool evaluates the rules.</summary>
[TestClass]
public sealed class AlertSpecs
{
    [TestMethod]
    public async Task What_is_safe_alerts_nobody() => await AssertAlertsAsync(120, Observations.Database("parks"));

    [TestMethod]
    public async Task Litestream_0_3_tells_too_little_for_a_false_alert()
    {
        var database = Observations.Database("parks", DatabaseState.Unverified, lag: null);
        await AssertAlertsAsync(
            120, database with { Reason = StateReason.NotKnownToBeBehind, LastSyncAt = null, Evidence = new Evidence(null, null, null, null, null, null) });
    }

    [TestMethod]
    [DataRow(45, "")]
    [DataRow(75, "LitestreamNeverSynced")]
    public async Task A_first_copy_may_take_an_hour(int minutes, string alerts)
    {
        var database = Observations.Database("parks", DatabaseState.Starting, lag: 3600);
        await AssertAlertsAsync(minutes, [database with { LastSyncAt = null }], alerts);
    }

    [TestMethod]
    [DataRow(DatabaseState.Failing, 0.0, "LitestreamDatabaseNotSafe")]
    [DataRow(DatabaseState.Unknown, 120.0, "LitestreamReplicaBehind")]
    [DataRow(DatabaseState.Behind, 120.0, "LitestreamDatabaseNotSafe LitestreamReplicaBehind")]
    public async Task What_is_not_safe_alerts_somebody(object state, double lag, string alerts) =>
        await AssertAlertsAsync(5, [Observations.Database("parks", (DatabaseState)state, lag), Observations.Database("trees")], alerts);

    [TestMethod]
    public async Task Databases_that_are_not_looked_at_alert_somebody() =>
        await AssertAlertsAsync(5, [Observations.Database("parks")], "LitestreamNotLookedAt", isLookedAt: false);

    [TestMethod]
    [DataRow(71.0, "")]
    [DataRow(73.0, "LitestreamNotProven")]
    public async Task A_backup_that_was_not_proven_for_three_intervals_alerts_somebody(double hours, string alerts) =>
        await AssertAlertsAsync(5, [Observations.Database("parks").Drilled(Observations.Proven(hours))], alerts);

    [TestMethod]
    public async Task A_drill_that_failed_alerts_somebody()
    {
        var failure = Observations.Drill(1, DrillOutcome.Failed);
        await AssertAlertsAsync(5, [Observations.Database("parks").Drilled(Observations.Proven(24) with { Last = failure, Failure = failure })], "LitestreamDrillFailed");
    }

    private static Task AssertAlertsAsync(int minutes, DatabaseObservation database) => AssertAlertsAsync(minutes, [database], "");

    private static async Task AssertAlertsAsync(int minutes, DatabaseObservation[] databases, string alerts, bool isLookedAt = true)
    {
        var now = Observations.Now;
        var metrics = await PluginMetrics.WriteAsync(
            new DaemonStatus(DaemonState.Running), null, new ObservedDatabases(isLookedAt ? now : now.AddMinutes(-1), databases), now);
        var test = new StringBuilder($"""
            rule_files: ['{RepositoryRoot.Find("docs/alerts.yml")}']
            evaluation_interval: 1m
            tests:
              - interval: 1m
                input_series:

            """);
        foreach (var line in metrics.Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            var (series, value) = (line[..line.LastIndexOf(' ')], line[(line.LastIndexOf(' ') + 1)..]);

            // promtool counts time from 0.
            var values = series.StartsWith("datasette_litestream_drill_success", StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture, $"{double.Parse(value, CultureInfo.InvariantCulture) - now.ToUnixTimeSeconds()}+0x{minutes}")
                : !series.StartsWith("datasette_litestream_observed", StringComparison.Ordinal) ? $"{value}x{minutes}"
                : isLookedAt ? $"0+60x{minutes}" : $"0x{minutes}";
            test.Append(CultureInfo.InvariantCulture, $"      - {{series: '{series}', values: '{values}'}}\n");
        }

        test.Append(CultureInfo.InvariantCulture, $$"""
                promql_expr_test:
                  - expr: count by (alertname) (ALERTS{alertstate="firing"})
                    eval_time: {{minutes}}m
                    exp_samples: [{{string.Join(", ", alerts.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(name => $"{{labels: '{{alertname=\"{name}\"}}', value: 1}}"))}}]

            """);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["test.yml"], test.ToString());
        using var promtool = new StartedChild(Programs.Require("promtool"), ["test", "rules", folder["test.yml"]]);
        var exit = await promtool.EndsAsync();
        Assert.AreEqual(0, exit.Code, $"{promtool.Output}{promtool.Errors}\n{test}");
    }
}
