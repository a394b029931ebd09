namespace Datasette.Litestream.Daemon;

/// <summary>Why Litestream was started again.</summary>
internal enum RestartReason
{
    /// <summary>It ended by itself, or supervising it failed.</summary>
    Crash,

    /// <summary>It did not answer on its control socket.</summary>
    Unresponsive,

    /// <summary>It did not become ready.</summary>
    FailedStart,

    /// <summary>The credentials changed.</summary>
    Credentials,

    /// <summary>A destination refused, so that Litestream runs without its database, or answered again.</summary>
    Destination,

    /// <summary>A database is replicated anew, or taken in again, after a fault.</summary>
    Renewal,

    /// <summary>Another Datasette writes to a destination, or no longer does.</summary>
    Writer,

    /// <summary>Somebody restarted it by hand, or paused or resumed a database.</summary>
    Manual,

    /// <summary>A database was attached or detached, of which Litestream cannot be told while it runs.</summary>
    Databases,
}

/// <summary>One restart of Litestream.</summary>
/// <param name="At">When it ended.</param>
/// <param name="Reason">Why it was restarted.</param>
/// <param name="Message">What happened, in words.</param>
/// <param name="HasFailed">Whether something went wrong, as opposed to a planned restart without errors.</param>
internal sealed record Restart(DateTimeOffset At, RestartReason Reason, string Message, bool HasFailed = true);
