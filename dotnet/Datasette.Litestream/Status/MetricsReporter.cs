using System.Collections.Immutable;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Metrics;

namespace Datasette.Litestream.Status;

/// <summary>Litestream's own metrics, told by Datasette's names.</summary>
internal sealed class MetricsReporter(Uri url, ImmutableArray<DatabasePlan> databases) : IDisposable
{
    private const string MetricPrefix = "litestream_";
    private const string PathLabel = "db", NameLabel = "database";

    private readonly MetricsReader _reader = new(url);
    private readonly Dictionary<string, string> _names = databases.ToDictionary(database => database.Path, database => database.Name, StringComparer.Ordinal);

    /// <summary>Those of some databases, and what was done at the replicas in all.</summary>
    public async Task<MetricsReport> ReportAsync(IReadOnlyList<DatabaseObservation> shown)
    {
        try
        {
            return Report(Exposition.Parse(await _reader.ReadAsync().ConfigureAwait(false)).ToList(), shown);
        }
        catch (Exception fault) when (IsNoAnswer(fault))
        {
            return new MetricsReport(
                url.ToString(), "Litestream does not answer there.", new Dictionary<string, IReadOnlyDictionary<string, double>>(), []);
        }
    }

    /// <summary>
    /// The families whose names start with <c>litestream_</c> as Prometheus' text exposition, with Datasette's name for the
    /// database as a label beside its path; empty where Litestream does not answer.
    /// </summary>
    public async Task<string> WriteAsync()
    {
        try
        {
            var text = new StringBuilder();
            foreach (var line in (await _reader.ReadAsync().ConfigureAwait(false)).Split('\n'))
            {
                if (line.StartsWith(MetricPrefix, StringComparison.Ordinal))
                {
                    text.Append(WithName(line)).Append('\n');
                }
                else if (line.StartsWith($"# HELP {MetricPrefix}", StringComparison.Ordinal)
                    || line.StartsWith($"# TYPE {MetricPrefix}", StringComparison.Ordinal))
                {
                    text.Append(line).Append('\n');
                }
            }

            return text.ToString();
        }
        catch (Exception fault) when (IsNoAnswer(fault))
        {
            return "";
        }
    }

    public void Dispose() => _reader.Dispose();

    private string WithName(string line)
    {
        if (Exposition.ParseSample(line) is not { } sample
            || !sample.Labels.TryGetValue(PathLabel, out var path)
            || !_names.TryGetValue(path, out var name))
        {
            return line;
        }

        var brace = line.IndexOf('{', StringComparison.Ordinal) + 1;
        return $"{line[..brace]}{NameLabel}=\"{Exposition.Escape(name)}\",{line[brace..]}";
    }

    private MetricsReport Report(List<MetricSample> samples, IReadOnlyList<DatabaseObservation> shown)
    {
        var names = shown.Select(database => database.Plan.Name).ToHashSet(StringComparer.Ordinal);
        var byDatabase = new Dictionary<string, IReadOnlyDictionary<string, double>>(StringComparer.Ordinal);
        var ofDatabases = samples.Where(sample =>
            sample.Name.StartsWith(MetricPrefix, StringComparison.Ordinal) && sample.Labels.ContainsKey(PathLabel) && double.IsFinite(sample.Value));
        foreach (var group in ofDatabases.GroupBy(sample => sample.Labels[PathLabel], StringComparer.Ordinal))
        {
            if (_names.TryGetValue(group.Key, out var name) && names.Contains(name))
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

    private static bool IsNoAnswer(Exception fault) => fault is HttpRequestException or OperationCanceledException or ObjectDisposedException;
}
