using System.Globalization;
using System.Text;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Stores;

/// <summary>What every store does. Each test has a destination of its own, in which nothing is.</summary>
public abstract class StoreSpecs
{
    private const string Name = "ltx/0/one";

    private static readonly DateTimeOffset Time = new(2026, 11, 26, 10, 7, 8, 90, TimeSpan.Zero);

    /// <summary>Large enough for several parts, with an odd end.</summary>
    private static readonly byte[] Large = MakeLarge();

    /// <summary>The store of the destination.</summary>
    private protected abstract Task<IStore> OpenAsync();

    /// <summary>The store of a destination beside it.</summary>
    /// <param name="suffix">What the name of that one has more.</param>
    private protected abstract Task<IStore> OpenAsideAsync(string suffix);

    [TestMethod]
    public async Task Nothing_is_there_at_first()
    {
        using var store = await OpenAsync();
        Assert.AreEqual("", await ListAsync(store));
        Assert.AreEqual("", await ListAsync(store, "ltx/0"));
        Assert.IsNull(await store.ReadAsync(Name, default));
        Assert.AreEqual(StoreFault.Missing, (await Assert.ThrowsExactlyAsync<StoreException>(() => store.OpenAsync(Name, 0, default))).Fault);
        await store.DeleteAsync([Name, "two"], default);
        await store.MoveAsideAsync(".replaced-1", default);
        Assert.IsEmpty(await store.FindAsideAsync(".replaced-", default));
        await store.DeleteAsideAsync(".replaced-1", default);
    }

    [TestMethod]
    public async Task What_is_written_is_listed_and_read()
    {
        using var store = await OpenAsync();
        var written = await WriteAsync(store, Name, "content");
        Assert.AreEqual((Name, 7L), (written.Name, written.Size));
        await WriteAsync(store, "ltx/01/one", "other folder");
        await WriteAsync(store, "ltx/0/two", "");
        Assert.AreEqual($"{Name} ltx/0/two ltx/01/one", await ListAsync(store));
        Assert.AreEqual($"{Name} ltx/0/two", await ListAsync(store, "ltx/0"));
        var listed = await store.ListAsync("ltx/0", default).FirstAsync(file => file.Name == Name);
        Assert.AreEqual(written, listed with { At = written.At });
        Assert.AreNotEqual(default, listed.At);
        var read = await store.ReadAsync(Name, default);
        Assert.AreEqual(("content", written.Version), (Encoding.UTF8.GetString(read!.Content.Span), read.Version));

        foreach (var (from, expected) in new[] { (0, "content"), (3, "tent"), (-2, "nt"), (-100, "content"), (7, ""), (100, "") })
        {
            Assert.AreEqual(expected, Encoding.UTF8.GetString(await ReadAsync(store, Name, from)), $"from {from}");
        }
    }

    [TestMethod]
    [DataRow("a file name")]
    [DataRow("50%41 #1?&+=ü")]
    [DataRow("quote'\"<&>")]
    public async Task A_name_may_have_any_character(string name)
    {
        using var store = await OpenAsync();
        await WriteAsync(store, $"folder/{name}", "content");
        Assert.AreEqual($"folder/{name}", (await store.ListAsync("", default).FirstAsync(_ => true)).Name);
        Assert.IsNotNull(await store.ReadAsync($"folder/{name}", default));
        await store.DeleteAsync([$"folder/{name}"], default);
        Assert.AreEqual("", await ListAsync(store));
    }

