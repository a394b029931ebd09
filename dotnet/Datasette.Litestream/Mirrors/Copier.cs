using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>Copies LTX files from one place to another.</summary>
/// <param name="traffic">Limits how many are copied at once.</param>
internal sealed class Copier(Traffic traffic)
{
    /// <summary>Copies a file, whole or not at all.</summary>
    /// <param name="from">Where it is.</param>
    /// <param name="name">The file.</param>
    /// <param name="size">Its size in bytes there.</param>
    /// <param name="to">Where it is to be.</param>
    /// <param name="replica">The destination that this is.</param>
    /// <param name="onProgress">Called with a function that tells how many bytes were read, for any thread.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="SourceException">It cannot be read.</exception>
    /// <exception cref="StoreException">It cannot be written.</exception>
    public async Task<(LtxFile File, LtxSeal Seal)> CopyAsync(
        LtxStore from, LtxName name, long size, LtxStore to, ReplicaPlan replica, Action<Func<long>>? onProgress, CancellationToken cancellationToken)
    {
        SealedStream? content = null;
        long ReadBytes() => content?.ReadBytes ?? 0;
        using var turn = await traffic.EnterAsync(replica, cancellationToken).ConfigureAwait(false);
        using var slot = await traffic.CopyAsync(ReadBytes, cancellationToken).ConfigureAwait(false);
        LtxSeal seal;
        try
        {
            (content, seal) = await from.OpenAsync(name, size, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException ex)
        {
            throw new SourceException(ex.Message, ex);
        }

        await using (content)
        {
            onProgress?.Invoke(ReadBytes);
            try
            {
                var file = await to.WriteAsync(content, seal, cancellationToken).ConfigureAwait(false);
                return file.Size == size ? (file, seal) : throw new StoreException($"{name} arrived with {file.Size} of {size} bytes");
            }
            catch (StoreException ex) when (ex.Fault == StoreFault.Source)
            {
                throw new SourceException(ex.Message, ex);
            }
        }
    }
}

/// <summary>What was to be copied could not be read; the message is a finished short cause.</summary>
internal sealed class SourceException(string message, Exception innerException) : Exception(message, innerException);
