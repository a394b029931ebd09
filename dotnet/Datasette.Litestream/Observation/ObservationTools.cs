using Datasette.Litestream.Replicas;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Observation;

/// <summary>The child processes that observing needs.</summary>
/// <param name="SqliteProgram">Reads SQLite files.</param>
/// <param name="Probe">Has Litestream judge destinations; null for a release line that cannot.</param>
internal sealed record ObservationTools(SqliteProgram SqliteProgram, ReplicaProbe? Probe);
