using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// What is to be replicated where: plain data, made from Datasette's configuration without touching the file system, and
/// the same for both release lines of Litestream.
/// </summary>
/// <param name="Databases">The databases to replicate, each with at least one replica.</param>
/// <param name="Skipped">The attached databases that are not replicated, and why.</param>
/// <param name="Metrics">Where Litestream is to serve its metrics; null for nowhere.</param>
/// <param name="Credentials">Null where the configuration says nothing of credentials.</param>
/// <param name="ShutdownTimeout">How long Litestream may take to end before it is killed.</param>
/// <param name="LogLevel">How much the plugin says on standard error.</param>
/// <param name="HealthMaxLag">The lag from which on health is bad; null where health is not told.</param>
/// <param name="Secrets">Every secret value in the configuration.</param>
/// <param name="Warnings">What the person who configured it should know, one sentence each.</param>
internal sealed record ReplicationPlan(
    ImmutableArray<DatabasePlan> Databases,
    ImmutableArray<SkippedDatabase> Skipped,
    MetricsAddress? Metrics,
    CredentialSettings? Credentials,
    TimeSpan ShutdownTimeout,
    LogLevel LogLevel,
    TimeSpan? HealthMaxLag,
    ImmutableArray<string> Secrets,
    ImmutableArray<string> Warnings);

/// <summary>One database and its replicas.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file, absolute.</param>
/// <param name="Key">The key path of its own settings, there or not.</param>
/// <param name="Replicas">At least one.</param>
/// <param name="Settings">Litestream's settings of it, by their keys in the <see cref="SettingsTable"/>.</param>
/// <param name="MonitorInterval">How often Litestream looks for changes; null for its default.</param>
internal sealed record DatabasePlan(
    string Name,
    string Path,
    string Key,
    ImmutableArray<ReplicaPlan> Replicas,
    JsonObject Settings,
    TimeSpan? MonitorInterval);

/// <summary>An attached database that is not replicated.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Reason">Why, in a few words.</param>
internal sealed record SkippedDatabase(string Name, string Reason);
