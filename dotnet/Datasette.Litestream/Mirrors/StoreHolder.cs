using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>Keeps the store of one destination open, from its first use on. Any thread may use it.</summary>
/// <param name="open">Opens it.</param>
/// <param name="time">The clock.</param>
internal sealed class StoreHolder(Func<IStore> open, TimeProvider time) : IDisposable
{
    private readonly Lazy<LtxStore> _store = new(() => new LtxStore(open(), time));

    /// <summary>The store.</summary>
    public LtxStore Get() => _store.Value;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_store.IsValueCreated)
        {
            _store.Value.Dispose();
        }
    }
}
