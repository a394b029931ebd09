using System.Text.Json.Serialization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// The content of <c>/-/litestream-status.json</c>: figures, and <see cref="Text"/>, which is all that the page gets. It
/// contains no secret.
/// </summary>
/// <param name="State"><c>running</c>, <c>starting</c>, <c>waiting</c> (for the next start), <c>stopping</c>, <c>stopped</c> <c>idle</c> (nothing to replicate) or <c>standby</c> (another process replicates).</param>
/// <param name="Healthy">Whether everything is known to be safe, or to be on its way; null if not everything is known.</param>
/// <param name="Headline">The state in one sentence: what is not safe, and since when.</param>
/// <param name="WrongSince">Since when something has been wrong; null if nothing is wrong.</param>
/// <param name="UpdatedAt">When the databases were sampled.</param>
/// <param name="Now">The time of the report.</param>
/// <param name="Litestream">The process.</param>
/// <param name="Credentials">Where S3 credentials come from; null if the configuration does not set any.</param>
/// <param name="Counts">The number of databases in each state.</param>
/// <param name="Page">The number of this page, starting at 1.</param>
/// <param name="Pages">The number of pages.</param>
/// <param name="Size">Databases per page.</param>
/// <param name="Matching">How many databases match the search.</param>
/// <param name="Search">The search text; empty if there is none.</param>
/// <param name="Sort">The order.</param>
/// <param name="Descending">Whether the order is reversed.</param>
/// <param name="Databases">The databases of this page.</param>
/// <param name="Skipped">Every database that is attached or has settings and is not replicated, and why.</param>
/// <param name="Warnings">One sentence each.</param>
/// <param name="Configuration">The content of litestream.yml as Litestream got it, for this page's databases, with secrets
/// masked.</param>
/// <param name="Log">The last 100 lines of Litestream's log, oldest first.</param>
/// <param name="Metrics">Litestream's metrics; null if <c>metrics-addr</c> is not set.</param>
internal sealed record StatusReport(
    string State,
    bool? Healthy,
    [property: JsonIgnore] Sentence Headline,
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
    /// <summary>The last proof of the destination whose last proof is the oldest; null if one was never proven.</summary>
    public DateTimeOffset? ProvenAt { get; init; }

    /// <summary>The last 20 things that were done by hand, newest first.</summary>
    public IReadOnlyList<DeedReport> Deeds { get; init; } = [];

    /// <summary>Whether it is for somebody who may manage replication.</summary>
    [JsonIgnore]
    public bool MayManage { get; init; }

    /// <summary><see cref="Headline"/> as a text.</summary>
    public string Summary => Headline.ToString();

    /// <summary>The same as the page shows it.</summary>
    public OverviewText Text => PageWriter.Write(this);
}

/// <param name="Version">Such as <c>0.5.17</c>.</param>
/// <param name="Binary">Its path.</param>
/// <param name="Origin">How it was found.</param>
/// <param name="ProcessId">Null while it is not running.</param>
/// <param name="StartedAt">Null while it is not running.</param>
/// <param name="UptimeSeconds">Null while it is not running.</param>
/// <param name="Failures">How often it ended by itself or had to be killed since Datasette started.</param>
/// <param name="LastFailure">What happened at the last failure.</param>
/// <param name="LastFailureAt">The time of the last failure.</param>
/// <param name="NextStartAt">The time of the next start; null while it is running.</param>
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
/// <param name="ChangedAt">When they last changed; null if they never did.</param>
/// <param name="ExpiresAt">Until when the credentials in use are valid; null if their source does not say.</param>
/// <param name="Failure">Why the last refresh failed; null if it succeeded.</param>
/// <param name="FailingSince">Since when refreshes have failed; null if the last one succeeded.</param>
internal sealed record CredentialReport(
    string Source, DateTimeOffset ReadAt, DateTimeOffset? ChangedAt, DateTimeOffset? ExpiresAt, string? Failure, DateTimeOffset? FailingSince);

