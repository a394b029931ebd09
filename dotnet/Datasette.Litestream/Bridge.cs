using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream;

/// <summary>
/// The replication of one Datasette, for use by Python through Python.NET. Its methods accept and return JSON and plain
/// scalars, block, and can be called from any thread. <see cref="Prepare"/> comes first, then <see cref="Start"/>, each once.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Stop releases it, and reports errors.")]
public sealed class Bridge
{
    /// <summary>How long the process may continue after replication had to be given up.</summary>
    private static readonly TimeSpan FatalTimeout = TimeSpan.FromSeconds(4);

    private readonly Lock _stopping = new();
    private readonly Action<string> _writeError;
    private TimeProvider _time = TimeProvider.System;
    private Replicator? _prepared;
    private Replicator? _replicator;
    private StatusReporter? _reporter;
    private volatile bool _isFatal;

    public Bridge()
        : this(WriteError)
    {
    }

    /// <param name="writeError">Receives each line for standard error, with its line break.</param>
    internal Bridge(Action<string> writeError) => _writeError = writeError;

    /// <summary>The current state of replication; null if it has not been started, or was stopped.</summary>
    internal ReplicationSnapshot? Snapshot => _replicator?.Snapshot;

    /// <summary>Checks everything that can be checked before anything is started. Must be called first, and once.</summary>
    /// <param name="request"><c>{"workingDirectory": "/srv", "settings": …, "databaseSettings": {"parks": …}, "databases":
    /// [{"name": "parks", "path": "/srv/parks.db", "servedPath": "/srv/link.db", "isMutable": true}], "bundledBinary":
    /// "/…/litestream", "sqliteProgram": ["/srv/venv/bin/python", "/…/sqlite_files.py"], "environment": {"PATH": "/usr/bin"},
    /// "published": {"at": "/-/metadata.json", "settings": …, "databaseSettings": {"parks": …}}}</c>; settings are Datasette's,
    /// unchanged, and published ones as a page of Datasette shows them. <c>sqliteProgram</c> and <c>published</c> can be null or missing.</param>
    /// <returns> The files that Python's SQLite must switch to a write-ahead log before <see cref="Start"/>, as a JSON array of
    /// SQLite URIs: those without a log beside them. Litestream would switch them itself, but if it were killed meanwhile, it
    /// would leave a journal that no reader can roll back, and Datasette's pages would fail
    /// (https://sqlite.org/rescode.html#readonly_rollback). </returns>
    /// <exception cref="ReplicationException">Replication cannot start; the message is for the user.</exception>
    public string Prepare(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var parsed = StartRequest.Parse(request);
        _time = parsed.Host.Time;
        _prepared = Task.Run(() => Replicator.PrepareAsync(parsed.Configuration, parsed.Host, _writeError)).GetAwaiter().GetResult();
        return new JsonArray([.. _prepared.FilesWithoutLog.Select(path => (JsonNode)$"file:{Uri.EscapeDataString(path)}?mode=rw")]).ToJsonString();
    }

    /// <summary>
    /// Starts replication, and returns before Litestream replicates; what it finds wrong is shown. Writes warnings to standard
    /// error, one line each.
    /// </summary>
    /// <exception cref="ReplicationException">Replication cannot start; the message is for the user.</exception>
    public void Start()
    {
        var replicator = _prepared ?? throw new InvalidOperationException("not prepared");
        Task.Run(() => replicator.StartAsync(EndProcess)).GetAwaiter().GetResult();
        _replicator = replicator;
        _reporter = new StatusReporter(() => replicator.Snapshot, _time, replicator.Observe, replicator.Tools);
        foreach (var warning in replicator.Snapshot.Warnings)
        {
            replicator.OperatorLog.Write(LogLevel.Warning, warning);
        }
    }

    /// <summary>The state of replication: a page of the databases, or one database in full.</summary>
    /// <param name="query">The query string of the request, unchanged; see <see cref="StatusQuery"/>.</param>
    /// <returns>
    /// A <see cref="StatusReport"/>, a <see cref="DatabaseDetailReport"/>, or a <see cref="NotReplicatedReport"/>, as JSON.
    /// </returns>
    public string Status(string query = "") => ReportStatus(query).Json;

    /// <summary>The state of replication as a page shows it.</summary>
    /// <param name="query">See <see cref="Status"/>.</param>
    /// <returns>An <see cref="OverviewText"/>, a <see cref="DatabaseText"/>, or a <see cref="NotReplicatedReport"/>, as JSON.</returns>
    public string Page(string query = "") => Report(
        query,
        report => JsonSerializer.Serialize(report.Text, StatusJson.Default.OverviewText),
        report => JsonSerializer.Serialize(report.Text, StatusJson.Default.DatabaseText)).Json;

