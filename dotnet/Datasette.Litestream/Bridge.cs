using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Status;
using Microsoft.Win32.SafeHandles;

namespace Datasette.Litestream;

/// <summary>
/// One Datasette's replication, as Python holds it, through Python.NET. Methods take and give JSON and plain
/// scalars, block, and can be called from any thread; <see cref="Start"/> comes first, once.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Stop is its end, and tells how that went.")]
public sealed class Bridge
{
    /// <summary>How long the process may go on after replication had to be given up.</summary>
    private static readonly TimeSpan FatalTimeout = TimeSpan.FromSeconds(4);

    private readonly Lock _stopping = new();
    private Replicator? _replicator;
    private StatusReporter? _reporter;
    private volatile bool _isFatal;

    /// <summary>Starts replication, and returns when Litestream replicates.</summary>
    /// <param name="request">
    /// <c>{"workingDirectory": "/srv", "settings": …, "databaseSettings": {"parks": …},
    /// "databases": [{"name": "parks", "path": "/srv/parks.db", "isMutable": true}], "bundledBinary": "/…/litestream",
    /// "programFolder": "/srv/venv/bin", "environment": {"PATH": "/usr/bin"}, "published": {"at": "/-/metadata.json",
    /// "settings": …, "databaseSettings": {"parks": …}}}</c>; settings are Datasette's, as they are, and published ones as a
    /// page of Datasette shows them. <c>programFolder</c>, the folder of Python, and <c>published</c> can be null or left out.
    /// </param>
    /// <returns>Warnings, one a line; empty for none.</returns>
    /// <exception cref="ReplicationException">Replication cannot start; the message is for the user.</exception>
    public string Start(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var parsed = StartRequest.Parse(request);
        _replicator = Task.Run(() => Replicator.StartAsync(parsed.Configuration, parsed.Host, EndProcess)).GetAwaiter().GetResult();
        _reporter = new StatusReporter(_replicator, parsed.Host.Time);
        return string.Join('\n', _replicator.Warnings);
    }

    /// <summary>How replication stands, and a page of the databases.</summary>
    /// <param name="query">A <see cref="StatusQuery"/> as JSON, such as <c>{"search": "parks", "sort": "lag", "page": 2}</c>; all is optional.</param>
    /// <returns>A <see cref="StatusReport"/> as JSON.</returns>
    public string Status(string query = "{}")
    {
        var parsed = JsonSerializer.Deserialize(query, StatusJson.Default.StatusQuery) ?? new StatusQuery();
        return JsonSerializer.Serialize(Wait(reporter => reporter.ReportAsync(parsed)), StatusJson.Default.StatusReport);
    }

    /// <summary>One database in full.</summary>
    /// <param name="name">Datasette's name for it.</param>
    /// <param name="range">How far back: <c>hour</c> or <c>day</c>.</param>
    /// <returns>A <see cref="DatabaseDetailReport"/> as JSON; empty where it is not replicated.</returns>
    public string Database(string name, string range)
    {
        var history = range == HistoryRange.Day.Name ? HistoryRange.Day : HistoryRange.Hour;
        return Wait(reporter => reporter.ReportDatabaseAsync(name, history)) is { } report
            ? JsonSerializer.Serialize(report, StatusJson.Default.DatabaseDetailReport)
            : "";
    }

    /// <summary>One database in a line.</summary>
    /// <param name="name">Datasette's name for it.</param>
    /// <returns>A <see cref="DatabaseStateReport"/> as JSON; empty where it is not replicated.</returns>
    public string DatabaseState(string name) =>
        Wait(reporter => reporter.ReportDatabaseStateAsync(name)) is { } report
            ? JsonSerializer.Serialize(report, StatusJson.Default.DatabaseStateReport)
            : "";

    /// <summary>Whether all is safe: a <see cref="HealthReport"/> as JSON.</summary>
    public string Health() => JsonSerializer.Serialize(Wait(reporter => reporter.ReportHealthAsync()), StatusJson.Default.HealthReport);

    /// <summary>The plugin's metrics and Litestream's, as Prometheus' text exposition.</summary>
    public string Metrics() => Wait(reporter => reporter.WriteMetricsAsync());

    /// <summary>Stops replication: Litestream replicates what it has yet to, and ends. Nothing where it has been called.</summary>
    /// <returns>What went wrong, in a sentence; empty where nothing did.</returns>
    public string Stop()
    {
        lock (_stopping)
        {
            if (_replicator is not { } replicator)
            {
                return "";
            }

            _replicator = null;
            _reporter?.Dispose();
            var timeout = _isFatal ? FatalTimeout * 0.75 : replicator.Plan.ShutdownTimeout;
            return Task.Run(() => replicator.StopAsync(timeout)).GetAwaiter().GetResult() ?? "";
        }
    }

    private T Wait<T>(Func<StatusReporter, Task<T>> ask)
    {
        var reporter = _reporter ?? throw new InvalidOperationException("not started");
        return Task.Run(() => ask(reporter)).GetAwaiter().GetResult();
    }

    // Without credentials there is no backup, and a Datasette that goes on without one would break its promise in silence.
    private void EndProcess(string message)
    {
        _isFatal = true;
        WriteError($"datasette-litestream: {message} Datasette ends.\n");
        _ = LibC.kill(Environment.ProcessId, LibC.SIGTERM);
        _ = Task.Run(async () =>
        {
            // A server that waits for its last request could wait for ever.
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

    private static void WriteError(string message)
    {
        using var stderr = new FileStream(new SafeFileHandle(2, ownsHandle: false), FileAccess.Write);
        stderr.Write(Encoding.UTF8.GetBytes(message));
    }
}
