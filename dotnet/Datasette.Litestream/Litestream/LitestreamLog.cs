using System.Runtime.InteropServices;
using System.Text;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The last lines of Litestream's log, across restarts, without secrets. The threads that read Litestream's output write to it;
/// any thread may read it.
/// </summary>
internal sealed class LitestreamLog(TimeProvider time)
{
    /// <summary>How many lines are kept.</summary>
    public const int Capacity = 500;

    // The limit keeps an endless line from filling the memory.
    private const int MaxLineBytes = 16 * 1024;

    private readonly Lock _writing = new();
    private readonly Queue<LogEntry> _entries = new(Capacity);
    private volatile Redactor _redactor = new([]);
    private volatile LogStatistics _statistics = LogStatistics.Empty;
    private IReadOnlyList<LogEntry>? _snapshot;
    private long _lineCount;

    /// <summary>The figures of all lines by database, including lines that are no longer kept.</summary>
    public LogStatistics Statistics => _statistics;

    /// <summary>The number of lines so far.</summary>
    public long LineCount => Interlocked.Read(ref _lineCount);

    /// <summary>The redactor for new lines.</summary>
    public Redactor Redactor
    {
        get => _redactor;
        set => _redactor = value;
    }

    /// <summary>Removes secrets from text that is not a line of the log.</summary>
    public string Redact(string text) => _redactor.Redact(text);

    /// <summary>The lines kept, oldest first.</summary>
    public IReadOnlyList<LogEntry> Entries
    {
        get
        {
            lock (_writing)
            {
                return _snapshot ??= [.. _entries];
            }
        }
    }

    /// <summary>Creates a sink for the pieces of one output stream; each stream needs its own, since lines span pieces.</summary>
    /// <param name="onEntry">Called for every line, on the thread that reads the output.</param>
    public Action<ReadOnlyMemory<byte>> CreateSink(Action<LogEntry> onEntry)
    {
        var line = new List<byte>();
        return piece =>
        {
            var rest = piece.Span;
            for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
            {
                Append(rest[..end]);
                Finish();
                rest = rest[(end + 1)..];
            }

            Append(rest);
            if (piece.IsEmpty)
            {
                // The last line of a killed process may have no line break.
                Finish();
            }
        };

        void Append(ReadOnlySpan<byte> part) => line.AddRange(part[..Math.Min(part.Length, MaxLineBytes - line.Count)]);

        void Finish()
        {
            var text = Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(line)).TrimEnd('\r');
            line.Clear();
            if (text.Length > 0)
            {
                onEntry(Add(text));
            }
        }
    }

    /// <summary>Adds a line: one of Litestream's, or one of the plugin's own about it.</summary>
    public LogEntry Add(string line)
    {
        // Redact before parsing, since the line may not be JSON, and after it, since JSON may have escaped a secret.
        var redactor = _redactor;
        var entry = LogEntry.Parse(redactor.Redact(line), time.GetUtcNow());
        entry = entry with { Message = redactor.Redact(entry.Message), Details = redactor.Redact(entry.Details) };
        lock (_writing)
        {
            _statistics = _statistics.With(entry);
            _lineCount++;
            _snapshot = null;
            if (_entries.Count == Capacity)
            {
                _entries.Dequeue();
            }

            _entries.Enqueue(entry);
        }

        return entry;
    }
}
