namespace Datasette.Litestream.Observation;

/// <summary>A database that Datasette does not serve any more, and that is replicated until its last changes are known to be safe.</summary>
/// <param name="Since">When that was noticed.</param>
/// <param name="Error">Why its last changes could not be replicated at the last try, for people; null before that.</param>
internal sealed record Detaching(DateTimeOffset Since, string? Error = null);
