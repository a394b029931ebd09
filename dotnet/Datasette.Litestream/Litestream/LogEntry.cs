using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// One line of Litestream's log. What it means and which database it is about is read before secrets are taken out, since a
/// secret can be a word of either.
/// </summary>
/// <param name="Time">When Litestream wrote it, or when it arrived if the line contains no time.</param>
/// <param name="Level">INFO, WARN, ERROR or DEBUG.</param>
/// <param name="Message">What happened.</param>
/// <param name="Database">The database that it is about, as Litestream names it (its file's name or path), to
/// compare with and not to be shown; null if there is none.</param>
/// <param name="Details">Litestream's other attributes as <c>key=value</c>.</param>
/// <param name="UploadedBytes">The bytes that Litestream 0.3 reports as uploaded to a replica; null if the line reports no
/// upload.</param>
internal sealed record LogEntry(
    DateTimeOffset Time, string Level, string Message, string? Database, string Details, long? UploadedBytes = null)
{
    /// <summary>The level of a snapshot, whose line does not name it.</summary>
    private const int SnapshotLevel = 9;

    private readonly LogMeaning _meaning = LogMessage.MeaningOf(Message);

    /// <summary>The level at the replica that a line about compaction is about.</summary>
    public int CompactionLevel { get; init; } = SnapshotLevel;

    /// <summary>The last transaction of a snapshot that was written; null in other lines.</summary>
    public ulong? SnapshotTxid { get; init; }

    /// <summary>The destination that could not be used, according to the line; null in other lines.</summary>
    public DestinationRefusal? Refusal { get; init; } = DestinationRefusal.Parse(Message);

    /// <inheritdoc cref="LogMeaning.CompactionFailed"/>
    public bool IsCompactionError => IsError && _meaning == LogMeaning.CompactionFailed;

    /// <summary>Whether files cannot be merged since one between them is missing, so that no later try will succeed either.</summary>
    public bool IsGap => IsCompactionError && Details.Contains("non-contiguous transaction ids", StringComparison.Ordinal);

    /// <inheritdoc cref="LogMeaning.Compacted"/>
    public bool IsCompacted => _meaning == LogMeaning.Compacted;

    /// <inheritdoc cref="LogMeaning.UploadFailed"/>
    public bool IsUploadError => IsError && _meaning == LogMeaning.UploadFailed;

    public bool IsError => Level == "ERROR";

    /// <summary>Whether Litestream failed to sync the database.</summary>
    public bool IsSyncError => IsError && _meaning == LogMeaning.SyncFailed;

    /// <inheritdoc cref="LogMeaning.Initialized"/>
    public bool IsInitialized => _meaning == LogMeaning.Initialized;

    /// <inheritdoc cref="LogMeaning.ShuttingDown"/>
    public bool IsShuttingDown => _meaning == LogMeaning.ShuttingDown;

    /// <inheritdoc cref="LogMeaning.ShutDown"/>
    public bool IsShutDown => _meaning == LogMeaning.ShutDown;

    /// <summary>
    /// Parses a line: a JSON object of Go's log/slog (https://pkg.go.dev/log/slog), or plain text, which Litestream writes if
    /// it fails before it sets up its log.
    /// </summary>
    /// <param name="line">Without its line break.</param>
    /// <param name="now">The time to use if the line has none.</param>
    public static LogEntry Parse(string line, DateTimeOffset now)
    {
        if (!line.StartsWith('{'))
        {
            return new LogEntry(now, line.StartsWith("Error: ", StringComparison.Ordinal) ? "ERROR" : "INFO", line, null, "");
        }

        try
        {
            using var document = JsonDocument.Parse(line);
            return FromJson(document.RootElement, now);
        }
        catch (Exception ex) when (ex is JsonException or InvalidOperationException)
        {
            // A lone surrogate is valid in JSON, but not in a string.
            return new LogEntry(now, "INFO", line, null, "");
        }
    }

    /// <summary>A copy without secrets in what is shown of the line.</summary>
    /// <param name="redact">Takes them out of a text.</param>
    public LogEntry Redacted(Func<string, string> redact) => this with
    {
        Message = redact(Message),
        Details = redact(Details),
        Refusal = Refusal is null ? null : Refusal with { Cause = redact(Refusal.Cause) },
    };

    public override string ToString() => string.Join(' ', new[] { Level, Message, Details }.Where(part => part.Length > 0));

    private static LogEntry FromJson(JsonElement line, DateTimeOffset now)
    {
        var time = now;
        string? level = null;
        long bytes = 0;
        var compactionLevel = SnapshotLevel;
        ulong? snapshot = null;
        var message = "";
        string? database = null;
        var details = new List<string>();
        foreach (var attribute in line.EnumerateObject())
        {
            var value = attribute.Value.ValueKind == JsonValueKind.String ? attribute.Value.GetString()! : attribute.Value.GetRawText();
            switch (attribute.Name)
            {
                case "time" when DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, out var written):
                    // Litestream writes local time.
                    time = written.ToUniversalTime();
                    break;
                // slog's level comes first; lines about compaction also have a numeric attribute of that name.
                case "level" when level is null:
                    level = value;
                    break;
                case "level" when attribute.Value.ValueKind == JsonValueKind.Number && attribute.Value.TryGetInt32(out compactionLevel):
                    details.Add($"level={value}");
                    break;
                case "msg":
                    message = value;
                    break;
                case "db" or "path":
                    database ??= value;
                    details.Add($"{attribute.Name}={value}");
                    break;
                case "sz" when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out bytes):
                    details.Add($"{attribute.Name}={value}");
                    break;
                // slog writes a duration as nanoseconds.
                case "backoff" or "duration" or "elapsed" or "interval" or "retention" or "sync-interval" when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var nanoseconds):
                    details.Add($"{attribute.Name}={GoDuration.Format(TimeSpan.FromMilliseconds(nanoseconds / 1_000_000))}");
                    break;
                case "txid" when ulong.TryParse(value, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var txid):
                    snapshot = txid;
                    details.Add($"{attribute.Name}={value}");
                    break;
                default:
                    details.Add($"{attribute.Name}={value}");
                    break;
            }
        }

        return new LogEntry(
            time,
            level ?? "INFO",
            message,
            database,
            string.Join(' ', details),
            LogMessage.MeaningOf(message) == LogMeaning.Uploaded ? bytes : null)
        {
            CompactionLevel = compactionLevel,
            SnapshotTxid = snapshot,
        };
    }
}
