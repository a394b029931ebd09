using System.Text.Json.Serialization;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// What <c>/-/litestream-status.json</c> tells: figures, and <see cref="Text"/>, which is all that the page gets. No secret is
/// in it.
/// </summary>
/// <param name="State"><c>running</c>, <c>starting</c>, <c>waiting</c> (for the next start), <c>stopping</c>, <c>stopped</c> or <c>idle</c> (nothing to replicate).</param>
/// <param name="Healthy">Whether every database is replicated, or will be for the first time in a moment.</param>
/// <param name="Summary">The state in one sentence; what is wrong, and since when.</param>
/// <param name="WrongSince">Since when something has been wrong; null where nothing is.</param>
/// <param name="UpdatedAt">When the databases were looked at.</param>
/// <param name="Now">When this was reported.</param>
/// <param name="Litestream">The process.</param>
/// <param name="Credentials">Where S3 credentials come from; null where the configuration says nothing of them.</param>
/// <param name="Counts">How many databases stand how.</param>
/// <param name="Page">Which page this is, from 1.</param>
/// <param name="Pages">How many there are.</param>
/// <param name="Size">Databases a page.</param>
/// <param name="Matching">How many databases match the search.</param>
/// <param name="Search">What was searched for; empty for nothing.</param>
/// <param name="Sort">The order.</param>
/// <param name="Descending">Whether it is the other way round.</param>
/// <param name="Databases">The databases of this page.</param>
/// <param name="Skipped">Every attached database that is not replicated, and why.</param>
/// <param name="Warnings">One sentence each.</param>
/// <param name="Configuration">litestream.yml as Litestream got it, of this page's databases, secrets masked.</param>
/// <param name="Log">The last 100 lines of Litestream's log, oldest first.</param>
/// <param name="Metrics">Litestream's metrics; null where <c>metrics-addr</c> is not set.</param>
internal sealed record StatusReport(
    string State,
    bool Healthy,
    string Summary,
    DateTimeOffset? WrongSince,
    DateTimeOffset UpdatedAt,
    DateTimeOffset Now,
    LitestreamReport Litestream,
    CredentialReport? Credentials,
    CountReport Counts,
    int Page,
    int Pages,
    int Size,
    int Matching,
    string Search,
    string Sort,
    bool Descending,
    IReadOnlyList<DatabaseReport> Databases,
    IReadOnlyList<SkippedReport> Skipped,
    IReadOnlyList<string> Warnings,
    string Configuration,
    IReadOnlyList<LogReport> Log,
    MetricsReport? Metrics)
{
    /// <summary>The same as the page shows it.</summary>
    public OverviewText Text => PageWriter.Write(this);
}

/// <param name="Version">Such as <c>0.5.17</c>.</param>
/// <param name="Binary">Its path.</param>
/// <param name="Origin">How it was found.</param>
/// <param name="ProcessId">Null while it does not run.</param>
/// <param name="StartedAt">Null while it does not run.</param>
/// <param name="UptimeSeconds">Null while it does not run.</param>
/// <param name="Failures">How often it ended by itself or had to be killed, since Datasette's start.</param>
/// <param name="LastFailure">What happened the last time.</param>
/// <param name="LastFailureAt">When.</param>
/// <param name="NextStartAt">When it is started again; null while it runs.</param>
/// <param name="Restarts">The last 20 restarts, newest first.</param>
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
    DateTimeOffset? NextStartAt,
    IReadOnlyList<RestartReport> Restarts);

/// <param name="At">When Litestream ended.</param>
/// <param name="Reason"><c>crash</c>, <c>unresponsive</c>, <c>failed start</c> or <c>credentials</c>.</param>
/// <param name="Message">What happened, in words.</param>
internal sealed record RestartReport(DateTimeOffset At, string Reason, string Message);

