using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// The content of an LTX file whose beginning was read already. Its end is only reached if the file is the one that its seal
/// describes, so that a file that was cut or replaced meanwhile is never written whole. Other threads may read how far it is.
/// </summary>
/// <param name="header">The bytes that were read.</param>
/// <param name="rest">The bytes after these; it is disposed with this.</param>
/// <param name="seal">The seal of the file.</param>
/// <param name="end">The last bytes of the file.</param>
internal sealed class SealedStream(ReadOnlyMemory<byte> header, Stream rest, LtxSeal seal, ReadOnlyMemory<byte> end) : ForwardStream
{
    private readonly byte[] _last = new byte[LtxSeal.EndBytes];
    private long _count;

    /// <summary>How many bytes were read.</summary>
    public long ReadBytes => Interlocked.Read(ref _count);

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        var count = 0;
        if (_count < header.Length)
        {
            count = Math.Min(buffer.Length, header.Length - (int)_count);
            header.Slice((int)_count, count).CopyTo(buffer);
        }
        else
        {
            count = await rest.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }

        Remember(buffer.Span[..count]);
        Interlocked.Add(ref _count, count);
        var isOver = count == 0;
        if (_count > seal.Size || (isOver && _count != seal.Size) || (_count == seal.Size && !_last.AsSpan().SequenceEqual(end.Span)))
        {
            throw new IOException($"{seal.Name} was changed while it was read");
        }

        return count;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            rest.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Remember(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= _last.Length)
        {
            bytes[^_last.Length..].CopyTo(_last);
        }
        else
        {
            _last.AsSpan(bytes.Length).CopyTo(_last);
            bytes.CopyTo(_last.AsSpan(_last.Length - bytes.Length));
        }
    }
}
