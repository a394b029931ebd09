using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Datasette.Litestream.Logging;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// The databases to replicate and their destinations: plain data, made from Datasette's configuration without access to the
/// file system, and the same for both release lines of Litestream.
/// </summary>
/// <param name="Databases">The databases to replicate, each with at least one replica.</param>
/// <param name="Skipped">The databases that are attached or have settings, are not replicated and need not be, and why.</param>
/// <param name="Unreplicable">The attached databases that are configured to be replicated and cannot be, and why.</param>
/// <param name="Metrics">Where Litestream serves its metrics; null if it should not.</param>
/// <param name="Credentials">Where the credentials come from; null if the configuration does not set any.</param>
/// <param name="ShutdownTimeout">How long Litestream may take to end before it is killed.</param>
/// <param name="LogLevel">The log level of the plugin on standard error.</param>
/// <param name="HealthMaxLag">The lag above which health is bad; null if the health check is turned off.</param>
/// <param name="Secrets">Every secret value in the configuration, besides <paramref name="AccessKeyIds"/>.</param>
/// <param name="AccessKeyIds">Every access key id in the configuration.</param>
/// <param name="Warnings">Warnings for the person who wrote the configuration, one sentence each.</param>
internal sealed record ReplicationPlan(
    ImmutableArray<DatabasePlan> Databases,
    ImmutableArray<SkippedDatabase> Skipped,
    ImmutableArray<UnreplicableDatabase> Unreplicable,
    MetricsAddress? Metrics,
    CredentialSettings? Credentials,
    TimeSpan ShutdownTimeout,
    LogLevel LogLevel,
    TimeSpan? HealthMaxLag,
    ImmutableArray<string> Secrets,
    ImmutableArray<string> AccessKeyIds,
    ImmutableArray<string> Warnings)
{
    /// <summary>Where it is said how replication is.</summary>
    public NotificationSettings Notifications { get; init; } = new(null, null, TimeSpan.Zero);

    /// <summary>The settings for Litestream that hold for all databases, by their keys in the <see cref="SettingsTable"/>.</summary>
    public JsonObject Settings { get; init; } = [];

    /// <summary>Whether this Datasette says at its destinations that it writes there, so that no other one does at the same time.</summary>
    public bool HasWritersFile { get; init; } = true;

    /// <summary>Whether a database that is paused by hand leaves health as it is.</summary>
    public bool HealthIgnoresPaused { get; init; }

    /// <summary>Whether it says so in each destination at S3, instead of above them.</summary>
    public bool IsWritersFileInside { get; init; }

    /// <summary>Whether databases whose files are missing, or hold nothing, are restored at the start.</summary>
    public bool RestoresMissing { get; init; }

    /// <summary>How often Litestream is asked, for each database, whether its backup can be restored.</summary>
    public required TimeSpan CheckInterval { get; init; }

    /// <summary>The plan with what depends on the Litestream that runs.</summary>
    public ReplicationPlan For(ReleaseLine releaseLine) => releaseLine == ReleaseLine.V03
        ? this
        : this with { Databases = [.. Databases.Select(database => database.Replicas.Length < 2 ? database : database with { Mirrors = database.Replicas.Remove(database.Primary) })] };
}

/// <summary>One database and its replicas.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file, absolute with links resolved.</param>
/// <param name="ServedPath">Where Datasette opens it, absolute with links kept.</param>
/// <param name="Key">The key path of its own settings, whether or not they exist.</param>
/// <param name="Replicas">At least one.</param>
/// <param name="Settings">Its settings for Litestream, by their keys in the <see cref="SettingsTable"/>.</param>
/// <param name="MonitorInterval">How often Litestream checks for changes; null for its default.</param>
internal sealed record DatabasePlan(
    string Name,
    string Path,
    string ServedPath,
    string Key,
    ImmutableArray<ReplicaPlan> Replicas,
    JsonObject Settings,
    TimeSpan? MonitorInterval)
{
    /// <summary>Datasette's own name for its internal database, under which it lists it nowhere. No other database is replicated under it.</summary>
    public const string InternalName = "__INTERNAL__";

    /// <summary>
    /// Whether it is Datasette's internal database, which only those may see who may manage replication. One that is called
    /// <c>_internal</c> is not.
    /// </summary>
    public bool IsInternal => Name == InternalName;

    /// <summary>
    /// The replica that Litestream 0.5 writes, which has one: the first in a folder, since that is near and seldom fails, or else
    /// the first.
    /// </summary>
    public ReplicaPlan Primary => Replicas.FirstOrDefault(replica => replica.Type == "file") ?? Replicas[0];

    /// <summary>The replicas that the plugin keeps equal to the primary; none with Litestream 0.3, which writes all of them.</summary>
    public ImmutableArray<ReplicaPlan> Mirrors { get; init; } = [];

    /// <summary>How often its backups are to be proven; <see cref="Timeout.InfiniteTimeSpan"/> for never, null for the default.</summary>
    public TimeSpan? VerifyInterval { get; init; }

    /// <summary>How many databases were attached before it: 0 for those of the start. It tells a database from another one that had its name.</summary>
    public int Attachment { get; init; }

    /// <summary>The folder in which Litestream keeps its state, absolute; null for the one beside the database.</summary>
    public string? MetaPath => Settings[MetaPathKey]?.GetValue<string>();

    /// <summary>The key of <see cref="MetaPath"/>.</summary>
    public const string MetaPathKey = "meta-path";

    /// <summary>The same database with one of its replicas alone, for a Litestream that is to look at that one.</summary>
    public DatabasePlan At(ReplicaPlan replica) => this with { Replicas = [replica], Mirrors = [] };

    /// <summary>Whether Litestream replicates it to a folder, which this process can look into itself.</summary>
    public bool IsReplicatedToFolder => Replicas.Any(replica => replica.Type == "file");
}

/// <summary>A database that is attached or has settings, and is not replicated.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Reason">Why it is not replicated, in a few words.</param>
internal sealed record SkippedDatabase(string Name, string Reason)
{
    /// <summary>Whether it can be replicated by hand, and where.</summary>
    public Registration Registration { get; init; }
}

/// <summary>Whether a database that is not replicated can be replicated by hand.</summary>
internal enum Registration
{
    Impossible,

    /// <summary>To what the configuration names for it.</summary>
    ToConfigured,

    /// <summary>To what is named then.</summary>
    ToNamed,
}
