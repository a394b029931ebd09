using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Commands;

/// <summary>
/// Where a command writes: what was asked for to one descriptor, everything else to another. If nobody reads it any more, as after
/// <c>| head</c>, nothing is written, and the command does its work. Any thread may use it.
/// </summary>
/// <param name="output">The descriptor for what was asked for.</param>
/// <param name="error">The descriptor for everything else.</param>
internal sealed class Terminal(int output, int error)
{
    private static readonly JsonWriterOptions Readable = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _writing = new();
    private readonly bool _isTerminal = LibC.IsTerminal(error);
    private bool _hasProgress;

    /// <summary>Writes a line of what was asked for.</summary>
    public void Write(string line) => WriteTo(output, $"{line}\n");

    /// <summary>Writes bytes of what was asked for.</summary>
    public void Write(ReadOnlyMemory<byte> bytes)
    {
        lock (_writing)
        {
            LibC.WriteAll(output, bytes.ToArray());
        }
    }

    /// <summary>Writes JSON as what was asked for.</summary>
    public void Write(JsonNode json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, Readable))
        {
            json.WriteTo(writer);
        }

        Write(Encoding.UTF8.GetString(bytes.WrittenSpan));
    }

    /// <summary>Writes columns, each as wide as its longest text.</summary>
    /// <param name="rows">Rows of the same number of texts; the first is that of the titles.</param>
    public void Write(IReadOnlyList<string[]> rows)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            Write(string.Join("  ", row.Select((text, column) => text.PadRight(widths[column]))).TrimEnd());
        }
    }

    /// <summary>Writes a line that was not asked for.</summary>
    public void Note(string line) => WriteTo(error, $"{line}\n");

    /// <summary>Writes an error.</summary>
    public void Fail(string message) => Note($"Error: {message}");

    /// <summary>Shows how far something is, in place of what was shown before; does nothing if nobody looks on.</summary>
    public void Progress(string text)
    {
        if (_isTerminal)
        {
            lock (_writing)
            {
                LibC.WriteAll(error, Encoding.UTF8.GetBytes($"\r{text}\e[K"));
                _hasProgress = true;
            }
        }
    }

    private void WriteTo(int descriptor, string text)
    {
        lock (_writing)
        {
            if (_hasProgress)
            {
                LibC.WriteAll(error, "\r\e[K"u8.ToArray());
                _hasProgress = false;
            }

            LibC.WriteAll(descriptor, Encoding.UTF8.GetBytes(text));
        }
    }
}
