using System.Collections.Immutable;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Reporting;

/// <summary>Reports Litestream's own metrics under Datasette's names for the databases.</summary>
internal sealed class MetricsReporter(Uri url, Func<ImmutableArray<DatabasePlan>> databases, TimeProvider time) : IDisposable
{
    /// <summary>
    /// The age at which metrics are refreshed in the background, and the age at which a caller waits for the refresh.
    /// </summary>
    /// <remarks>Litestream takes 10 ms to serve the metrics of a hundred databases.</remarks>
    private static readonly TimeSpan RefreshAge = TimeSpan.FromSeconds(2), MaxAge = TimeSpan.FromSeconds(10);

    private const string MetricPrefix = "litestream_";
    private const string PathLabel = "db", NameLabel = "database";

    private readonly MetricsReader _reader = new(url);
    private readonly Lock _access = new();
    private Reading? _latest, _next;

    /// <summary>Starts reading the metrics if necessary, so that they arrive while the caller does other work.</summary>
    public void Prepare() => _ = LatestAsync();

    /// <summary>The metrics of some databases, at most 10 s old, and the operations at all replicas.</summary>
    public async Task<MetricsReport> ReportAsync(IReadOnlyList<DatabasePlan> shown)
    {
        try
        {
            var all = await LatestAsync().ConfigureAwait(false);
            var shownValues = new Dictionary<string, IReadOnlyDictionary<string, double>>(StringComparer.Ordinal);
            foreach (var database in shown)
            {
                if (all.Databases.TryGetValue(database.Path, out var values))
                {
                    shownValues[database.Name] = values;
                }
            }

            return all with { Databases = shownValues };
        }
        catch (Exception ex) when (IsUnavailable(ex))
        {
            return new MetricsReport(
                url.ToString(), "Litestream does not answer there.", new Dictionary<string, IReadOnlyDictionary<string, double>>(), []);
        }
    }

    /// <summary>
    /// The metrics whose names start with <c>litestream_</c> as Prometheus' text exposition, with Datasette's name for the
    /// database as a label next to its path; empty if Litestream does not answer.
    /// </summary>
    public async Task<string> WriteAsync()
    {
        try
        {
            var text = new StringBuilder();
            var names = databases().ToDictionary(database => database.Path, database => database.Name, StringComparer.Ordinal);
            foreach (var line in (await _reader.ReadAsync().ConfigureAwait(false)).Split('\n'))
            {
                if (line.StartsWith(MetricPrefix, StringComparison.Ordinal))
                {
                    text.Append(WithName(line, names)).Append('\n');
                }
                else if (line.StartsWith($"# HELP {MetricPrefix}", StringComparison.Ordinal)
                    || line.StartsWith($"# TYPE {MetricPrefix}", StringComparison.Ordinal))
                {
                    text.Append(line).Append('\n');
                }
            }

            return text.ToString();
        }
        catch (Exception ex) when (IsUnavailable(ex))
        {
            return "";
        }
    }

    public void Dispose() => _reader.Dispose();

    private static string WithName(string line, Dictionary<string, string> names)
    {
        if (Exposition.ParseSample(line) is not { } sample
            || !sample.Labels.TryGetValue(PathLabel, out var path)
            || !names.TryGetValue(path, out var name))
        {
            return line;
        }

        var brace = line.IndexOf('{', StringComparison.Ordinal) + 1;
        return $"{line[..brace]}{NameLabel}=\"{Exposition.Escape(name)}\",{line[brace..]}";
    }

    /// <summary>The latest metrics if they are recent, while a refresh runs in the background.</summary>
    private Task<MetricsReport> LatestAsync()
    {
        lock (_access)
        {
            if (_next is { Answer.IsCompleted: true })
            {
                _latest = _next;
            }

            if (_next is null || (_next == _latest && time.GetElapsedTime(_next.StartedAt) >= RefreshAge))
            {
                _next = new Reading(time.GetTimestamp(), ReadAsync());
            }

            return _latest is { Answer.IsCompletedSuccessfully: true } && time.GetElapsedTime(_latest.StartedAt) < MaxAge ? _latest.Answer : _next.Answer;
        }
    }

    private async Task<MetricsReport> ReadAsync() => Report(Exposition.Parse(await _reader.ReadAsync().ConfigureAwait(false)));

    /// <summary>The metrics of all databases, by path.</summary>
    private MetricsReport Report(IEnumerable<MetricSample> all)
    {
        var samples = all.ToList();
        var byPath = new Dictionary<string, IReadOnlyDictionary<string, double>>(StringComparer.Ordinal);
        foreach (var sample in samples)
        {
            if (sample.Name.StartsWith(MetricPrefix, StringComparison.Ordinal)
                && double.IsFinite(sample.Value)
                && sample.Labels.TryGetValue(PathLabel, out var path))
            {
                if (!byPath.TryGetValue(path, out var values))
                {
                    byPath[path] = values = new Dictionary<string, double>(StringComparer.Ordinal);
                }

                // Litestream counts checkpoints by mode; the page shows their sum.
                var family = sample.Name[MetricPrefix.Length..];
                ((Dictionary<string, double>)values)[family] = values.GetValueOrDefault(family) + sample.Value;
            }
        }

        var bytes = Operations("litestream_replica_operation_bytes").Concat(Operations("litestream_replica_operation_bytes_total"))
            .ToLookup(OperationKey, sample => sample.Value);
        return new MetricsReport(
            url.ToString(),
            null,
            byPath,
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

    /// <param name="StartedAt">The clock's timestamp at the start of the request.</param>
    /// <param name="Answer">The metrics, once they have been read.</param>
    private sealed record Reading(long StartedAt, Task<MetricsReport> Answer);

    private static bool IsUnavailable(Exception error) => error is HttpRequestException or OperationCanceledException or ObjectDisposedException;
}
