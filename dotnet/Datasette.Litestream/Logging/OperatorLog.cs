namespace Datasette.Litestream.Logging;

/// <summary>
/// Writes the plugin's messages to Datasette's standard error, one line each, in the format of uvicorn, which writes the rest
/// of Datasette's output: <c>WARNING:  datasette-litestream: Litestream ended by itself with signal 9.</c> Any thread can write
/// to it. Sentences are written as they are: whoever makes one takes the secrets out of the words of others in it.
/// </summary>
internal sealed class OperatorLog
{
    private readonly LogLevel _max;
    private readonly Action<string> _write;
    private readonly Action<LogLevel, string>? _notify;

    /// <param name="max">The level up to which messages are written.</param>
    /// <param name="write">Receives each line, with its line break.</param>
    /// <param name="notify">Receives each warning and error as one line, whatever is written; null for nobody.</param>
    public OperatorLog(LogLevel max, Action<string> write, Action<LogLevel, string>? notify = null) =>
        (_max, _write, _notify) = (max, write, notify);

    /// <summary>Writes a sentence as one line, even if it contains line breaks, and notifies of it.</summary>
    public void Write(LogLevel level, string sentence)
    {
        WriteOnly(level, sentence);
        if (level <= LogLevel.Warning)
        {
            _notify?.Invoke(level, sentence.ReplaceLineEndings(" "));
        }
    }

    /// <summary>Writes a sentence as one line, and notifies nobody.</summary>
    public void WriteOnly(LogLevel level, string sentence)
    {
        if (level <= _max)
        {
            _write(Line(level, sentence));
        }
    }

    /// <summary>Formats a sentence as a line, with its line break.</summary>
    public static string Line(LogLevel level, string sentence)
    {
        var prefix = level switch
        {
            LogLevel.Error => "ERROR:    ",
            LogLevel.Warning => "WARNING:  ",
            _ => "INFO:     ",
        };
        return $"{prefix}datasette-litestream: {sentence.ReplaceLineEndings(" ")}\n";
    }
}