/// <summary>The number of databases in each state; see <see cref="DatabaseReport.State"/>.</summary>
internal sealed record CountReport(int Total, int Replicating, int Unverified, int Starting, int Behind, int Failing, int Stopped, int Unknown)
{
    /// <summary>Counts states.</summary>
    public static CountReport Of(IEnumerable<DatabaseState> states)
    {
        var counts = new int[Enum.GetValues<DatabaseState>().Length];
        foreach (var state in states)
        {
            counts[(int)state]++;
        }

        return new CountReport(
            counts.Sum(),
            counts[(int)DatabaseState.Replicating],
            counts[(int)DatabaseState.Unverified],
            counts[(int)DatabaseState.Starting],
            counts[(int)DatabaseState.Behind],
            counts[(int)DatabaseState.Failing],
            counts[(int)DatabaseState.Stopped],
            counts[(int)DatabaseState.Unknown]);
    }
}

/// <param name="Name">Datasette's name.</param>
/// <param name="Path">Its file.</param>
/// <param name="Destinations">Where it is replicated to.</param>
/// <param name="Replicas">How each destination stands.</param>
/// <param name="State"><c>replicating</c>, <c>unverified</c> (nothing is known to be wrong, but not everything is known), <c>starting</c> (Litestream was just started, or nothing is at the replica yet), <c>behind</c>, <c>failing</c>, <c>stopped</c> or <c>unknown</c>.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Error">The error behind its state; null if there is none.</param>
/// <param name="Txid">The last transaction that Litestream has synced; null if unknown.</param>
/// <param name="ReplicaTxid">The last transaction at the replica; null if unknown.</param>
/// <param name="LagSeconds">How long the oldest change that is not at the replica has waited; 0 if there is none, null if
/// unknown.</param>
/// <param name="LastSyncAt">When the replica was last known to have every change; null if unknown.</param>
/// <param name="DatabaseBytes">The size of the file; null if there is none.</param>
/// <param name="WalBytes">The size of the write-ahead log; null if there is none.</param>
/// <param name="UploadedBytes">The bytes uploaded to the replica since Datasette started.</param>
/// <param name="SyncErrors">How many errors Litestream has logged since Datasette started.</param>
/// <param name="Reason">Why it is in its state.</param>
/// <param name="Warnings">What endangers it, one sentence each.</param>
/// <param name="Sparklines">The last hour; omitted if a history is given.</param>
internal sealed record DatabaseReport(
    string Name,
    string Path,
    IReadOnlyList<string> Destinations,
    IReadOnlyList<ReplicaReport> Replicas,
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
    IReadOnlyList<string> Warnings,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SparklineReport? Sparklines)
{
    /// <summary>Whether it is Datasette's internal database.</summary>
    [JsonPropertyName("internal")]
    public bool IsInternal { get; init; }

    /// <summary>Who has paused it by hand; null if it is not paused.</summary>
    public PauseReport? Paused { get; init; }

    /// <summary>Whether it can be replicated at all.</summary>
    [JsonIgnore]
    public bool IsReplicable { get; init; } = true;
}

/// <param name="Since">Since when.</param>
/// <param name="Actor">The id of Datasette's actor.</param>
internal sealed record PauseReport(DateTimeOffset Since, string Actor);

/// <summary>Something that was done by hand.</summary>
/// <param name="At">When it was asked for.</param>
/// <param name="Actor">The id of Datasette's actor.</param>
/// <param name="Action">What was asked for, as its address has it.</param>
/// <param name="Database">Datasette's name of the database; null for a restart.</param>
/// <param name="Failure">Why it was not achieved, in a sentence; null if it was.</param>
/// <param name="Sentence">All of it in a line.</param>
internal sealed record DeedReport(DateTimeOffset At, string Actor, string Action, string? Database, string? Failure, string Sentence);

