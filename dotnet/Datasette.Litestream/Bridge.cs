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
/// scalars, block, and can be called from any thread. <see cref="Start"/> comes first, and once.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Stop releases it, and reports errors.")]
public sealed class Bridge
{
    /// <summary>How long the process may continue after replication had to be given up.</summary>
    private static readonly TimeSpan FatalTimeout = TimeSpan.FromSeconds(4);

    private readonly Lock _stopping = new();
    private readonly CancellationTokenSource _hurrying = new();
    private readonly Action<string> _writeError;
    private Succession? _succession;
    private Task? _stopped;
    private volatile bool _isFatal;
    private volatile string? _served;
    private volatile bool _isAnnounced;

    public Bridge()
        : this(WriteError)
    {
    }

    /// <param name="writeError">Receives each line for standard error, with its line break.</param>
    internal Bridge(Action<string> writeError) => _writeError = writeError;

    /// <summary>The current state of replication; null while another process replicates, and before the start.</summary>
    internal ReplicationSnapshot? Snapshot => _succession?.Term?.Replicator.Snapshot;

    /// <summary>
    /// Checks everything that can be checked, starts replication, and returns before Litestream replicates: what Litestream
    /// finds wrong is shown. Writes warnings to standard error, one line each. Databases that another process replicates are
    /// left to that one until it ends.
    /// </summary>
    /// <param name="request"><c>{"workingDirectory": "/srv", "settings": …, "databaseSettings": {"parks": …}, "databases":
    /// [{"name": "parks", "path": "/srv/parks.db", "servedPath": "/srv/link.db", "isMutable": true}], "bundledBinary":
    /// "/…/litestream", "sqliteProgram": ["/srv/venv/bin/python", "/…/sqlite_files.py"], "environment": {"PATH": "/usr/bin"},
    /// "published": {"at": "/-/metadata.json", "settings": …, "databaseSettings": {"parks": …}}}</c>; settings are Datasette's,
    /// unchanged, and published ones as a page of Datasette shows them. <c>sqliteProgram</c> and <c>published</c> can be null or missing.</param>
    /// <exception cref="ReplicationException">Replication cannot start; the message is for the user.</exception>
    public void Start(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var parsed = StartRequest.Parse(request);
        _succession = Task.Run(async () => await Succession.StartAsync(
            await ReplicationSetup.CheckAsync(parsed.Configuration, parsed.Host).ConfigureAwait(false), _writeError, EndProcess).ConfigureAwait(false)).GetAwaiter().GetResult();
    }

    /// <summary>Tells where Datasette serves its databases now, since another plugin may put another file behind a name.</summary>
    /// <param name="served">The path of each database by name, as JSON; null for one that is not a file.</param>
    public void Serve(string served)
    {
        if (served == _served || _succession is not { } succession)
        {
            return;
        }

        _served = served;
        try
        {
            succession.Serve(JsonNode.Parse(served)!.AsObject().ToDictionary(database => database.Key, database => (string?)database.Value));
        }
        catch (Exception ex) when (ex is JsonException or InvalidOperationException)
        {
            // A name that is no text, which cannot be replicated either.
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
    /// Begins to stop replication: Litestream replicates the remaining changes and ends. What is not replicated then is written
    /// to standard error.
    /// </summary>
    /// <returns>Whether replication has ended; it does not wait for that.</returns>
    public bool Stop()
    {
        lock (_stopping)
        {
            _stopped ??= _succession is { } succession ? Task.Run(() => StopAsync(succession)) : Task.CompletedTask;
        }

        return _stopped.IsCompleted;
    }

    /// <summary>
    /// Has a stop that has been announced to take longer end at once. Before, it does nothing: one Ctrl-C can be several
    /// signals, such as SIGINT from the terminal and SIGTERM from a parent that got the same.
    /// </summary>
    public void Hurry()
    {
        if (_isAnnounced)
        {
            _hurrying.Cancel();
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

    private Task StopAsync(Succession succession) => _isFatal
        ? succession.StopAsync(FatalTimeout * 0.75, null, _hurrying.Token)
        : succession.StopAsync(succession.ShutdownTimeout, () => _isAnnounced = true, _hurrying.Token);

    private T Wait<T>(Func<IReporter, Task<T>> ask)
    {
        var succession = _succession ?? throw new InvalidOperationException("not started");
        return Task.Run(() => ask(succession.Reporter)).GetAwaiter().GetResult();
    }

    // Without credentials there is no backup, and Datasette must not silently continue without one.
    private void EndProcess()
    {
        _isFatal = true;
        _ = LibC.kill(Environment.ProcessId, LibC.SIGTERM);
        _ = Task.Run(async () =>
        {
            // A server that waits for its last request may wait forever.
            await Task.Delay(FatalTimeout).ConfigureAwait(false);
            try
            {
                _ = Stop();
                await _stopped!.ConfigureAwait(false);
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
