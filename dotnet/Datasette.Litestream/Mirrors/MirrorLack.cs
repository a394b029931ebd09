using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Mirrors;

/// <summary>A mirror that lacks the last changes of its database at the end.</summary>
/// <param name="Database">The database.</param>
/// <param name="Replica">The mirror.</param>
/// <param name="Error">Why, as a finished short cause; null if only the time was too short.</param>
internal sealed record MirrorLack(DatabasePlan Database, ReplicaPlan Replica, string? Error);