    [TestMethod]
    public async Task The_version_changes_with_the_content()
    {
        using var store = await OpenAsync();
        var first = await WriteAsync(store, Name, "content");
        Assert.AreNotEqual(first.Version, (await WriteAsync(store, Name, "CONTENT")).Version);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public async Task A_large_file_arrives_whole(bool canSeek)
    {
        using var store = await OpenAsync();
        await using var content = canSeek ? new MemoryStream(Large) : new Unseekable(Large);
        var written = await store.WriteAsync(Name, content, Time, default);
        Assert.AreEqual(Large.Length, written.Size);
        Assert.AreEqual(written, await store.ListAsync("", default).FirstAsync(_ => true) with { At = written.At });
        CollectionAssert.AreEqual(Large, await ReadAsync(store, Name));

        // From one store to the next, as a mirror is filled.
        await using var opened = await store.OpenAsync(Name, 0, default);
        await store.WriteAsync("copy", opened, Time, default);
        CollectionAssert.AreEqual(Large, await ReadAsync(store, "copy"));
    }

    [TestMethod]
    [DataRow(10)]
    [DataRow(10_000_000)]
    public async Task A_content_that_breaks_off_leaves_what_was_there(int length)
    {
        using var store = await OpenAsync();
        await WriteAsync(store, Name, "content");
        await using var broken = new Unseekable(Large[..length], new IOException("the source is gone"));
        var exception = await Assert.ThrowsExactlyAsync<StoreException>(() => store.WriteAsync(Name, broken, Time, default));
        Assert.AreEqual((StoreFault.Source, "the source is gone"), (exception.Fault, exception.Message));
        await using var brokenToo = new Unseekable(Large[..length], new IOException("the source is gone"));
        await Assert.ThrowsExactlyAsync<StoreException>(() => store.WriteAsync("new", brokenToo, Time, default));
        Assert.AreEqual(Name, await ListAsync(store));
        Assert.AreEqual("content", Encoding.UTF8.GetString(await ReadAsync(store, Name)));
    }

    [TestMethod]
    public async Task A_write_that_is_cancelled_ends_at_once_and_leaves_nothing()
    {
        using var store = await OpenAsync();
        using var cancellation = new CancellationTokenSource();
        await using var endless = new Unseekable(Large[..10], end: null);
        var writing = store.WriteAsync(Name, endless, Time, cancellation.Token);
        await endless.Blocks.InTimeAsync();
        await cancellation.CancelAsync();
        var exception = await Assert.ThrowsAsync<OperationCanceledException>(() => writing.WaitAsync(TimeSpan.FromSeconds(5)));
        Assert.IsNotNull(exception);
        Assert.AreEqual("", await ListAsync(store));
    }

    [TestMethod]
    public async Task A_condition_is_kept()
    {
        using var store = await OpenAsync();
        var first = await WriteIfAsync(store, "first", version: null);
        Assert.IsNotNull(first);
        Assert.IsNull(await WriteIfAsync(store, "second", version: null));
        var second = await WriteIfAsync(store, "second", first.Version);
        Assert.IsNotNull(second);
        Assert.IsNull(await WriteIfAsync(store, "third", first.Version));
        var read = await store.ReadAsync(Name, default);
        Assert.AreEqual(("second", second.Version), (Encoding.UTF8.GetString(read!.Content.Span), read.Version));
        await store.DeleteAsync([Name], default);
        Assert.IsNull(await WriteIfAsync(store, "third", second.Version));
        Assert.IsNotNull(await WriteIfAsync(store, "third", version: null));
    }

    [TestMethod]
    public async Task Of_many_who_count_at_once_none_is_lost()
    {
        const int counters = 4, each = 5;
        using var store = await OpenAsync();
        await Task.WhenAll(Enumerable.Range(0, counters).Select(_ => Task.Run(async () =>
        {
            for (var done = 0; done < each;)
            {
                var read = await store.ReadAsync(Name, default);
                var count = read is null ? 0 : int.Parse(Encoding.UTF8.GetString(read.Content.Span), CultureInfo.InvariantCulture);
                done += await WriteIfAsync(store, $"{count + 1}", read?.Version) is null ? 0 : 1;
            }
        }))).InTimeAsync();
        Assert.AreEqual($"{counters * each}", Encoding.UTF8.GetString(await ReadAsync(store, Name)));
    }

    [TestMethod]
    public async Task What_is_moved_aside_is_a_destination_of_its_own()
    {
        using var store = await OpenAsync();
        string[] names = [.. Enumerable.Range(0, 3).Select(level => store.Layout.NameOf(new LtxName(level, 1, 2)))];
        foreach (var name in names)
        {
            await WriteAsync(store, name, name);
        }

        await store.MoveAsideAsync(".replaced-1", default);
        Assert.AreEqual("", await ListAsync(store));
        await WriteAsync(store, names[0], "new");
        CollectionAssert.AreEqual(new[] { ".replaced-1" }, (await store.FindAsideAsync(".replaced-", default)).ToArray());
        using var aside = await OpenAsideAsync(".replaced-1");
        Assert.AreEqual(string.Join(' ', names.Order(StringComparer.Ordinal)), await ListAsync(aside));
        Assert.AreEqual(names[1], Encoding.UTF8.GetString(await ReadAsync(aside, names[1])));

        await store.DeleteAsideAsync(".replaced-1", default);
        Assert.IsEmpty(await store.FindAsideAsync(".replaced-", default));
        Assert.AreEqual("", await ListAsync(aside));
        Assert.AreEqual(names[0], await ListAsync(store));
    }

    [TestMethod]
    public async Task Many_are_listed_and_deleted()
    {
        using var store = await OpenAsync();
        string[] names = [.. Enumerable.Range(0, 1_010).Select(i => $"{i:0000}")];
        await Parallel.ForEachAsync(names, async (name, _) => await WriteAsync(store, name, name));
        Assert.AreEqual(string.Join(' ', names), await ListAsync(store));
        await store.DeleteAsync(names[10..110], default);
        Assert.AreEqual(string.Join(' ', names[..10].Concat(names[110..])), await ListAsync(store));
    }

    private protected static async Task<StoredFile> WriteAsync(IStore store, string name, string content)
    {
        await using var stream = new MemoryStream(Encoding.UTF8.GetBytes(content));
        return await store.WriteAsync(name, stream, Time, default);
    }

    private protected static async Task<byte[]> ReadAsync(IStore store, string name, long from = 0)
    {
        await using var stream = await store.OpenAsync(name, from, default);
        using var content = new MemoryStream();
        await stream.CopyToAsync(content);
        return content.ToArray();
    }

    private protected static async Task<string> ListAsync(IStore store, string folder = "") =>
        string.Join(' ', await store.ListAsync(folder, default).Select(file => file.Name).Order(StringComparer.Ordinal).ToListAsync());

    private static Task<StoredFile?> WriteIfAsync(IStore store, string content, string? version) =>
        store.WriteIfAsync(Name, Encoding.UTF8.GetBytes(content), version, default);

    private static byte[] MakeLarge()
    {
        var bytes = new byte[(20 << 20) + 3];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A content of unknown length that ends with an error, or not at all.</summary>
    private sealed class Unseekable : MemoryStream
    {
        private readonly Func<CancellationToken, Task<int>> _end;
        private readonly TaskCompletionSource _blocks = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Unseekable(byte[] content)
            : base(content) => _end = _ => Task.FromResult(0);

        /// <param name="content">What can be read.</param>
        /// <param name="end">What is thrown after it; null for a read that never ends.</param>
        public Unseekable(byte[] content, Exception? end)
            : base(content) => _end = end is not null
                ? _ => Task.FromException<int>(end)
                : async token =>
                {
                    _blocks.SetResult();
                    await Task.Delay(Timeout.Infinite, token);
                    return 0;
                };

        /// <summary>Ends when a read does not.</summary>
        public Task Blocks => _blocks.Task;

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is > 0 and var count ? count : await _end(cancellationToken);
    }
}