/// <summary>How one destination of a database stands.</summary>
/// <param name="Destination">The destination, without secrets.</param>
/// <param name="Writer"><c>litestream</c>, or <c>plugin</c> for one that is kept equal to Litestream's.</param>
/// <param name="State">Its state; see <see cref="DatabaseReport.State"/>.</param>
/// <param name="Since">When it entered this state.</param>
/// <param name="Sentence">Why, in words.</param>
/// <param name="Remedy">What to do, in sentences; null if there is nothing to do.</param>
/// <param name="Error">The error behind its state; null if there is none.</param>
/// <param name="Notice">What was found there and mended, in a sentence; null if nothing was.</param>
/// <param name="Txid">The last transaction that can be restored from it; null if unknown.</param>
/// <param name="LagSeconds">How long the oldest change that is not there has waited; 0 if there is none, null if unknown.</param>
/// <param name="ReplicatedUntil">Everything written before this time is there; null if that was never confirmed.</param>
/// <param name="CheckedAt">When it was last found to be restorable; null if it never was.</param>
/// <param name="Bytes">The size of everything there when it was last listed; null if it was not.</param>
/// <param name="Restorable">How far back and how finely one can go; null if that is not known, and with Litestream 0.3.</param>
/// <param name="RestoreCommand">The command that restores the database from it.</param>
internal sealed record ReplicaReport(
    string Destination,
    string Writer,
    string State,
    DateTimeOffset Since,
    string Sentence,
    string? Remedy,
    string? Error,
    string? Notice,
    ulong? Txid,
    double? LagSeconds,
    DateTimeOffset? ReplicatedUntil,
    DateTimeOffset? CheckedAt,
    long? Bytes,
    RestorableReport? Restorable,
    string RestoreCommand)
{
    /// <summary>How many files are there, when they were last listed; null if they were not.</summary>
    public int? Files { get; init; }

    /// <summary>How far it is proven; null if that is not known yet.</summary>
    public DrillReport? Drill { get; init; }

    /// <summary>The same as a command of the plugin; null if Datasette was not started by <c>datasette serve</c>.</summary>
    public string? DatasetteCommand { get; init; }
}

/// <summary>How far back and how finely a destination can be restored.</summary>
/// <param name="OldestAt">The oldest point.</param>
/// <param name="NewestSnapshotAt">When the newest snapshot was made; null if there is none.</param>
/// <param name="Steps">How finely, from the finest on.</param>
/// <param name="ListedAt">When the files were listed that this is derived from.</param>
internal sealed record RestorableReport(
    DateTimeOffset OldestAt, DateTimeOffset? NewestSnapshotAt, IReadOnlyList<RestoreStepReport> Steps, DateTimeOffset ListedAt)
{
    /// <summary>What is known of a destination.</summary>
    /// <param name="plan">The plan, which says how finely files are merged.</param>
    /// <param name="database">The database.</param>
    /// <param name="points">What was found in the names and times of its files.</param>
    /// <param name="now">The time.</param>
    public static RestorableReport Of(ReplicationPlan plan, DatabasePlan database, RestorePoints points, DateTimeOffset now) => new(
        points.Oldest,
        points.NewestSnapshot,
        [.. points.StepsAt(now, Retention.L0Of(plan)).Select(step => new RestoreStepReport(
            RestoreWording.Name(step.Level),
            Retention.StepOf(plan, database, step.Level)?.TotalSeconds,
            step.Since))],
        points.ListedAt);
}

/// <param name="Files">Which files give it: <c>uploaded</c>, <c>merged</c>, or <c>snapshots</c>.</param>
/// <param name="Seconds">The time between two points, if there are changes; null if that is not known.</param>
/// <param name="Since">Since when.</param>
internal sealed record RestoreStepReport(string Files, double? Seconds, DateTimeOffset Since);

