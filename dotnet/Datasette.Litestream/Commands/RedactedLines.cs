using System.Text;
using Datasette.Litestream.Secrets;

namespace Datasette.Litestream.Commands;

/// <summary>Passes the output of a child on in whole lines, without secrets, which two pieces may share. One thread writes to it.</summary>
/// <param name="write">Receives each line, without its line break.</param>
internal sealed class RedactedLines(Action<string> write)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder _line = new();

    /// <summary>Adds a piece; an empty one is the end.</summary>
    public void Add(ReadOnlyMemory<byte> piece, Redactor redactor)
    {
        var text = new char[Encoding.UTF8.GetMaxCharCount(piece.Length)];
        var count = _decoder.GetChars(piece.Span, text, flush: piece.IsEmpty);
        foreach (var character in text.AsSpan(0, count))
        {
            if (character == '\n')
            {
                Flush(redactor);
            }
            else
            {
                _line.Append(character);
            }
        }

        if (piece.IsEmpty && _line.Length > 0)
        {
            Flush(redactor);
        }
    }

    private void Flush(Redactor redactor)
    {
        write(redactor.Redact(_line.ToString())!);
        _line.Clear();
    }
}