/// <param name="Source">Such as <c>the file /run/keys.json</c>.</param>
/// <param name="ReadAt">When they were last read.</param>
/// <param name="ChangedAt">When they last changed; null for never.</param>
/// <param name="Failure">Why the last refresh failed; null where it did not.</param>
internal sealed record CredentialReport(string Source, DateTimeOffset ReadAt, DateTimeOffset? ChangedAt, string? Failure);

/// <summary>How many databases stand how; see <see cref="DatabaseReport.State"/>.</summary>
internal sealed record CountReport(int Total, int Replicating, int Starting, int Behind, int Failing, int Stopped, int Unknown);

/// <param name="Name">Datasette's name.</param>
/// <param name="Path">Its file.</param>
/// <param name="Destinations">Where it is replicated to.</param>
/// <param name="State"><c>replicating</c>, <c>starting</c> (nothing is at the replica yet), <c>behind</c>, <c>failing</c>, <c>stopped</c> or <c>unknown</c>.</param>
/// <param name="Since">Since when it has stood so.</param>
/// <param name="Error">Litestream's last error since the last sync; null for none.</param>
/// <param name="Txid">The last transaction that Litestream has taken; null for unknown.</param>
/// <param name="ReplicaTxid">The last transaction at the replica; null for unknown.</param>
/// <param name="LagSeconds">How long the oldest change that is not at the replica has waited; 0 for none, null for unknown.</param>
/// <param name="LastSyncAt">When the replica was last known to have all; null for unknown.</param>
/// <param name="DatabaseBytes">The size of the file; null where there is none.</param>
/// <param name="WalBytes">The size of the write-ahead log; null where there is none.</param>
/// <param name="UploadedBytes">What went to the replica since Datasette's start.</param>
/// <param name="SyncErrors">How many errors Litestream logged since Datasette's start.</param>
/// <param name="Reason">Why it is in its state.</param>
/// <param name="Sparklines">The last hour; left out where a history is given.</param>
internal sealed record DatabaseReport(
    string Name,
    string Path,
    IReadOnlyList<string> Destinations,
    string State,
    DateTimeOffset Since,
    string? Error,
    ulong? Txid,
    ulong? ReplicaTxid,
    double? LagSeconds,
    DateTimeOffset? LastSyncAt,
    long? DatabaseBytes,
    long? WalBytes,
    long UploadedBytes,
    int SyncErrors,
    ReasonReport Reason,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SparklineReport? Sparklines);

/// <summary>Why a database is in its state, and the figures that this was concluded from.</summary>
/// <param name="Code">A <see cref="Observation.StateReason"/>, such as <c>all_replicated</c>.</param>
/// <param name="Sentence">The same in words.</param>
/// <param name="ChangedAt">When the database was last changed; null where there is no file.</param>
/// <param name="AskedAt">When Litestream was last asked to take its changes; null for never.</param>
/// <param name="TakenTxid">The last transaction that it took; null for unknown.</param>
/// <param name="ReplicatedTxid">The last transaction at the replica; null for unknown.</param>
/// <param name="ReplicatedUntil">All that was written until then is at the replica; null where that was never seen.</param>
/// <param name="Activity">What Litestream does with the database, such as <c>sync: starting</c>; null where it does not say.</param>
/// <param name="ActivityStartedAt">Since when.</param>
internal sealed record ReasonReport(
    string Code,
    string Sentence,
    DateTimeOffset? ChangedAt,
    DateTimeOffset? AskedAt,
    ulong? TakenTxid,
    ulong? ReplicatedTxid,
    DateTimeOffset? ReplicatedUntil,
    string? Activity,
    DateTimeOffset? ActivityStartedAt);

/// <summary>60 minutes, oldest first, null where nobody looked.</summary>
/// <param name="Lag">The largest lag of each minute, in seconds.</param>
/// <param name="Bytes">What went to the replica in each minute.</param>
internal sealed record SparklineReport(float?[] Lag, float?[] Bytes);