/// <summary>Why a database is in its state, and the figures from which that was derived.</summary>
/// <param name="Code">A <see cref="Observation.StateReason"/>, such as <c>all_replicated</c>.</param>
/// <param name="Sentence">The state in words.</param>
/// <param name="Cause">The cause of the error in a sentence; null if there is no error, or its cause is not known.</param>
/// <param name="Remedy">What to do, in sentences; null if there is nothing to do.</param>
/// <param name="ChangedAt">When the database last changed; null if there is no file.</param>
/// <param name="AskedAt">When Litestream was last asked to sync; null if it never was.</param>
/// <param name="TakenTxid">The last transaction that it synced; null if unknown.</param>
/// <param name="ReplicatedTxid">The last transaction at the replica; null if unknown.</param>
/// <param name="ReplicatedUntil">Everything written before this time is at the replica; null if that was never confirmed.</param>
/// <param name="Activity">What Litestream is doing with the database, such as <c>sync: starting</c>; null if it does not report
/// that.</param>
/// <param name="ActivityStartedAt">When that started.</param>
/// <param name="CheckedAt">When the backup was last found to be restorable; null if it never was.</param>
/// <param name="CopiedBytes">How many bytes of the first copy are at the replica; null where that cannot be seen.</param>
/// <param name="MovedAt">When Litestream was last seen to send something; null if it never was, or if that is not looked at.</param>
internal sealed record ReasonReport(
    string Code,
    string Sentence,
    string? Cause,
    string? Remedy,
    DateTimeOffset? ChangedAt,
    DateTimeOffset? AskedAt,
    ulong? TakenTxid,
    ulong? ReplicatedTxid,
    DateTimeOffset? ReplicatedUntil,
    string? Activity,
    DateTimeOffset? ActivityStartedAt,
    DateTimeOffset? CheckedAt = null,
    long? CopiedBytes = null,
    DateTimeOffset? MovedAt = null)
{
    /// <inheritdoc cref="Wording.IsFromLitestream"/>
    [JsonIgnore]
    public bool IsErrorFromLitestream { get; init; }

    /// <summary>Whether the database is held back, and can be accepted as it is.</summary>
    [JsonIgnore]
    public bool IsHeldBack { get; init; }
}

/// <summary>60 minutes, oldest first; null for a minute without a sample.</summary>
/// <param name="Lag">The largest lag of each minute, in seconds.</param>
/// <param name="Bytes">The bytes uploaded to the replica in each minute.</param>
internal sealed record SparklineReport(float?[] Lag, float?[] Bytes);

/// <summary>One database in full.</summary>
/// <param name="Database">Its state.</param>
/// <param name="Headline">The state in one sentence.</param>
/// <param name="Healthy">Whether the state is good; null if that is not known yet.</param>
/// <param name="RestoreCommand">The command that restores it, from the destination that Litestream writes.</param>
/// <param name="RestoreNote">What there is to say of a restore besides; null if nothing.</param>
/// <param name="History">Its history.</param>
/// <param name="Log">The lines about it among the last 500 lines of Litestream's log, oldest first.</param>
/// <param name="UpdatedAt">When the database was sampled.</param>
/// <param name="Now">The time of the report.</param>
internal sealed record DatabaseDetailReport(
    DatabaseReport Database,
    [property: JsonIgnore] Sentence Headline,
    bool? Healthy,
    string RestoreCommand,
    string? RestoreNote,
    HistoryReport History,
    IReadOnlyList<LogReport> Log,
    DateTimeOffset UpdatedAt,
    DateTimeOffset Now)
{
    /// <inheritdoc cref="ReplicaReport.DatasetteCommand"/>
    public string? DatasetteCommand { get; init; }

    /// <summary>The folder to run it in.</summary>
    [JsonIgnore]
    public string CommandFolder { get; init; } = "";

    /// <summary>What <see cref="RestoreCommand"/> needs in its environment, in a sentence; null if nothing.</summary>
    [JsonIgnore]
    public string? RestoreNeeds { get; init; }

    /// <summary>The state that the commands restore; null if another process replicates the database, or nobody.</summary>
    public ChosenStateReport? Chosen { get; init; }

    /// <summary>What was done with it by hand among the last 20 deeds, newest first.</summary>
    public IReadOnlyList<DeedReport> Deeds { get; init; } = [];

    /// <summary>Whether it is for somebody who may manage replication.</summary>
    [JsonIgnore]
    public bool MayManage { get; init; }

    /// <summary><see cref="Headline"/> as a text.</summary>
    public string Summary => Headline.ToString();

    /// <summary>The same as the page shows it.</summary>
    public DatabaseText Text => PageWriter.Write(this);
}

/// <summary>The state of a database that is to be restored.</summary>
/// <param name="At">The time that somebody chose, in whole seconds; null for the newest state.</param>
/// <param name="Written">The same as it was written; null if none was chosen.</param>
/// <param name="From">The destination whose files tell the state; null if it is not known.</param>
/// <param name="Txid">Its last transaction; null if it is not known.</param>
/// <param name="Since">It is not older than this; null if that is not known.</param>
/// <param name="Until">It is not newer than this; null if that is not known.</param>
/// <param name="Sentence">All of it in words.</param>
/// <param name="OldestAt">How far back one can go at any destination; null if that is not known.</param>
internal sealed record ChosenStateReport(
    DateTimeOffset? At, [property: JsonIgnore] string? Written, string? From, ulong? Txid, DateTimeOffset? Since, DateTimeOffset? Until, string Sentence, DateTimeOffset? OldestAt);

