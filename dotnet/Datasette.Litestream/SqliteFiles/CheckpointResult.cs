namespace Datasette.Litestream.SqliteFiles;

/// <summary>How a checkpoint went.</summary>
/// <param name="Path">The database file.</param>
/// <param name="IsComplete">Whether everything in its write-ahead log is in the file now.</param>
/// <param name="IsLogRemoved">Whether the log is gone, as nobody else has the database open.</param>
/// <param name="Error">Why there was none, in a clause; null if there was one.</param>
internal sealed record CheckpointResult(string Path, bool IsComplete, bool IsLogRemoved, string? Error);