/// <summary>One database in full.</summary>
/// <param name="Database">How it stands.</param>
/// <param name="Summary">The same in one sentence.</param>
/// <param name="Healthy">Whether it is as it should be; null where that is yet to be seen.</param>
/// <param name="RestoreCommand">What to type to get it back.</param>
/// <param name="History">How it stood.</param>
/// <param name="Log">Those of the last 500 lines of Litestream's log that are about it, oldest first.</param>
/// <param name="UpdatedAt">When it was looked at.</param>
/// <param name="Now">When this was reported.</param>
internal sealed record DatabaseDetailReport(
    DatabaseReport Database,
    string Summary,
    bool? Healthy,
    string RestoreCommand,
    HistoryReport History,
    IReadOnlyList<LogReport> Log,
    DateTimeOffset UpdatedAt,
    DateTimeOffset Now)
{
    /// <summary>The same as the page shows it.</summary>
    public DatabaseText Text => PageWriter.Write(this);
}

/// <summary>The answer where one database is asked for that is not replicated.</summary>
/// <param name="Ok">False, as in Datasette's own errors.</param>
/// <param name="Error">A sentence.</param>
internal sealed record NotReplicatedReport(bool Ok, string Error);

/// <summary>Equally long series, oldest first, null where nobody looked.</summary>
/// <param name="Range"><c>hour</c> or <c>day</c>.</param>
/// <param name="IntervalSeconds">From one point to the next.</param>
/// <param name="End">The time of the last point.</param>
/// <param name="LagSeconds">See <see cref="DatabaseReport.LagSeconds"/>; the largest of the interval.</param>
/// <param name="UploadedBytes">In the interval.</param>
/// <param name="Txid">At its end.</param>
/// <param name="ReplicaTxid">At its end.</param>
/// <param name="WalBytes">At its end.</param>
/// <param name="DatabaseBytes">At its end.</param>
/// <param name="SyncErrors">In the interval.</param>
internal sealed record HistoryReport(
    string Range,
    double IntervalSeconds,
    DateTimeOffset End,
    float?[] LagSeconds,
    float?[] UploadedBytes,
    ulong?[] Txid,
    ulong?[] ReplicaTxid,
    float?[] WalBytes,
    float?[] DatabaseBytes,
    float?[] SyncErrors);

/// <summary>One database in a line, for its own page.</summary>
/// <param name="State">See <see cref="DatabaseReport.State"/>.</param>
/// <param name="Since">Since when.</param>
/// <param name="LagSeconds">See <see cref="DatabaseReport.LagSeconds"/>.</param>
/// <param name="Sentence">The same in words.</param>
internal sealed record DatabaseStateReport(string State, DateTimeOffset Since, double? LagSeconds, string Sentence);

/// <param name="Enabled">False where the configuration has it off.</param>
/// <param name="Healthy">Whether everything is safe, or not unsafe for longer than allowed.</param>
/// <param name="Line">The same in words, without names.</param>
internal sealed record HealthReport(bool Enabled, bool Healthy, string Line);

/// <param name="Name">Datasette's name.</param>
/// <param name="Reason">Why it is not replicated.</param>
internal sealed record SkippedReport(string Name, string Reason);

/// <param name="Time">When.</param>
/// <param name="Level">INFO, WARN, ERROR or DEBUG.</param>
/// <param name="Message">What happened.</param>
/// <param name="Details">The rest, as <c>key=value</c>.</param>
internal sealed record LogReport(DateTimeOffset Time, string Level, string Message, string Details);

/// <param name="Address">Where they were read.</param>
/// <param name="Error">Why they could not be; null where they could.</param>
/// <param name="Databases">Of this page, by Datasette's name: values by the metric's name without <c>litestream_</c>.</param>
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
[JsonSerializable(typeof(DatabaseDetailReport))]
[JsonSerializable(typeof(DatabaseStateReport))]
[JsonSerializable(typeof(MachineAnswer))]
[JsonSerializable(typeof(NotReplicatedReport))]
internal sealed partial class StatusJson : JsonSerializerContext;
