namespace Datasette.Litestream.Observation;

/// <summary>A database that Litestream runs without because somebody wants that.</summary>
/// <param name="Since">Since when.</param>
/// <param name="Actor">The id of Datasette's actor who paused it.</param>
internal sealed record Pause(DateTimeOffset Since, string Actor);
