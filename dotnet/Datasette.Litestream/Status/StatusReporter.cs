using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Metrics;

namespace Datasette.Litestream.Status;

/// <summary>Makes the <see cref="StatusReport"/> of one moment.</summary>
internal sealed class StatusReporter(Replicator replicator, TimeProvider time) : IDisposable
{
    /// <summary>Litestream 0.5 answers <c>/list</c> only when no first sync is under way, which an unreachable replica can hold up for minutes.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    private const string MetricPrefix = "litestream_";

    private readonly MetricsReader? _metrics = replicator.Plan.Metrics is { } address ? new MetricsReader(address.Url) : null;

    public async Task<StatusReport> ReportAsync()
    {
        var daemon = replicator.Daemon;
        var log = replicator.LogEntries;
        var databases = ReportDatabasesAsync(daemon, log);
        var metrics = ReportMetricsAsync();
        return Report(daemon, await databases.ConfigureAwait(false), log, await metrics.ConfigureAwait(false));
    }

    public void Dispose() => _metrics?.Dispose();

    private StatusReport Report(
        DaemonStatus? daemon, IReadOnlyList<DatabaseReport> databases, IReadOnlyList<LogEntry> log, MetricsReport? metrics)
    {
        var now = time.GetUtcNow();
        var binary = replicator.Binary;
        return new StatusReport(
            daemon is null ? "idle" : daemon.State.ToString().ToLowerInvariant(),
            Summarize(daemon, databases, now),
            new LitestreamReport(
                binary.Version.ToString(),
                binary.Path,
                binary.Origin,
                daemon?.ProcessId,
                daemon?.StartedAt,
                daemon?.StartedAt is { } started ? (now - started).TotalSeconds : null,
                daemon?.Failures ?? 0,
                daemon?.LastFailure is { } failure ? replicator.Redact(failure) : null,
                daemon?.LastFailureAt,
                daemon?.NextStartAt),
            replicator.Credentials is { } credentials
                ? new CredentialReport(
                    credentials.Source,
                    credentials.ReadAt,
                    credentials.ChangedAt,
                    credentials.Failure is { } fault ? replicator.Redact(fault) : null)
                : null,
            databases,
            [.. replicator.Plan.PassedOver.Select(database => new PassedOverReport(database.Name, database.Reason))],
            replicator.Warnings,
            replicator.ShownConfiguration,
            [.. log.Select(entry => new LogReport(entry.Time, entry.Level, entry.Message, entry.Details))],
            metrics);
    }

    private static string Summarize(DaemonStatus? daemon, IReadOnlyList<DatabaseReport> databases, DateTimeOffset now)
    {
        var failing = databases.Where(database => database.State != "replicating").Select(database => database.Name).ToList();
        return daemon switch
        {
            null => "No database is replicated.",
            { State: DaemonState.Waiting, NextStartAt: { } next } =>
                $"Litestream is down, and nothing is replicated. It is started again in {Math.Max(0, (next - now).TotalSeconds).ToString("0.#", CultureInfo.InvariantCulture)} s.",
            { State: not DaemonState.Running } => $"Litestream is {daemon.State.ToString().ToLowerInvariant()}.",
            _ when failing.Count == 0 => databases.Count == 1 ? "The database is replicated." : $"All {databases.Count} databases are replicated.",
            _ => $"{databases.Count - failing.Count} of {databases.Count} databases are replicated; look at {string.Join(", ", failing.Take(5))}{(failing.Count > 5 ? ", …" : "")}.",
        };
    }

    private async Task<IReadOnlyList<DatabaseReport>> ReportDatabasesAsync(DaemonStatus? daemon, IReadOnlyList<LogEntry> log)
    {
        var lastErrors = new Dictionary<string, LogEntry>(StringComparer.Ordinal);
        foreach (var entry in log.Where(entry => entry.Level == "ERROR" && entry.Database is not null))
        {
            lastErrors[entry.Database!] = entry;
        }

        using var deadline = new CancellationTokenSource(AnswerTimeout, time);
        var socket = replicator.Socket;
        var listed = socket is null ? [] : await ListAsync(socket, deadline.Token).ConfigureAwait(false);
        var reports = replicator.Plan.Databases.Select(async database =>
        {
            var txid = socket is null ? null : await GetTxidAsync(socket, database.Path, deadline.Token).ConfigureAwait(false);
            var listing = listed.GetValueOrDefault(database.Path);
            var error = lastErrors.GetValueOrDefault(database.Path) ?? lastErrors.GetValueOrDefault(Path.GetFileName(database.Path));
            if (error is not null && listing?.LastSyncAt > error.Time)
            {
                error = null;
            }

            return new DatabaseReport(
                database.Name,
                database.Path,
                [.. database.Replicas.Select(replica => replicator.Redact(replica.Destination))],
                State(daemon, socket, listing, error),
                error?.ToString(),
                txid,
                listing?.LastSyncAt);
        });
        return await Task.WhenAll(reports).ConfigureAwait(false);
    }

