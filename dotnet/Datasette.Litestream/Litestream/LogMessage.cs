namespace Datasette.Litestream.Litestream;

/// <summary>What a line of Litestream's log means to the plugin.</summary>
internal enum LogMeaning
{
    /// <summary>Nothing that anything is concluded from.</summary>
    None,

    /// <summary>Litestream has been started anew. Of 0.3, which has no socket to ask, it is all that tells so.</summary>
    Initialized,

    /// <summary>Something was brought to the replica, of a size that the line tells.</summary>
    Uploaded,

    /// <summary>What is written is not taken from the database; Litestream tells its replica's health apart from that.</summary>
    SyncFailed,

    /// <summary>Litestream ends as it was told to; an error comes before it or after it where there was one.</summary>
    ShutDown,
}

/// <summary>
/// A text of Litestream's log that something is concluded from. What Litestream logs changes from release to release, so
/// that each says in which it was seen; a test holds that against each Litestream at hand.
/// </summary>
/// <param name="Start">The beginning of the line's message.</param>
/// <param name="Meaning">What follows from it.</param>
/// <param name="SeenIn">The releases of Litestream that were seen to log it.</param>
internal sealed record LogMessage(string Start, LogMeaning Meaning, string[] SeenIn)
{
    public static IReadOnlyList<LogMessage> All { get; } =
    [
        new("initialized db", LogMeaning.Initialized, ["0.3.13", "0.5.17"]),
        new("snapshot written", LogMeaning.Uploaded, ["0.3.13"]),
        new("wal segment written", LogMeaning.Uploaded, ["0.3.13"]),
        new("sync error", LogMeaning.SyncFailed, ["0.3.13", "0.5.17"]),
        new("disk full while staging ltx file", LogMeaning.SyncFailed, ["0.5.17"]),
        new("litestream shut down", LogMeaning.ShutDown, ["0.3.13", "0.5.17"]),
    ];

    /// <summary>What a message means.</summary>
    public static LogMeaning MeaningOf(string message)
    {
        foreach (var text in All)
        {
            if (message.StartsWith(text.Start, StringComparison.Ordinal))
            {
                return text.Meaning;
            }
        }

        return LogMeaning.None;
    }
}
