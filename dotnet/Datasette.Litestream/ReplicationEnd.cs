using Datasette.Litestream.Daemon;
using Datasette.Litestream.Mirrors;

namespace Datasette.Litestream;

/// <summary>How replication has ended.</summary>
/// <param name="Litestream">How Litestream has.</param>
/// <param name="Lacks">The mirrors that lack the last changes.</param>
internal sealed record ReplicationEnd(StopResult Litestream, IReadOnlyList<MirrorLack> Lacks);
