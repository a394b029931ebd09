using System.Runtime.InteropServices;
using System.Text;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// The last lines of Litestream's log, across restarts, without secrets in what is shown of them. The threads that read
/// Litestream's output write to it; any thread may read it.
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

    /// <summary>The redactor for what is shown of new lines.</summary>
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
            // A character that was cut in two is no part of a secret.
            var isCut = line.Count == MaxLineBytes;
            var text = Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(line)).TrimEnd(isCut ? '\uFFFD' : '\r');
            line.Clear();
            if (text.Length > 0)
            {
                onEntry(Add(text, isCut));
            }
        }
    }

    /// <summary>Forgets the figures of databases that are no longer replicated; their lines stay as long as others.</summary>
    /// <param name="names">What the log calls them.</param>
    public void Forget(IEnumerable<string> names)
    {
        lock (_writing)
        {
            _statistics = _statistics.Without(names);
        }
    }

    /// <summary>Adds a line: one of Litestream's, or one of the plugin's own about it.</summary>
    /// <param name="line">The line.</param>
    /// <param name="isCut">Whether more of it is missing.</param>
    public LogEntry Add(string line, bool isCut = false)
    {
        var redactor = _redactor;
        var entry = LogEntry.Parse(line, time.GetUtcNow()).Redacted(text => redactor.Redact(text, isCut));
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
