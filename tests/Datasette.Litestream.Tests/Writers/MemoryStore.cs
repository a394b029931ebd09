using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Tests.Writers;

/// <summary>
/// A store of small files in memory, which writes on conditions, and fails when a test wants it to.
/// </summary>
internal sealed class MemoryStore : IStore
{
    private readonly Lock _sync = new();
    private readonly Dictionary<string, (byte[] Content, int Version)> _files = [];
    private int _versions;

    public LtxLayout Layout => LtxLayout.Folder;

    /// <summary>Called before each request; it may throw.</summary>
    public Action OnRequest { get; set; } = () => { };

    /// <summary>Called after each write, before the answer; it may throw.</summary>
    public Action OnAnswer { get; set; } = () => { };

    /// <summary>Whether reading is refused: where there is no file, as for a key that may not list the bucket; or always.</summary>
    public (bool IfMissing, bool Always) Refuses { get; set; }

    public Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        lock (_sync)
        {
            OnRequest();
            if (Refuses.Always || (Refuses.IfMissing && !_files.ContainsKey(name)))
            {
                throw new StoreException("access denied (AccessDenied)", StoreFault.Refused);
            }

            return Task.FromResult(_files.TryGetValue(name, out var file) ? new StoredContent(file.Content, $"{file.Version}") : null);
        }
    }

    public Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken)
    {
        lock (_sync)
        {
            OnRequest();
            if ((_files.TryGetValue(name, out var file) ? $"{file.Version}" : null) != version)
            {
                return Task.FromResult<StoredFile?>(null);
            }

            _files[name] = (content.ToArray(), ++_versions);
            OnAnswer();
            return Task.FromResult<StoredFile?>(new StoredFile(name, content.Length, $"{_versions}"));
        }
    }

    public Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken) => throw new NotSupportedException();

    public void Dispose()
    {
        // The files stay for others.
    }

    public IAsyncEnumerable<StoredFile> ListAsync(string folder, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task MoveAsideAsync(string suffix, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken) => throw new NotSupportedException();
}
