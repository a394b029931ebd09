namespace Datasette.Litestream.SqliteFiles;

/// <summary>What came of comparing a restored database with the live one.</summary>
/// <param name="Differences">The tables and other parts of the schema that differ; empty if none does, null if they could not be compared.</param>
/// <param name="Mark">Another text each time that the live database has changed; null if it could not be read.</param>
/// <param name="Error">Why they could not be compared; null if they were.</param>
internal sealed record FileComparison(IReadOnlyList<string>? Differences, string? Mark, string? Error);