    private static string State(DaemonStatus? daemon, ControlSocket? socket, ListedDatabase? listing, LogEntry? error) =>
        daemon?.State != DaemonState.Running ? "stopped"
        : error is not null ? "failing"
        : socket is null ? "replicating"
        : listing is null ? "unknown"
        : listing.Status != "replicating" ? "stopped"
        : listing.LastSyncAt is null ? "starting"
        : "replicating";

    private static async Task<Dictionary<string, ListedDatabase>> ListAsync(ControlSocket socket, CancellationToken cancellation)
    {
        try
        {
            var databases = await socket.ListAsync(cancellation).ConfigureAwait(false);
            return databases.ToDictionary(database => database.Path, StringComparer.Ordinal);
        }
        catch (Exception fault) when (IsNoAnswer(fault))
        {
            return [];
        }
    }

    private static async Task<ulong?> GetTxidAsync(ControlSocket socket, string path, CancellationToken cancellation)
    {
        try
        {
            return await socket.GetTxidAsync(path, cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (IsNoAnswer(fault))
        {
            return null;
        }
    }

    private async Task<MetricsReport?> ReportMetricsAsync()
    {
        if (_metrics is null)
        {
            return null;
        }

        try
        {
            return Report(await _metrics.ReadAsync().ConfigureAwait(false), _metrics.Url);
        }
        catch (Exception fault) when (IsNoAnswer(fault))
        {
            return new MetricsReport(
                _metrics.Url.ToString(), "Litestream does not answer there.", new Dictionary<string, IReadOnlyDictionary<string, double>>(), []);
        }
    }

    private MetricsReport Report(IReadOnlyList<MetricSample> samples, Uri url)
    {
        var names = replicator.Plan.Databases.ToDictionary(database => database.Path, database => database.Name, StringComparer.Ordinal);
        var byDatabase = new Dictionary<string, IReadOnlyDictionary<string, double>>(StringComparer.Ordinal);
        var ofDatabases = samples.Where(sample => sample.Name.StartsWith(MetricPrefix, StringComparison.Ordinal) && sample.Labels.ContainsKey("db"));
        foreach (var group in ofDatabases.GroupBy(sample => sample.Labels["db"], StringComparer.Ordinal))
        {
            if (names.TryGetValue(group.Key, out var name))
            {
                // Checkpoints are counted by mode; the page shows their sum.
                byDatabase[name] = group
                    .GroupBy(sample => sample.Name[MetricPrefix.Length..], StringComparer.Ordinal)
                    .ToDictionary(family => family.Key, family => family.Sum(sample => sample.Value), StringComparer.Ordinal);
            }
        }

        var bytes = Operations("litestream_replica_operation_bytes").Concat(Operations("litestream_replica_operation_bytes_total"))
            .ToLookup(OperationKey, sample => sample.Value);
        return new MetricsReport(
            url.ToString(),
            null,
            byDatabase,
            [
                .. Operations("litestream_replica_operation_total").Select(sample => new OperationReport(
                    sample.Labels.GetValueOrDefault("replica_type", ""),
                    sample.Labels.GetValueOrDefault("operation", ""),
                    sample.Value,
                    bytes.Contains(OperationKey(sample)) ? bytes[OperationKey(sample)].First() : null)),
            ]);

        IEnumerable<MetricSample> Operations(string family) => samples.Where(sample => sample.Name == family);

        static (string?, string?) OperationKey(MetricSample sample) =>
            (sample.Labels.GetValueOrDefault("replica_type"), sample.Labels.GetValueOrDefault("operation"));
    }

    // Whoever stops or restarts Litestream disposes of the connection, also while this asks.
    private static bool IsNoAnswer(Exception fault) =>
        fault is HttpRequestException or JsonException or OperationCanceledException or ObjectDisposedException;
}
