namespace Datasette.Litestream.Observation;

/// <summary>What somebody downloaded of a database.</summary>
/// <param name="At">The time that was asked for; null for the newest state.</param>
/// <param name="Point">Which state it is, as Litestream names it; empty where only Litestream can find it.</param>
/// <param name="From">The destination.</param>
/// <param name="Bytes">How large it is.</param>
internal sealed record DownloadedState(DateTimeOffset? At, string Point, string From, long Bytes);
