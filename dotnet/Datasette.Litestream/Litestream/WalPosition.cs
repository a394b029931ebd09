using System.Collections.Immutable;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// How far Litestream 0.3 has come with one database, which it tells only in its metrics. Source: <c>db.go</c> and
/// <c>replica.go</c> of v0.3.13, which count a sync when it ends.
/// </summary>
/// <param name="SyncCount">How many syncs have ended.</param>
/// <param name="SyncErrorCount">How many of them failed.</param>
/// <param name="Synced">How far it has read the write-ahead log.</param>
/// <param name="Replicated">How far the replica that is furthest behind has come; null if none has.</param>
internal sealed record WalPosition(double SyncCount, double SyncErrorCount, (double Index, double Offset) Synced, (double Index, double Offset)? Replicated)
{
    /// <summary>The positions of all databases, by the path of their files.</summary>
    /// <param name="exposition">Litestream's metrics as Prometheus' text exposition.</param>
    public static ImmutableDictionary<string, WalPosition> Parse(string exposition)
    {
        var databases = new Dictionary<string, Figures>(StringComparer.Ordinal);
        foreach (var sample in Exposition.Parse(exposition))
        {
            if (!sample.Labels.TryGetValue("db", out var path))
            {
                continue;
            }

            if (!databases.TryGetValue(path, out var figures))
            {
                databases[path] = figures = new Figures();
            }

            figures.Add(sample);
        }

        return databases.ToImmutableDictionary(database => database.Key, database => database.Value.ToPosition(), StringComparer.Ordinal);
    }

    /// <summary>The figures of one database, each under its metric's name and, for a replica's, the replica's name.</summary>
    private sealed class Figures
    {
        private readonly Dictionary<string, double> _values = new(StringComparer.Ordinal);
        private readonly Dictionary<string, (double Index, double Offset)> _replicas = new(StringComparer.Ordinal);

        public void Add(MetricSample sample)
        {
            var replica = sample.Labels.GetValueOrDefault("name", "");
            var known = _replicas.GetValueOrDefault(replica);
            switch (sample.Name)
            {
                case "litestream_replica_wal_index":
                    _replicas[replica] = (sample.Value, known.Offset);
                    break;
                case "litestream_replica_wal_offset":
                    _replicas[replica] = (known.Index, sample.Value);
                    break;
                default:
                    _values[sample.Name] = sample.Value;
                    break;
            }
        }

        public WalPosition ToPosition() => new(
            _values.GetValueOrDefault("litestream_sync_count"),
            _values.GetValueOrDefault("litestream_sync_error_count"),
            (_values.GetValueOrDefault("litestream_shadow_wal_index"), _values.GetValueOrDefault("litestream_shadow_wal_size")),
            _replicas.Count == 0 ? null : _replicas.Values.Min());
    }
}
