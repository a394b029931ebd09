using System.Text;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Prometheus;

namespace Datasette.Litestream.Reporting;

/// <summary>The plugin's own metrics.</summary>
internal static class PluginMetrics
{
    private const string Prefix = "datasette_litestream_";
    private const string DatabaseLabel = "database";

    private static readonly string[] ReplicaLabels = [DatabaseLabel, "replica"];

    /// <summary>All metrics as Prometheus' text exposition, without the unknown ones.</summary>
    /// <param name="daemon">The status of Litestream; null if there is nothing to replicate.</param>
    /// <param name="credentials">The status of the credentials; null if the configuration does not set any.</param>
    /// <param name="observation">The databases.</param>
    /// <param name="now">The time: nothing is known of databases that were not looked at for too long.</param>
    public static async Task<string> WriteAsync(DaemonStatus? daemon, CredentialStatus? credentials, ObservedDatabases observation, DateTimeOffset now)
    {
        // The values come from state that is kept elsewhere, so each scrape builds a new registry.
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var factory = Prometheus.Metrics.WithCustomRegistry(registry);
        factory.CreateGauge($"{Prefix}up", "Whether Litestream is running.").Set(daemon?.State == DaemonState.Running ? 1 : 0);

        var restarts = factory.CreateCounter($"{Prefix}daemon_restarts_total", "Restarts of Litestream.", "reason");
        foreach (var reason in Enum.GetValues<RestartReason>())
        {
            restarts.WithLabels(Wording.Name(reason)).IncTo(daemon?.RestartCounts.GetValueOrDefault(reason) ?? 0);
        }

        if (credentials is not null)
        {
            var refreshes = factory.CreateCounter($"{Prefix}credential_refreshes_total", "Times that credentials were read again.", "result");
            refreshes.WithLabels("unchanged").IncTo(credentials.Unchanged);
            refreshes.WithLabels("changed").IncTo(credentials.Changed);
            refreshes.WithLabels("failed").IncTo(credentials.Failed);
        }

        factory.CreateGauge($"{Prefix}observed_timestamp_seconds", "When the databases were last looked at, in Unix time.")
            .Set((observation.At - DateTimeOffset.UnixEpoch).TotalSeconds);
        var healthy = factory.CreateGauge(
            $"{Prefix}database_healthy", "Whether a database is replicated and nothing is known to be wrong with its backup; absent if that is not known.", DatabaseLabel);
        var lag = factory.CreateGauge(
            $"{Prefix}database_replica_lag_seconds", "How long the oldest change that is not at the replica has waited.", DatabaseLabel);
        var txid = factory.CreateGauge($"{Prefix}database_txid", "The last transaction that Litestream has synced.", DatabaseLabel);
        var lastSync = factory.CreateGauge(
            $"{Prefix}last_sync_timestamp_seconds", "When the replica was last known to have every change, in Unix time.", DatabaseLabel);
        var errors = factory.CreateCounter($"{Prefix}sync_errors_total", "Errors that Litestream logged for a database.", DatabaseLabel);
        var until = factory.CreateGauge(
            $"{Prefix}database_replicated_until_timestamp_seconds", "Everything written before this time is at the replica, in Unix time.", DatabaseLabel);
        var replicas = new ReplicaGauges(factory);
        var drills = new DrillGauges(factory);
        foreach (var database in observation.IsOutdated(now) ? [] : observation.Databases)
        {
            var name = database.Plan.Name;
            Set(healthy, name, Wording.IsHealthy(database.State) switch { true => 1, false => 0, null => null });
            Set(until, name, (database.Evidence.ReplicatedUntil - DateTimeOffset.UnixEpoch)?.TotalSeconds);
            errors.WithLabels(name).IncTo(database.SyncErrors);
            Set(lag, name, database.Lag?.TotalSeconds);
            Set(txid, name, database.Evidence.TakenTxid);
            Set(lastSync, name, (database.LastSyncAt - DateTimeOffset.UnixEpoch)?.TotalSeconds);
            foreach (var destination in database.Destinations)
            {
                replicas.Set(name, destination);
            }

            foreach (var destination in database.AllDestinations)
            {
                drills.Set(name, destination);
            }
        }

        using var text = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(text).ConfigureAwait(false);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static void Set(Gauge gauge, string database, double? value) => Set(gauge, [database], value);

    private static void Set(Gauge gauge, string[] labels, double? value)
    {
        if (value is { } known)
        {
            gauge.WithLabels(labels).Set(known);
        }
    }

    /// <summary>The metrics of each destination of the databases that have mirrors.</summary>
    private sealed class ReplicaGauges(MetricFactory factory)
    {
        private readonly Gauge _healthy = factory.CreateGauge(
            $"{Prefix}replica_healthy", "Whether a destination is kept and nothing is known to be wrong with it; absent if that is not known.", ReplicaLabels);

        private readonly Gauge _lag = factory.CreateGauge(
            $"{Prefix}replica_lag_seconds", "How long the oldest change that is not at a destination has waited.", ReplicaLabels);

        private readonly Gauge _until = factory.CreateGauge(
            $"{Prefix}replica_replicated_until_timestamp_seconds", "Everything written before this time is at a destination, in Unix time.", ReplicaLabels);

        private readonly Gauge _txid = factory.CreateGauge($"{Prefix}replica_txid", "The last transaction at a destination.", ReplicaLabels);

        private readonly Gauge _bytes = factory.CreateGauge(
            $"{Prefix}replica_size_bytes", "The size of everything at a destination when it was last listed.", ReplicaLabels);

        public void Set(string database, DestinationObservation destination)
        {
            string[] labels = [database, destination.Replica.Destination];
            PluginMetrics.Set(_healthy, labels, Wording.IsHealthy(destination.State) switch { true => 1, false => 0, null => null });
            PluginMetrics.Set(_lag, labels, destination.Evidence.Lag?.TotalSeconds);
            PluginMetrics.Set(_until, labels, (destination.Evidence.ReplicatedUntil - DateTimeOffset.UnixEpoch)?.TotalSeconds);
            PluginMetrics.Set(_txid, labels, destination.Evidence.ReplicatedTxid);
            PluginMetrics.Set(_bytes, labels, destination.Bytes);
        }
    }

    /// <summary>The metrics of the drills of each destination; see <see cref="DrillReport"/>.</summary>
    private sealed class DrillGauges(MetricFactory factory)
    {
        private readonly Gauge _success = factory.CreateGauge(
            $"{Prefix}drill_success_timestamp_seconds", "When the last drill began that proved a backup, in Unix time.", ReplicaLabels);

        private readonly Gauge _strong = factory.CreateGauge(
            $"{Prefix}drill_strong", "Whether that drill compared the backup with the live database page by page.", ReplicaLabels);

        private readonly Gauge _failed = factory.CreateGauge(
            $"{Prefix}drill_failed", "Whether a drill failed and none has proven the backup since; absent before the first drill.", ReplicaLabels);

        private readonly Gauge _interval = factory.CreateGauge(
            $"{Prefix}drill_interval_seconds", "How often a backup is to be proven; absent if drills are turned off.", ReplicaLabels);

        private readonly Gauge _restore = factory.CreateGauge($"{Prefix}drill_restore_seconds", "How long the restore of the last drill took.", ReplicaLabels);

        private readonly Gauge _check = factory.CreateGauge($"{Prefix}drill_check_seconds", "How long the checks of the last drill took.", ReplicaLabels);

        private readonly Gauge _bytes = factory.CreateGauge($"{Prefix}drill_bytes", "The size of the file that the last drill restored.", ReplicaLabels);

        private readonly Gauge _age = factory.CreateGauge(
            $"{Prefix}drill_data_age_seconds", "How old the state was that the last drill restored, when its restore began.", ReplicaLabels);

        public void Set(string database, DestinationObservation destination)
        {
            if (destination.Drill is not { } status)
            {
                return;
            }

            string[] labels = [database, destination.Replica.Destination];
            var drill = DrillReport.Of(status);
            PluginMetrics.Set(_success, labels, (drill.ProvenAt - DateTimeOffset.UnixEpoch)?.TotalSeconds);
            PluginMetrics.Set(_strong, labels, drill.Strong switch { true => 1, false => 0, null => null });
            PluginMetrics.Set(_failed, labels, drill.FailedAt is not null ? 1 : drill.At is not null ? 0 : null);
            PluginMetrics.Set(_interval, labels, drill.IntervalSeconds);
            PluginMetrics.Set(_restore, labels, drill.RestoreSeconds);
            PluginMetrics.Set(_check, labels, drill.CheckSeconds);
            PluginMetrics.Set(_bytes, labels, drill.Bytes);
            PluginMetrics.Set(_age, labels, drill.DataAgeSeconds);
        }
    }
}
