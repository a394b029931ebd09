using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>The LTX files at one destination. For any number of tasks at once; each method throws as those of <see cref="IStore"/>.</summary>
/// <param name="store">The destination.</param>
/// <param name="time">The clock.</param>
internal sealed class LtxStore(IStore store, TimeProvider time) : IDisposable
{
    /// <summary>The destination, for what is no LTX file.</summary>
    public IStore Store => store;

    /// <summary>Lists all files.</summary>
    public async Task<LtxSet> ListAsync(CancellationToken cancellationToken)
    {
        var files = new List<KeyValuePair<LtxName, LtxFile>>();
        var now = time.GetUtcNow();
        await foreach (var file in store.ListAsync("", cancellationToken).ConfigureAwait(false))
        {
            if (store.Layout.TryParse(file.Name, out var name))
            {
                files.Add(new(name, LtxFile.Of(file, file.At, now)));
            }
        }

        return new LtxSet(files);
    }

    /// <summary>Reads the seal of a file.</summary>
    /// <param name="name">The file.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if it is not there, or not complete.</returns>
    public async Task<LtxSeal?> ReadSealAsync(LtxName name, long size, CancellationToken cancellationToken)
    {
        try
        {
            var end = await ReadEndAsync(name, cancellationToken).ConfigureAwait(false);
            await using var content = await store.OpenAsync(store.Layout.NameOf(name), 0, cancellationToken).ConfigureAwait(false);
            return LtxSeal.Parse(name, size, await ReadAsync(content, LtxSeal.HeaderBytes, cancellationToken).ConfigureAwait(false), end);
        }
        catch (StoreException ex) when (ex.Fault == StoreFault.Missing)
        {
            return null;
        }
    }

    /// <summary>Opens a file to copy it.</summary>
    /// <param name="name">The file.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="StoreException"><see cref="StoreFault.Missing"/> if it is not there; it is not complete.</exception>
    public async Task<(SealedStream Content, LtxSeal Seal)> OpenAsync(LtxName name, long size, CancellationToken cancellationToken)
    {
        var end = await ReadEndAsync(name, cancellationToken).ConfigureAwait(false);
        var content = await store.OpenAsync(store.Layout.NameOf(name), 0, cancellationToken).ConfigureAwait(false);
        try
        {
            var header = await ReadAsync(content, LtxSeal.HeaderBytes, cancellationToken).ConfigureAwait(false);
            return LtxSeal.Parse(name, size, header, end) is { } seal
                ? (new SealedStream(header, content, seal, end) { Size = seal.Size }, seal)
                : throw new StoreException($"{name} is not complete");
        }
        catch
        {
            await content.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="content">Its content.</param>
    /// <param name="seal">Its seal.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<LtxFile> WriteAsync(SealedStream content, LtxSeal seal, CancellationToken cancellationToken) =>
        LtxFile.Of(
            await store.WriteAsync(store.Layout.NameOf(seal.Name), content, seal.MadeAt, cancellationToken).ConfigureAwait(false), seal.MadeAt, time.GetUtcNow());

    /// <summary>Deletes files.</summary>
    public Task DeleteAsync(IEnumerable<LtxName> names, CancellationToken cancellationToken) =>
        store.DeleteAsync([.. names.Select(store.Layout.NameOf)], cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => store.Dispose();

    private async Task<byte[]> ReadEndAsync(LtxName name, CancellationToken cancellationToken)
    {
        await using var content = await store.OpenAsync(store.Layout.NameOf(name), -LtxSeal.EndBytes, cancellationToken).ConfigureAwait(false);
        return await ReadAsync(content, LtxSeal.EndBytes, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<byte[]> ReadAsync(Stream content, int count, CancellationToken cancellationToken)
    {
        var bytes = new byte[count];
        var read = await content.ReadAtLeastAsync(bytes, count, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return read == count ? bytes : bytes[..read];
    }
}
