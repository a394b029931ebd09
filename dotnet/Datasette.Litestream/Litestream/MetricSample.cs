namespace Datasette.Litestream.Litestream;

/// <summary>One sample of Prometheus' text exposition.</summary>
internal sealed record MetricSample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);
