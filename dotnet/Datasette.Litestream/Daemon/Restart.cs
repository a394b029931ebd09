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

    /// <summary>There were new credentials.</summary>
    Credentials,
}

/// <summary>One occasion on which Litestream was started again.</summary>
/// <param name="At">When it ended.</param>
/// <param name="Reason">Why.</param>
/// <param name="Message">What happened, in words.</param>
/// <param name="HasFailed">Whether something went wrong, beyond that it had to be started again.</param>
internal sealed record Restart(DateTimeOffset At, RestartReason Reason, string Message, bool HasFailed = true);