/// <summary>The answer to a query for a database that is not replicated.</summary>
/// <param name="Ok">False, as in Datasette's own errors.</param>
/// <param name="Error">A sentence.</param>
internal sealed record NotReplicatedReport(bool Ok, string Error);

/// <summary>Series of equal length, oldest first; null for an interval without a sample.</summary>
/// <param name="Range"><c>hour</c> or <c>day</c>.</param>
/// <param name="IntervalSeconds">The time between two points.</param>
/// <param name="End">The time of the last point.</param>
/// <param name="LagSeconds">See <see cref="DatabaseReport.LagSeconds"/>; the maximum of each interval.</param>
/// <param name="UploadedBytes">The bytes uploaded in each interval.</param>
/// <param name="Txid">The value at the end of each interval.</param>
/// <param name="ReplicaTxid">The value at the end of each interval.</param>
/// <param name="WalBytes">The value at the end of each interval.</param>
/// <param name="DatabaseBytes">The value at the end of each interval.</param>
/// <param name="SyncErrors">The errors in each interval.</param>
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
/// <param name="Since">When it entered this state.</param>
/// <param name="LagSeconds">See <see cref="DatabaseReport.LagSeconds"/>.</param>
/// <param name="Sentence">The state in words.</param>
internal sealed record DatabaseStateReport(string State, DateTimeOffset Since, double? LagSeconds, string Sentence)
{
    public static DatabaseStateReport Of(DatabaseObservation database, DateTimeOffset now) =>
        new(Wording.Name(database.State), database.Since, database.Lag?.TotalSeconds, Wording.Describe(database, now));
}

/// <param name="Enabled">False if the configuration turns it off.</param>
/// <param name="Healthy">Whether no change has waited for the replica for longer than allowed.</param>
/// <param name="Line">The state in words, without names.</param>
internal sealed record HealthReport(bool Enabled, bool Healthy, string Line);

/// <param name="Name">Datasette's name.</param>
/// <param name="Reason">Why it is not replicated.</param>
internal sealed record SkippedReport(string Name, string Reason)
{
    /// <summary>Whether it can be replicated by hand, and where.</summary>
    [JsonIgnore]
    public Registration Registration { get; init; }
}

/// <param name="Time">The time of the entry.</param>
/// <param name="Level">INFO, WARN, ERROR or DEBUG.</param>
/// <param name="Message">What happened.</param>
/// <param name="Details">The other attributes, as <c>key=value</c>.</param>
internal sealed record LogReport(DateTimeOffset Time, string Level, string Message, string Details);

/// <param name="Address">The address from which they were read.</param>
/// <param name="Error">Why they could not be read; null if they were read.</param>
/// <param name="Databases">The metrics of this page's databases, by Datasette's name, then by the metric's name without
/// <c>litestream_</c>.</param>
/// <param name="Operations">The operations at all replicas.</param>
internal sealed record MetricsReport(
    string Address,
    string? Error,
    IReadOnlyDictionary<string, IReadOnlyDictionary<string, double>> Databases,
    IReadOnlyList<OperationReport> Operations);

/// <param name="ReplicaType">Such as <c>s3</c>.</param>
/// <param name="Operation">Such as <c>PUT</c>.</param>
/// <param name="Count">The number of operations.</param>
/// <param name="Bytes">The number of bytes; null if Litestream does not count them.</param>
internal sealed record OperationReport(string ReplicaType, string Operation, double Count, double? Bytes);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(DatabaseDetailReport))]
[JsonSerializable(typeof(DatabaseStateReport))]
[JsonSerializable(typeof(MachineAnswer))]
[JsonSerializable(typeof(NotReplicatedReport))]
[JsonSerializable(typeof(ManualReport))]
[JsonSerializable(typeof(DrillsReport))]
[JsonSerializable(typeof(DrillsText))]
internal sealed partial class StatusJson : JsonSerializerContext;
