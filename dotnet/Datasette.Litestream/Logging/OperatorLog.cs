namespace Datasette.Litestream.Logging;

/// <summary>
/// What the plugin decides, one line each on Datasette's standard error, in the form of uvicorn's own lines, which are the
/// rest of Datasette's output: <c>WARNING:  datasette-litestream: Litestream ended by itself with signal 9.</c>
/// Can be written to by any thread.
/// </summary>
internal sealed class OperatorLog
{
    private readonly LogLevel _max;
    private readonly Action<string> _write;
    private readonly Func<string, string> _redact;

    /// <param name="max">What is of less weight than this is not written.</param>
    /// <param name="write">Gets each line, with its line break.</param>
    /// <param name="redact">Takes secrets out.</param>
    public OperatorLog(LogLevel max, Action<string> write, Func<string, string> redact) => (_max, _write, _redact) = (max, write, redact);

    /// <summary>Writes a sentence, in a line of its own whatever it holds.</summary>
    public void Write(LogLevel level, string sentence)
    {
        if (level <= _max)
        {
            _write(Line(level, _redact(sentence)));
        }
    }

    /// <summary>The line of a sentence, with its line break.</summary>
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
