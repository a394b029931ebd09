using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>A store that cannot be reached as long as a test wants it.</summary>
internal sealed class CutOffStore(IStore store, Func<bool> isCutOff) : IStore
{
    public LtxLayout Layout => store.Layout;

    private IStore Reached => isCutOff() ? throw new StoreException("no route to host") : store;

    public IAsyncEnumerable<StoredFile> ListAsync(string folder, CancellationToken cancellationToken) => Reached.ListAsync(folder, cancellationToken);

    public Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken) => Reached.OpenAsync(name, from, cancellationToken);

    public Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken) =>
        Reached.WriteAsync(name, content, time, cancellationToken);

    public Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken) =>
        Reached.WriteIfAsync(name, content, version, cancellationToken);

    public Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken) => Reached.ReadAsync(name, cancellationToken);

    public Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken) => Reached.DeleteAsync(names, cancellationToken);

    public Task MoveAsideAsync(string suffix, CancellationToken cancellationToken) => Reached.MoveAsideAsync(suffix, cancellationToken);

    public Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken) => Reached.FindAsideAsync(mark, cancellationToken);

    public Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken) => Reached.DeleteAsideAsync(suffix, cancellationToken);

    public void Dispose() => store.Dispose();
}
