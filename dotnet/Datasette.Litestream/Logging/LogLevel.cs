namespace Datasette.Litestream.Logging;

/// <summary>How much the plugin says on standard error, each including those above it.</summary>
internal enum LogLevel
{
    /// <summary>Replication has ended, or what was written last may not be replicated.</summary>
    Error,

    /// <summary>What an operator must know: Litestream is down or back, credentials cannot be refreshed, a database is not replicated.</summary>
    Warning,

    /// <summary>What happens in the usual course: starts, stops, new credentials.</summary>
    Info,
}
