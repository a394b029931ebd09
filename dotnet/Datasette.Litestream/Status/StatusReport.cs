using System.Text.Json.Serialization;

namespace Datasette.Litestream.Status;

/// <summary>What the status page shows, and <c>/-/litestream-status.json</c> tells. No secret is in it.</summary>
/// <param name="State"><c>running</c>, <c>starting</c>, <c>waiting</c> (for the next start), <c>stopping</c>, <c>stopped</c> or <c>idle</c> (nothing to replicate).</param>
/// <param name="Summary">The state in one sentence.</param>
/// <param name="Litestream">The process.</param>
/// <param name="Credentials">Where S3 credentials come from; null where the configuration says nothing of them.</param>
/// <param name="Databases">Every database that is to be replicated.</param>
/// <param name="PassedOver">Every attached database that is not, and why.</param>
/// <param name="Warnings">One sentence each.</param>
/// <param name="Configuration">litestream.yml as Litestream got it, secrets masked.</param>
/// <param name="Log">The last 500 lines of Litestream's log, oldest first.</param>
/// <param name="Metrics">Litestream's metrics; null where <c>metrics-addr</c> is not set.</param>
internal sealed record StatusReport(
    string State,
    string Summary,
    LitestreamReport Litestream,
    CredentialReport? Credentials,
    IReadOnlyList<DatabaseReport> Databases,
    IReadOnlyList<PassedOverReport> PassedOver,
    IReadOnlyList<string> Warnings,
    string Configuration,
    IReadOnlyList<LogReport> Log,
    MetricsReport? Metrics);

/// <param name="Version">Such as <c>0.5.16</c>.</param>
/// <param name="Binary">Its path.</param>
/// <param name="Origin">How it was found.</param>
/// <param name="ProcessId">Null while it does not run.</param>
/// <param name="StartedAt">Null while it does not run.</param>
/// <param name="UptimeSeconds">Null while it does not run.</param>
/// <param name="Failures">How often it ended by itself or had to be killed, since Datasette's start.</param>
/// <param name="LastFailure">What happened the last time.</param>
/// <param name="LastFailureAt">When.</param>
/// <param name="NextStartAt">When it is started again; null while it runs.</param>
internal sealed record LitestreamReport(
    string Version,
    string Binary,
    string Origin,
    int? ProcessId,
    DateTimeOffset? StartedAt,
    double? UptimeSeconds,
    int Failures,
    string? LastFailure,
    DateTimeOffset? LastFailureAt,
    DateTimeOffset? NextStartAt);

/// <param name="Source">Such as <c>the file /run/keys.json</c>.</param>
/// <param name="ReadAt">When they were last read.</param>
/// <param name="ChangedAt">When they last changed; null for never.</param>
/// <param name="Failure">Why the last refresh failed; null where it did not.</param>
internal sealed record CredentialReport(string Source, DateTimeOffset ReadAt, DateTimeOffset? ChangedAt, string? Failure);

/// <param name="Name">Datasette's name.</param>
/// <param name="Path">Its file.</param>
/// <param name="Destinations">Where it is replicated to.</param>
/// <param name="State"><c>replicating</c>, <c>failing</c>, <c>starting</c> (nothing is at the replica yet), <c>stopped</c> or <c>unknown</c>.</param>
/// <param name="Error">Litestream's last error since the last sync; null for none.</param>
/// <param name="Txid">The last transaction that Litestream has taken; null where it cannot be told.</param>
/// <param name="LastSyncAt">When the replica was last brought up to date; null where it cannot be told.</param>
internal sealed record DatabaseReport(
    string Name,
    string Path,
    IReadOnlyList<string> Destinations,
    string State,
    string? Error,
    ulong? Txid,
    DateTimeOffset? LastSyncAt);

/// <param name="Name">Datasette's name.</param>
/// <param name="Reason">Why it is not replicated.</param>
internal sealed record PassedOverReport(string Name, string Reason);

/// <param name="Time">When.</param>
/// <param name="Level">INFO, WARN, ERROR or DEBUG.</param>
/// <param name="Message">What happened.</param>
/// <param name="Details">The rest, as <c>key=value</c>.</param>
internal sealed record LogReport(DateTimeOffset Time, string Level, string Message, string Details);

/// <param name="Address">Where they were read.</param>
/// <param name="Error">Why they could not be; null where they could.</param>
/// <param name="Databases">By Datasette's name: values by the metric's name without <c>litestream_</c>.</param>
/// <param name="Operations">What was done at the replicas, in all.</param>
internal sealed record MetricsReport(
    string Address,
    string? Error,
    IReadOnlyDictionary<string, IReadOnlyDictionary<string, double>> Databases,
    IReadOnlyList<OperationReport> Operations);

/// <param name="ReplicaType">Such as <c>s3</c>.</param>
/// <param name="Operation">Such as <c>PUT</c>.</param>
/// <param name="Count">How often.</param>
/// <param name="Bytes">How many bytes; null where Litestream does not count them.</param>
internal sealed record OperationReport(string ReplicaType, string Operation, double Count, double? Bytes);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class StatusJson : JsonSerializerContext;
