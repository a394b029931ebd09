using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Observation;

/// <summary>
/// The state of one Datasette's replication at one moment, as the <see cref="Replicator"/> publishes it. Any thread may read
/// it.
/// </summary>
/// <param name="Plan">What is replicated where.</param>
/// <param name="Binary">The Litestream binary in use.</param>
/// <param name="Document">The content of litestream.yml, including its secrets.</param>
/// <param name="Warnings">Warnings for the person who wrote the configuration, one sentence each.</param>
/// <param name="Daemon">The status of the Litestream process; null if there is nothing to replicate.</param>
/// <param name="Credentials">The status of the credentials; null if the configuration does not set any.</param>
/// <param name="LogEntries">The last lines of Litestream's log, oldest first, without secrets.</param>
/// <param name="LogStatistics">The figures from Litestream's log, by database.</param>
/// <param name="Redactor">Removes secrets from the words of others.</param>
internal sealed record ReplicationSnapshot(
    ReplicationPlan Plan,
    LitestreamBinary Binary,
    JsonObject Document,
    IReadOnlyList<string> Warnings,
    DaemonStatus? Daemon,
    CredentialStatus? Credentials,
    IReadOnlyList<LogEntry> LogEntries,
    LogStatistics LogStatistics,
    Redactor Redactor)
{
    /// <summary>The databases that Litestream runs without, by their files' paths.</summary>
    public ImmutableDictionary<string, HeldOutDatabase> HeldOut => Daemon?.HeldOut ?? ImmutableDictionary<string, HeldOutDatabase>.Empty;

    /// <summary>The databases that are being replicated anew after a fault, by name.</summary>
    public ImmutableDictionary<string, Renewal> Renewals { get; init; } = ImmutableDictionary<string, Renewal>.Empty;

    /// <summary>The destinations that this Datasette may not write to, by the identities of their replicas.</summary>
    public ImmutableDictionary<string, ClaimStatus> Forbidden { get; init; } = ImmutableDictionary<string, ClaimStatus>.Empty;

    /// <summary>The databases that Datasette does not serve any more, and that are still replicated, by name.</summary>
    public ImmutableDictionary<string, Detaching> Detaching { get; init; } = ImmutableDictionary<string, Detaching>.Empty;

    /// <summary>Where Datasette serves its databases now, by name: under the name of one that is being detached it may serve another file already.</summary>
    public ImmutableDictionary<string, string> ServedPaths { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Where Datasette serves a database now; where it is to be served if it is not.</summary>
    public string ServedPath(DatabasePlan database) => ServedPaths.GetValueOrDefault(database.Name, database.ServedPath);

    /// <summary>The names of the databases that were just attached, of which Litestream has not been told yet.</summary>
    public ImmutableHashSet<string> Attaching { get; init; } = [];

    /// <summary>Why Litestream cannot work beside some databases, a sentence each, by name.</summary>
    public ImmutableDictionary<string, string> Unusable { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>How far each destination is proven.</summary>
    public ImmutableDictionary<DrillKey, DrillStatus> Drills { get; init; } = ImmutableDictionary<DrillKey, DrillStatus>.Empty;

    /// <summary>The databases that are held back, or of which it is not known yet whether they are, by name.</summary>
    public ImmutableDictionary<string, PendingAdmission> Admissions { get; init; } = ImmutableDictionary<string, PendingAdmission>.Empty;

    /// <summary>Other Litestreams that have the replicated databases open.</summary>
    public IReadOnlyList<OtherLitestream> OtherLitestreams { get; init; } = [];

    /// <summary>How the mirrors stand.</summary>
    public ImmutableDictionary<MirrorKey, MirrorStatus> Mirrors { get; init; } = ImmutableDictionary<MirrorKey, MirrorStatus>.Empty;

    /// <summary>The first destinations that are being filled from another one, before Litestream starts on them, by the names of their databases.</summary>
    public ImmutableDictionary<string, PrimaryFill> Fills { get; init; } = ImmutableDictionary<string, PrimaryFill>.Empty;

    /// <summary>What was done by hand, and what of it holds.</summary>
    public ManualState Manual { get; init; } = new();

    /// <summary>Datasette's working directory, absolute.</summary>
    public string WorkingDirectory { get; init; } = "/";

    /// <inheritdoc cref="DatasetteConfiguration.StartOptions"/>
    public IReadOnlyList<string[]>? StartOptions { get; init; }

    // The ToString that the compiler generates would print the document, including its secrets.
    public override string ToString() => nameof(ReplicationSnapshot);
}
