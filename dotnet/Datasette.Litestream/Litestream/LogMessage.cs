namespace Datasette.Litestream.Litestream;

/// <summary>The meaning of a line of Litestream's log for the plugin.</summary>
internal enum LogMeaning
{
    /// <summary>The plugin does not use the line.</summary>
    None,

    /// <summary>
    /// Litestream has opened a database. For 0.3, which has no control socket, this is the only sign that it is ready.
    /// </summary>
    Initialized,

    /// <summary>Litestream uploaded something; the line contains its size.</summary>
    Uploaded,

    /// <summary>Litestream could not sync the database; it reports the health of the replica separately.</summary>
    SyncFailed,

    /// <summary>Litestream could not upload to the replica.</summary>
    UploadFailed,

    /// <summary>Litestream could not merge the files of one level at the replica.</summary>
    CompactionFailed,

    /// <summary>Litestream has merged the files of one level at the replica.</summary>
    Compacted,

    /// <summary>Litestream was told to end.</summary>
    ShuttingDown,

    /// <summary>Litestream ends as requested; an error, if any, is logged before or after this line.</summary>
    ShutDown,
}

/// <summary>
/// A message of Litestream's log from which the plugin draws conclusions. Messages change between releases, so each lists the
/// releases that log it; a test checks that with every available Litestream.
/// </summary>
/// <param name="Start">The beginning of the line's message.</param>
/// <param name="Meaning">Its meaning.</param>
/// <param name="SeenIn">The releases of Litestream that are known to log it.</param>
internal sealed record LogMessage(string Start, LogMeaning Meaning, string[] SeenIn)
{
    public static IReadOnlyList<LogMessage> All { get; } =
    [
        new("initialized db", LogMeaning.Initialized, ["0.3.13", "0.5.17"]),
        new("snapshot written", LogMeaning.Uploaded, ["0.3.13"]),
        new("wal segment written", LogMeaning.Uploaded, ["0.3.13"]),
        new("sync error", LogMeaning.SyncFailed, ["0.3.13", "0.5.17"]),
        new("disk full while staging ltx file", LogMeaning.SyncFailed, ["0.5.17"]),
        new("monitor error", LogMeaning.UploadFailed, ["0.3.13", "0.5.17"]),
        new("compaction failed", LogMeaning.CompactionFailed, ["0.5.17"]),
        new("compaction complete", LogMeaning.Compacted, ["0.5.17"]),
        new("snapshot complete", LogMeaning.Compacted, ["0.5.17"]),
        new("signal received, litestream shutting down", LogMeaning.ShuttingDown, ["0.3.13", "0.5.17"]),
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
