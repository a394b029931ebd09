namespace Datasette.Litestream.Stores;

/// <summary>
/// What lies at one destination. Names are below the destination, with / between folders. For any number of tasks at once. Each
/// method throws <see cref="StoreException"/>, and <see cref="OperationCanceledException"/> if it is cancelled, which it is at once.
/// </summary>
internal interface IStore : IDisposable
{
    /// <summary>How Litestream names its files here.</summary>
    LtxLayout Layout { get; }

    /// <summary>Lists every file below a folder, in no certain order, without those that are still being written.</summary>
    /// <param name="folder">The folder; empty for the whole destination. One that does not exist has no files.</param>
    /// <param name="cancellationToken">Ends it.</param>
    IAsyncEnumerable<StoredFile> ListAsync(string folder, CancellationToken cancellationToken);

    /// <summary>Opens a file. The stream cannot seek, and its reads throw as the methods of a store do.</summary>
    /// <param name="name">The file.</param>
    /// <param name="from">The first byte to read; negative to read the last bytes, all if there are fewer.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="StoreException"><see cref="StoreFault.Missing"/> if there is no such file.</exception>
    Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken);

    /// <summary>
    /// Writes a file, whole or not at all, in place of one that is there. Memory does not grow with its size. It is on disk when this
    /// returns.
    /// </summary>
    /// <param name="name">The file.</param>
    /// <param name="content">Its content, from where the stream is to its end.</param>
    /// <param name="time">The time that Litestream restores by, as it keeps it itself: an LTX file's is that of its header.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="StoreException"><see cref="StoreFault.Source"/> if the content could not be read.</exception>
    Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken);

    /// <summary>Writes a small file only if what is there is what the caller has seen; nobody can come between.</summary>
    /// <param name="name">The file.</param>
    /// <param name="content">Its content.</param>
    /// <param name="version">What is there; null for nothing.</param>
    /// <param name="cancellationToken">Ends it. Whether it was written is not known then.</param>
    /// <returns>Null if something else is there, or if another one is writing the file: read it again.</returns>
    /// <exception cref="StoreException"><see cref="StoreFault.Unconditional"/> if the store cannot do that.</exception>
    Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken);

    /// <summary>Reads a small file; null if there is none.</summary>
    /// <param name="name">The file.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken);

    /// <summary>Deletes files, each if it is there.</summary>
    /// <param name="names">The files.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken);

    /// <summary>
    /// Moves all that is at this destination to one beside it, whose name has a suffix more, and with which Litestream can restore it.
    /// In a folder that is one step; at S3, if it breaks off, it can be called again with the same suffix.
    /// </summary>
    /// <param name="suffix">The suffix, without a slash.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task MoveAsideAsync(string suffix, CancellationToken cancellationToken);

    /// <summary>The suffixes with which something was moved aside.</summary>
    /// <param name="mark">What the suffixes begin with.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken);

    /// <summary>Deletes what was moved aside.</summary>
    /// <param name="suffix">The suffix.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken);
}
