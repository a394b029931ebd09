namespace Datasette.Litestream.Logging;

/// <summary>The log levels of the plugin on standard error; each includes those above it.</summary>
internal enum LogLevel
{
    /// <summary>Replication has ended, or the last changes may not be replicated.</summary>
    Error,

    /// <summary>What an operator must know: Litestream is down or back, credentials cannot be refreshed, a database is not replicated.</summary>
    Warning,

    /// <summary>Normal events: starts, stops, new credentials.</summary>
    Info,
}
