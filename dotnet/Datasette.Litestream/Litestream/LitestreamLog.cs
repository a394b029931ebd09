using System.Runtime.InteropServices;
using System.Text;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The last lines that Litestream wrote, over all its restarts, without secrets. Written by the threads that read
/// Litestream's output, read by anybody.
/// </summary>
internal sealed class LitestreamLog(TimeProvider time)
{
    /// <summary>How many lines are kept.</summary>
    public const int Capacity = 500;

    // A line that never ends would be memory that never ends.
    private const int MaxLineBytes = 16 * 1024;

    private readonly Lock _writing = new();
    private readonly Queue<LogEntry> _entries = new(Capacity);
    private volatile Redactor _redactor = new([]);
    private volatile LogStatistics _statistics = LogStatistics.Empty;
    private IReadOnlyList<LogEntry>? _snapshot;
    private long _lineCount;

    /// <summary>What all lines told of each database, of those too that are not kept any more.</summary>
    public LogStatistics Statistics => _statistics;

    /// <summary>How many lines there have been.</summary>
    public long LineCount => Interlocked.Read(ref _lineCount);

    /// <summary>What takes secrets out of lines from now on.</summary>
    public Redactor Redactor
    {
        get => _redactor;
        set => _redactor = value;
    }

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

    /// <summary>A sink for the pieces of one output stream; each stream needs one of its own, since lines span pieces.</summary>
    /// <param name="onEntry">Told of every line, on the thread that reads the output.</param>
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
                // The last words of one that was cut off have no line break.
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
        // Once before the line is read, since it may be no JSON, and once after, since JSON may have escaped a secret.
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
