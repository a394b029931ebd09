namespace Datasette.Litestream.Stores;

/// <summary>
/// The content of a file at a store, whose reads fail in the words of the store, and do not wait for ever.
/// </summary>
/// <param name="content">The content.</param>
/// <param name="explain">The fault that an exception of a read means; null if it means none. Null stands for a read that took too long.</param>
/// <param name="readTimeout">How long one read may take.</param>
/// <param name="time">The clock.</param>
/// <param name="owner">What to dispose with it; null for nothing.</param>
internal sealed class ContentStream(
    Stream content, Func<Exception?, StoreException?> explain, TimeSpan readTimeout, TimeProvider time, IDisposable? owner = null) : ForwardStream
{
    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var timeout = new CancellationTokenSource(readTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await content.ReadAsync(buffer, either.Token).ConfigureAwait(false);
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested && explain(timeout.IsCancellationRequested ? null : ex) is { } fault)
        {
            throw fault;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.Dispose();
            owner?.Dispose();
        }

        base.Dispose(disposing);
    }
}
