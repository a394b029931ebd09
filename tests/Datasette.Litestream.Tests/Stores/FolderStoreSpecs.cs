using System.Text;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replicas;

namespace Datasette.Litestream.Tests.Stores;

[TestClass]
public sealed class FolderStoreSpecs : StoreSpecs, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Root => _folder["backups/parks"];

    [TestMethod]
    public async Task A_file_is_as_Litestream_writes_it()
    {
        using var replication = await RealReplication.StartAsync();
        await replication.WriteAsync();
        var replica = replication.Database.Replicas[0];
        using var factory = new StoreFactory(() => new Dictionary<string, string>(), TimeProvider.System);
        using var store = factory.Open(replica, replication.Database.Path);
        using var copy = factory.OpenAt(replica, Root, replication.Database.Path);
        var txid = await replication.SyncAsync();
        replication.Stop();

        var name = store.Layout.NameOf(new(0, txid, txid));
        Assert.IsTrue(store.Layout.TryParse(name, out var ltx));
        var path = Path.Combine(StoreFactory.PathOf(replica), name);
        var seal = Datasette.Litestream.Replicas.LtxSeal.Read(path, ltx)!.Value;
        await using (var content = await store.OpenAsync(name, 0, default))
        {
            await copy.WriteAsync(name, content, seal.MadeAt, default);
        }

        var (theirs, ours) = (FileStatus.Look(path).Status!.Value, FileStatus.Look(Path.Combine(Root, name)).Status!.Value);
        Assert.AreEqual((theirs.Size, theirs.ModifiedAt, theirs.UserId, theirs.GroupId), (ours.Size, ours.ModifiedAt, ours.UserId, ours.GroupId));
        Assert.AreEqual(File.GetUnixFileMode(path), File.GetUnixFileMode(Path.Combine(Root, name)));
        Assert.AreEqual(File.GetUnixFileMode(Path.GetDirectoryName(path)!), File.GetUnixFileMode(Path.GetDirectoryName(Path.Combine(Root, name))!));
        Assert.IsEmpty(Directory.GetFiles(_folder.Path, "*.tmp", SearchOption.AllDirectories));
    }

    [TestMethod]
    public async Task What_another_is_writing_is_neither_listed_nor_damaged()
    {
        using var store = await OpenAsync();
        Directory.CreateDirectory(Root);
        await File.WriteAllTextAsync(Path.Combine(Root, "one.tmp"), "half");
        Assert.AreEqual("", await ListAsync(store));
        await using var held = new FileStream(Path.Combine(Root, "one.tmp"), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.AreEqual("resource temporarily unavailable", (await Assert.ThrowsExactlyAsync<StoreException>(() => WriteAsync(store, "one", "content"))).Message);
        Assert.AreEqual("half", new StreamReader(held).ReadToEnd());
    }

    [TestMethod]
    public async Task Whom_another_process_comes_before_reads_again()
    {
        using var store = await OpenAsync();
        Directory.CreateDirectory(Root);
        using var holder = new StartedChild(
            "/usr/bin/flock", ["--no-fork", Path.Combine(Root, "one.lock"), "/bin/sh", "-c", "echo held; exec sleep 1000"]);
        await holder.SaysAsync("held");
        Assert.IsNull(await store.WriteIfAsync("one", Encoding.UTF8.GetBytes("content"), null, default));
        holder.Dispose();
        Assert.IsNotNull(await store.WriteIfAsync("one", Encoding.UTF8.GetBytes("content"), null, default));
    }

    [TestMethod]
    public async Task A_folder_that_cannot_be_says_why()
    {
        _folder.Write("backups", "a file");
        using var store = await OpenAsync();
        Assert.AreEqual("file exists", (await Assert.ThrowsExactlyAsync<StoreException>(() => WriteAsync(store, "one", "content"))).Message);
    }

    private protected override Task<IStore> OpenAsync() => OpenAsideAsync("");

    private protected override Task<IStore> OpenAsideAsync(string suffix)
    {
        var factory = new StoreFactory(() => new Dictionary<string, string>(), TimeProvider.System);
        return Task.FromResult(factory.OpenAt(Plans.FromReplica($"file://{Root}").Replica, Root + suffix, null));
    }
}
