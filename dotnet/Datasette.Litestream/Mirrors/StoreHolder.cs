using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Mirrors;

/// <summary>
/// Keeps the store of one destination open, and opens it anew when its credentials may have changed. Any thread may use it. One that
/// was replaced stays open until the next is, so that whoever still reads from it can go on.
/// </summary>
/// <param name="open">Opens it with the credentials of now.</param>
/// <param name="credentials">Another number means other credentials.</param>
/// <param name="time">The clock.</param>
internal sealed class StoreHolder(Func<IStore> open, Func<int> credentials, TimeProvider time) : IDisposable
{
    private readonly Lock _lock = new();
    private LtxStore? _store;
    private LtxStore? _replaced;
    private int _credentials;

    /// <summary>The store.</summary>
    public LtxStore Get()
    {
        lock (_lock)
        {
            var now = credentials();
            if (_store is null || _credentials != now)
            {
                _replaced?.Dispose();
                (_replaced, _store, _credentials) = (_store, new LtxStore(open(), time), now);
            }

            return _store;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _store?.Dispose();
            _replaced?.Dispose();
            (_store, _replaced) = (null, null);
        }
    }
}
