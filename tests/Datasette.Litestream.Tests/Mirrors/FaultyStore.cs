using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>What a test does to the stores of one destination. Any thread may change it.</summary>
internal sealed class Faults
{
    private readonly List<string> _written = [];
    private volatile TaskCompletionSource _frozen = Done();

    /// <summary>Why everything fails; null if nothing does.</summary>
    public string? Error { get; set; }

    /// <summary>Called before each file is written, with its name.</summary>
    public Action<string>? BeforeWrite { get; set; }

    /// <summary>The names of the files that were written, in order.</summary>
    public IReadOnlyList<string> Written
    {
        get
        {
            lock (_written)
            {
                return [.. _written];
            }
        }
    }

    /// <summary>Has nothing answer any more.</summary>
    public void Freeze() => _frozen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Has it answer again.</summary>
    public void Thaw() => _frozen.TrySetResult();

    public async Task PassAsync(CancellationToken cancellationToken)
    {
        await _frozen.Task.WaitAsync(cancellationToken);
        if (Error is { } error)
        {
            throw new StoreException(error);
        }
    }

    public void Wrote(string name)
    {
        lock (_written)
        {
            _written.Add(name);
        }
    }

    private static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }
}

/// <summary>A store that fails on demand.</summary>
internal sealed class FaultyStore(IStore store, Faults faults) : IStore
{
    public LtxLayout Layout => store.Layout;

    public async IAsyncEnumerable<StoredFile> ListAsync(string folder, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        await foreach (var file in store.ListAsync(folder, cancellationToken))
        {
            yield return file;
        }
    }

    public async Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        return await store.OpenAsync(name, from, cancellationToken);
    }

    public async Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        faults.BeforeWrite?.Invoke(name);
        var file = await store.WriteAsync(name, content, time, cancellationToken);
        faults.Wrote(name);
        return file;
    }

    public async Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        return await store.WriteIfAsync(name, content, version, cancellationToken);
    }

    public async Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        return await store.ReadAsync(name, cancellationToken);
    }

    public async Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        await store.DeleteAsync(names, cancellationToken);
    }

    public async Task MoveAsideAsync(string suffix, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        await store.MoveAsideAsync(suffix, cancellationToken);
    }

    public async Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        return await store.FindAsideAsync(mark, cancellationToken);
    }

    public async Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken)
    {
        await faults.PassAsync(cancellationToken);
        await store.DeleteAsideAsync(suffix, cancellationToken);
    }

    public void Dispose() => store.Dispose();
}
