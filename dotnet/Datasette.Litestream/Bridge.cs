using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Manual;
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
    /// [{"name": "parks", "path": "/srv/parks.db", "servedPath": "/srv/link.db", "isMutable": true}], "startOptions": [["-c", "datasette.yaml"]], "bundledBinary":
    /// "/…/litestream", "sqliteProgram": ["/srv/venv/bin/python", "/…/sqlite_files.py"], "environment": {"PATH": "/usr/bin"},
    /// "published": {"at": "/-/metadata.json", "settings": …, "databaseSettings": {"parks": …}}}</c>; settings are Datasette's,
    /// unchanged, and published ones as a page of Datasette shows them. The internal database has no name. <c>startOptions</c>, <c>sqliteProgram</c> and <c>published</c> can be null or missing.</param>
    /// <exception cref="ReplicationException">Replication cannot start; the message is for the user.</exception>
    public void Start(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var parsed = StartRequest.Parse(request);
        _succession = Task.Run(async () => await Succession.StartAsync(
            await ReplicationSetup.CheckAsync(parsed.Configuration, parsed.Host).ConfigureAwait(false), _writeError, EndProcess).ConfigureAwait(false)).GetAwaiter().GetResult();
    }

    /// <summary>
    /// Restores the databases whose files are missing or hold nothing, if <c>restore: missing</c> says so, and returns when that is done. It
    /// comes before <see cref="Start"/>, and before other plugins make tables. What cannot be restored is written to standard error.
    /// </summary>
    /// <param name="request">As for <see cref="Start"/>.</param>
    public void RestoreMissing(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        try
        {
            Task.Run(() => MissingDatabases.RestoreAsync(StartRequest.Parse(request), _writeError, _hurrying.Token)).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // Datasette is ending.
        }
    }

    /// <summary>Ends <see cref="RestoreMissing"/> at once, since Datasette is to end.</summary>
    public void CancelRestore() => _hurrying.Cancel();

    /// <summary>
    /// Tells which databases Datasette serves now, and where: they come and go. Returns before they are replicated, or no longer are.
    /// </summary>
    /// <param name="served">As <c>databases</c> in the request of <see cref="Start"/>.</param>
    public void Serve(string served) => _succession?.Serve(StartRequest.ParseDatabases(JsonElement.Parse(served)));

    /// <summary>The state of replication: a page of the databases, or one database in full.</summary>
    /// <param name="query">The query string of the request, unchanged; see <see cref="StatusQuery"/>.</param>
    /// <returns>
    /// A <see cref="StatusReport"/>, a <see cref="DatabaseDetailReport"/>, or a <see cref="NotReplicatedReport"/>, as JSON.
    /// </returns>
    /// <param name="mayManage">Whether the one who asks may manage replication.</param>
    public string Status(string query = "", bool mayManage = true) => ReportStatus(query, mayManage).Json;

    /// <summary>The state of replication as a page shows it.</summary>
    /// <param name="query">See <see cref="Status"/>.</param>
    /// <returns>An <see cref="OverviewText"/>, a <see cref="DatabaseText"/>, or a <see cref="NotReplicatedReport"/>, as JSON.</returns>
    /// <param name="mayManage">Whether the one who asks may manage replication.</param>
    public string Page(string query = "", bool mayManage = true) => Report(
        query,
        mayManage,
        report => JsonSerializer.Serialize(report.Text, StatusJson.Default.OverviewText),
        report => JsonSerializer.Serialize(report.Text, StatusJson.Default.DatabaseText)).Json;

    /// <summary>The drills of the last 90 days as a page shows them.</summary>
    /// <param name="query">See <see cref="Status"/>; <c>database</c> for those of one.</param>
    /// <param name="mayManage">Whether the one who asks may manage replication.</param>
    /// <returns>A <see cref="DrillsText"/> or a <see cref="NotReplicatedReport"/>, as JSON.</returns>
    public string Drills(string query = "", bool mayManage = true) =>
        ReportDrills(query, mayManage, report => JsonSerializer.Serialize(report.Text, StatusJson.Default.DrillsText)).Json;

    /// <summary>The state of one database in a line.</summary>
    /// <param name="name">Datasette's name for it.</param>
    /// <returns>A <see cref="DatabaseStateReport"/> as JSON; <c>null</c> if it is not replicated.</returns>
    public string DatabaseState(string name) =>
        JsonSerializer.Serialize(Wait(reporter => reporter.ReportDatabaseStateAsync(name)), StatusJson.Default.DatabaseStateReport!);

    /// <summary>The HTTP response for a machine.</summary>
    /// <param name="what"><c>json</c> for <see cref="Status"/>, <c>drills</c>, <c>metrics</c> or <c>health</c>.</param>
    /// <param name="query">The query string of the request, unchanged.</param>
    /// <param name="mayManage">Whether the one who asks may manage replication.</param>
    /// <returns>A <see cref="MachineAnswer"/> as JSON.</returns>
    public string Answer(string what, string query, bool mayManage = true)
    {
        var answer = what switch
        {
            "json" => MachineAnswer.Json(ReportStatus(query, mayManage)),
            "drills" => MachineAnswer.Json(ReportDrills(query, mayManage, report => JsonSerializer.Serialize(report, StatusJson.Default.DrillsReport))),
            "metrics" => MachineAnswer.Metrics(Wait(reporter => reporter.WriteMetricsAsync(mayManage))),
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

    /// <summary>Does what somebody who may manage replication asks for by hand, and returns when it is done.</summary>
    /// <param name="method">The request's method; every one but POST changes nothing.</param>
    /// <param name="action">A <see cref="ManualAction"/> in lower case.</param>
    /// <param name="contentType">The media type of the body.</param>
    /// <param name="body">The body of the request; see <see cref="ManualRequest.Parse"/>.</param>
    /// <param name="actor">The id of Datasette's actor.</param>
    /// <returns>A <see cref="MachineAnswer"/> as JSON.</returns>
    public string Act(string method, string action, string contentType, string body, string actor)
    {
        MachineAnswer answer;
        if (method != "POST")
        {
            answer = ManualReport.Answer(action, new ManualResult(ManualOutcome.NotPosted, "Send it by POST."));
        }
        else if (ManualRequest.Parse(action, contentType, body, actor, out var problem) is not { } request)
        {
            answer = ManualReport.Answer(action, new ManualResult(ManualOutcome.Wrong, problem!));
        }
        else if (_succession is { } succession)
        {
            var result = Task.Run(() => succession.DoAsync(request)).GetAwaiter().GetResult();
            answer = ManualReport.Answer(request, result, succession.Time.GetUtcNow(), succession.Replicates(request.Database));
        }
        else
        {
            answer = ManualReport.Answer(action, new ManualResult(ManualOutcome.Refused, "Replication has ended."));
        }

        return JsonSerializer.Serialize(answer, StatusJson.Default.MachineAnswer);
    }

    /// <summary>
    /// Restores a database for somebody who may have all of it, and returns when its file is there, which stays until <see cref="EndDownload"/>.
    /// Who sends it says so by <see cref="HandOutDownload"/>.
    /// </summary>
    /// <param name="id">By what the other methods name this download; nobody else has used it.</param>
    /// <param name="method">The request's method.</param>
    /// <param name="query">The query string of the request, unchanged: <c>database</c>, and <c>at</c> for a time.</param>
    /// <param name="actor">The id of Datasette's actor.</param>
    /// <returns>A <see cref="MachineAnswer"/> as JSON, with a <c>file</c> if it was restored.</returns>
    public string Download(string id, string method, string query, string actor)
    {
        ArgumentNullException.ThrowIfNull(query);
        MachineAnswer answer;
        if (method != "POST")
        {
            answer = ManualReport.Answer(DownloadReport.Action, new ManualResult(ManualOutcome.NotPosted, "Send it by POST."));
        }
        else if (_succession is { } succession)
        {
            var parsed = StatusQuery.Parse(query);
            var request = new DownloadRequest(id, parsed.Database, parsed.At, actor);
            var result = Task.Run(() => succession.DownloadAsync(request)).GetAwaiter().GetResult();
            answer = DownloadReport.Answer(request, result, succession.Time.GetUtcNow(), succession.Replicates(request.Database));
        }
        else
        {
            answer = ManualReport.Answer(DownloadReport.Action, new ManualResult(ManualOutcome.Refused, "Replication has ended."));
        }

        return JsonSerializer.Serialize(answer, StatusJson.Default.MachineAnswer);
    }

    /// <summary>Says that a download is sent now, so that who gets it is logged.</summary>
    /// <param name="id">See <see cref="Download"/>.</param>
    /// <returns>False if it is over, and may not be sent.</returns>
    public bool HandOutDownload(string id) => _succession?.Term?.Replicator.Downloads.HandOut(id) == true;

    /// <summary>Ends a download, and deletes everything of it, however it ended. Returns at once; does nothing the second time.</summary>
    /// <param name="id">See <see cref="Download"/>.</param>
    public void EndDownload(string id) => _succession?.Term?.Replicator.Downloads.End(id);

    private (bool IsFound, string Json) ReportStatus(string query, bool mayManage) => Report(
        query,
        mayManage,
        report => JsonSerializer.Serialize(report, StatusJson.Default.StatusReport),
        report => JsonSerializer.Serialize(report, StatusJson.Default.DatabaseDetailReport));

    private (bool IsFound, string Json) Report(string query, bool mayManage, Func<StatusReport, string> write, Func<DatabaseDetailReport, string> writeDatabase)
    {
        ArgumentNullException.ThrowIfNull(query);
        var parsed = StatusQuery.Parse(query);
        if (parsed.Database is not { Length: > 0 } name)
        {
            return (true, write(Wait(reporter => reporter.ReportAsync(parsed, mayManage))));
        }

        return Wait(reporter => reporter.ReportDatabaseAsync(name, parsed.Range, mayManage, parsed.At)) is { } report
            ? (true, writeDatabase(report))
            : NotReplicated(name);
    }

    private (bool IsFound, string Json) ReportDrills(string query, bool mayManage, Func<DrillsReport, string> write)
    {
        ArgumentNullException.ThrowIfNull(query);
        var parsed = StatusQuery.Parse(query);
        var report = DrillsReport.Of(Wait(reporter => reporter.ReportDrillsAsync(mayManage)), parsed, _succession!.Time.GetUtcNow());
        return report.Matching == 0 && parsed.Database is { Length: > 0 } name ? NotReplicated(name) : (true, write(report));
    }

    private static (bool IsFound, string Json) NotReplicated(string name) =>
        (false, JsonSerializer.Serialize(new NotReplicatedReport(false, Wording.NotReplicated(name)), StatusJson.Default.NotReplicatedReport));

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
