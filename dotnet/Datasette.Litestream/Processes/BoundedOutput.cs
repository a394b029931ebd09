using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Datasette.Litestream.Processes;

/// <summary>
/// Keeps the beginning of a child's output, so that one without end does not fill the memory. The thread that reads the output
/// writes to it; any thread may read it.
/// </summary>
/// <param name="maxBytes">How much is kept.</param>
[SuppressMessage("Design", "CA1001", Justification = "A MemoryStream holds nothing but memory.")]
internal sealed class BoundedOutput(int maxBytes)
{
    private readonly Lock _access = new();
    private readonly MemoryStream _kept = new();

    /// <summary>Whether there was more than is kept.</summary>
    public bool IsCut { get; private set; }

    /// <summary>What is kept, as text.</summary>
    public string Text => Encoding.UTF8.GetString(ToArray());

    /// <summary>Keeps a piece, or as much of it as there is room for.</summary>
    public void Keep(ReadOnlyMemory<byte> piece)
    {
        lock (_access)
        {
            var room = maxBytes - (int)_kept.Length;
            IsCut |= piece.Length > room;
            _kept.Write(piece.Span[..Math.Min(piece.Length, room)]);
        }
    }

    /// <summary>What is kept.</summary>
    public byte[] ToArray()
    {
        lock (_access)
        {
            return _kept.ToArray();
        }
    }
}
