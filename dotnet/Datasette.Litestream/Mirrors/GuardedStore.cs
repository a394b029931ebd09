using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>A store that is only written to while this Datasette may do so; reading is always allowed.</summary>
/// <param name="store">The store.</param>
/// <param name="whileWriting">Returns a token that is cancelled when it may not be written to any more; already, if it may not be now.</param>
internal sealed class GuardedStore(IStore store, Func<CancellationToken> whileWriting) : IStore
{
    /// <inheritdoc/>
    public LtxLayout Layout => store.Layout;

    /// <inheritdoc/>
    public IAsyncEnumerable<StoredFile> ListAsync(string folder, CancellationToken cancellationToken) => store.ListAsync(folder, cancellationToken);

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken) => store.OpenAsync(name, from, cancellationToken);

    /// <inheritdoc/>
    public Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken) =>
        GuardAsync(stop => store.WriteAsync(name, content, time, stop), cancellationToken);

    /// <inheritdoc/>
    public Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken) =>
        GuardAsync(stop => store.WriteIfAsync(name, content, version, stop), cancellationToken);

    /// <inheritdoc/>
    public Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken) => store.ReadAsync(name, cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
        GuardAsync(stop => DoAsync(store.DeleteAsync(names, stop)), cancellationToken);

    /// <inheritdoc/>
    public Task MoveAsideAsync(string suffix, CancellationToken cancellationToken) =>
        GuardAsync(stop => DoAsync(store.MoveAsideAsync(suffix, stop)), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken) => store.FindAsideAsync(mark, cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken) =>
        GuardAsync(stop => DoAsync(store.DeleteAsideAsync(suffix, stop)), cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => store.Dispose();

    private async Task<T> GuardAsync<T>(Func<CancellationToken, Task<T>> write, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(whileWriting(), cancellationToken);
        try
        {
            either.Token.ThrowIfCancellationRequested();
            return await write(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StoreException("another Datasette writes there, or may do so");
        }
    }

    private static async Task<bool> DoAsync(Task task)
    {
        await task.ConfigureAwait(false);
        return true;
    }
}