    /// <summary>The state of one database in a line.</summary>
    /// <param name="name">Datasette's name for it.</param>
    /// <returns>A <see cref="DatabaseStateReport"/> as JSON; <c>null</c> if it is not replicated.</returns>
    public string DatabaseState(string name) =>
        JsonSerializer.Serialize(Wait(reporter => reporter.ReportDatabaseStateAsync(name)), StatusJson.Default.DatabaseStateReport!);

    /// <summary>The HTTP response for a machine.</summary>
    /// <param name="what"><c>json</c> for <see cref="Status"/>, <c>metrics</c> or <c>health</c>.</param>
    /// <param name="query">The query string of the request, unchanged.</param>
    /// <returns>A <see cref="MachineAnswer"/> as JSON.</returns>
    public string Answer(string what, string query)
    {
        var answer = what switch
        {
            "json" => MachineAnswer.Json(ReportStatus(query)),
            "metrics" => MachineAnswer.Metrics(Wait(reporter => reporter.WriteMetricsAsync())),
            "health" => MachineAnswer.Health(Wait(reporter => reporter.ReportHealthAsync())),
            _ => throw new ArgumentException($"There is no {what}.", nameof(what)),
        };
        return JsonSerializer.Serialize(answer, StatusJson.Default.MachineAnswer);
    }

    /// <summary>
    /// Stops replication: Litestream replicates the remaining changes and ends. Errors are written to standard error. Does
    /// nothing if it has been called before.
    /// </summary>
    public void Stop()
    {
        lock (_stopping)
        {
            if (_replicator is not { } replicator)
            {
                return;
            }

            _replicator = null;
            _reporter?.Dispose();
            var timeout = _isFatal ? FatalTimeout * 0.75 : replicator.Plan.ShutdownTimeout;
            if (Task.Run(() => replicator.StopAsync(timeout)).GetAwaiter().GetResult() is { } error)
            {
                replicator.OperatorLog.Write(LogLevel.Error, error);
            }

            Task.Run(() => replicator.Announcer.DisposeAsync().AsTask()).GetAwaiter().GetResult();
        }
    }

    private (bool IsFound, string Json) ReportStatus(string query) => Report(
        query,
        report => JsonSerializer.Serialize(report, StatusJson.Default.StatusReport),
        report => JsonSerializer.Serialize(report, StatusJson.Default.DatabaseDetailReport));

    private (bool IsFound, string Json) Report(string query, Func<StatusReport, string> write, Func<DatabaseDetailReport, string> writeDatabase)
    {
        ArgumentNullException.ThrowIfNull(query);
        var parsed = StatusQuery.Parse(query);
        if (parsed.Database is not { Length: > 0 } name)
        {
            return (true, write(Wait(reporter => reporter.ReportAsync(parsed))));
        }

        return Wait(reporter => reporter.ReportDatabaseAsync(name, parsed.Range)) is { } report
            ? (true, writeDatabase(report))
            : (false, JsonSerializer.Serialize(new NotReplicatedReport(false, Wording.NotReplicated(name)), StatusJson.Default.NotReplicatedReport));
    }

    private T Wait<T>(Func<StatusReporter, Task<T>> ask)
    {
        var reporter = _reporter ?? throw new InvalidOperationException("not started");
        return Task.Run(() => ask(reporter)).GetAwaiter().GetResult();
    }

    // Without credentials there is no backup, and Datasette must not silently continue without one.
    private void EndProcess(string message)
    {
        _isFatal = true;
        _prepared!.OperatorLog.Write(LogLevel.Error, $"{message} Datasette ends.");
        _ = LibC.kill(Environment.ProcessId, LibC.SIGTERM);
        _ = Task.Run(async () =>
        {
            // A server that waits for its last request may wait forever.
            await Task.Delay(FatalTimeout).ConfigureAwait(false);
            try
            {
                Stop();
            }
            finally
            {
                LibC._exit(1);
            }
        });
    }

    // This is not a FileStream, which keeps its own position: if standard error is a file, Python's next output would overwrite
    // this line. Errors are ignored: if standard error is closed or its disk is full, there is no other place for the message.
    private static void WriteError(string message)
    {
        LibC.WriteAll(2, Encoding.UTF8.GetBytes(message));
    }
}
