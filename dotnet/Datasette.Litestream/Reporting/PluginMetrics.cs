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
        foreach (var database in observation.IsOutdated(now) ? [] : observation.Databases)
        {
            var name = database.Plan.Name;
            Set(healthy, name, Wording.IsHealthy(database.State) switch { true => 1, false => 0, null => null });
            Set(until, name, (database.Evidence.ReplicatedUntil - DateTimeOffset.UnixEpoch)?.TotalSeconds);
            errors.WithLabels(name).IncTo(database.SyncErrors);
            Set(lag, name, database.Lag?.TotalSeconds);
            Set(txid, name, database.Evidence.TakenTxid);
            Set(lastSync, name, (database.LastSyncAt - DateTimeOffset.UnixEpoch)?.TotalSeconds);
        }

        using var text = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(text).ConfigureAwait(false);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static void Set(Gauge gauge, string database, double? value)
    {
        if (value is { } known)
        {
            gauge.WithLabels(database).Set(known);
        }
    }
}
