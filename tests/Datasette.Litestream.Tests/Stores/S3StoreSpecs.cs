using System.Net;
using System.Net.Sockets;
using System.Text;
using Amazon.S3;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replicas;
using Microsoft.Extensions.Time.Testing;

namespace Datasette.Litestream.Tests.Stores;

[TestClass]
public sealed class S3StoreSpecs : StoreSpecs
{
    private static readonly Dictionary<string, string> NoKey = new() { ["AWS_ACCESS_KEY_ID"] = "nobody", ["AWS_SECRET_ACCESS_KEY"] = "nothing" };

    private static readonly SemaphoreSlim Turn = new(1);
    private static S3? _server;

    public TestContext TestContext { get; set; } = null!;

    private string Prefix => $"{TestContext.TestName}/{TestContext.TestDisplayName?.GetHashCode(StringComparison.Ordinal)}";

    [ClassCleanup]
    public static void StopServer() => _server?.Dispose();

    [TestMethod]
    public async Task A_file_is_as_Litestream_writes_it()
    {
        var server = await ServerAsync();
        using var replication = await RealReplication.StartAsync(server.Url, server.Environment);
        await replication.WriteAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();

        using var factory = new StoreFactory(() => server.Environment, TimeProvider.System);
        var replica = replication.Database.Replicas[0];
        using var store = factory.Open(replica, null);
        using var copy = factory.OpenAt(replica, Prefix, null);
        var name = store.Layout.NameOf(new LtxName(0, txid, txid));
        Assert.Contains(name, await ListAsync(store));
        var local = Path.Combine(LocalFiles.FolderOf(LitestreamFolder.Of(replication.Database)), new LtxName(0, txid, txid).FileName);
        await using (var content = await store.OpenAsync(name, 0, default))
        {
            await copy.WriteAsync(name, content, LtxSeal.Read(local, new LtxName(0, txid, txid))!.Value.MadeAt, default);
        }

        using var client = Client(server);
        var theirs = await client.GetObjectMetadataAsync("backup", $"{StoreFactory.PathOf(replica)}/{name}");
        var ours = await client.GetObjectMetadataAsync("backup", $"{Prefix}/{name}");
        Assert.AreEqual(Describe(theirs.Metadata), Describe(ours.Metadata));
        Assert.AreEqual(theirs.ETag, ours.ETag);

        // A part of its own at a time is what a file keeps when it is moved inside of S3.
        await copy.MoveAsideAsync(".replaced-1", default);
        Assert.AreEqual(Describe(theirs.Metadata), Describe((await client.GetObjectMetadataAsync("backup", $"{Prefix}.replaced-1/{name}")).Metadata));

        static string Describe(Amazon.S3.Model.MetadataCollection metadata) => string.Join(' ', metadata.Keys.Select(key => $"{key}={metadata[key]}"));
    }

    [TestMethod]
    [DataRow("2026-11-26T10:07:08.0900000Z", "2026-11-26T10:07:08.09Z")]
    [DataRow("2026-11-26T10:07:08.1234567Z", "2026-11-26T10:07:08.1234567Z")]
    [DataRow("2026-11-26T10:07:00Z", "2026-11-26T10:07:00Z")]
    public async Task The_time_is_written_as_Go_writes_it(string time, string written)
    {
        var server = await ServerAsync();
        using var store = await OpenAsync();
        await store.WriteAsync("one", new MemoryStream([1]), DateTimeOffset.Parse(time, null), default);
        using var client = Client(server);
        Assert.AreEqual(written, (await client.GetObjectMetadataAsync("backup", $"{Prefix}/one")).Metadata["x-amz-meta-litestream-timestamp"]);
    }

    [TestMethod]
    public async Task A_very_large_file_is_moved_aside_in_parts()
    {
        var server = await ServerAsync();
        var name = LtxLayout.S3.NameOf(new LtxName(9, 1, 2));
        var content = new byte[13 << 20];
        new Random(2).NextBytes(content);
        using var connection = new S3Connection(S3Settings.Of(Plans.FromReplica(server.Url).Replica), () => server.Environment, TimeProvider.System);
        using var store = new S3Store(connection, Prefix, maxCopyBytes: 6 << 20);
        await store.WriteAsync(name, new MemoryStream(content), DateTimeOffset.UnixEpoch, default);
        await store.MoveAsideAsync(".replaced-1", default);
        using var aside = await OpenAsideAsync(".replaced-1");
        CollectionAssert.AreEqual(content, await ReadAsync(aside, name));
        using var client = Client(server);
        Assert.AreEqual("1970-01-01T00:00:00Z", (await client.GetObjectMetadataAsync("backup", $"{Prefix}.replaced-1/{name}")).Metadata["x-amz-meta-litestream-timestamp"]);
    }

    [TestMethod]
    [DataRow("sse-customer-key", "YWJj", true, "x-amz-server-side-encryption-customer-key: YWJj")]
    [DataRow("sse-customer-key", "YWJj", true, "x-amz-server-side-encryption-customer-algorithm: AES256")]
    [DataRow("sse-customer-key", "YWJj", true, "x-amz-server-side-encryption-customer-key-MD5: kAFQmDzST7DWlj99KOF/cg==")]
    [DataRow("sse-customer-key", "YWJj", false, "x-amz-server-side-encryption-customer-key: YWJj")]
    [DataRow("sse-kms-key-id", "a-key", true, "x-amz-server-side-encryption: aws:kms")]
    [DataRow("sse-kms-key-id", "a-key", true, "x-amz-server-side-encryption-aws-kms-key-id: a-key")]
    [DataRow("storage-class", "COLD", true, "x-amz-storage-class: COLD")]
    public async Task A_request_has_what_the_settings_ask_for(string key, string value, bool isWrite, string header)
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        using var factory = new StoreFactory(() => NoKey, TimeProvider.System);
        using var store = factory.Open(
            Plans.FromReplica($$"""{"url": "s3://backup/one", "endpoint": "http://{{server.LocalEndpoint}}", "{{key}}": "{{value}}"}""").Replica, null);
        using var cancellation = new CancellationTokenSource();
        Task working = isWrite ? store.WriteIfAsync("one", new byte[] { 1 }, null, cancellation.Token) : store.ReadAsync("one", cancellation.Token);
        using var accepted = await server.AcceptSocketAsync().InTimeAsync();
        using var request = new StreamReader(new NetworkStream(accepted));
        var headers = new List<string>();
        while (await request.ReadLineAsync().InTimeAsync() is { Length: > 0 } line)
        {
            headers.Add(line);
        }

        CollectionAssert.Contains(headers, header, string.Join('\n', headers));
        await cancellation.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => working.InTimeAsync());
    }

    [TestMethod]
    public async Task What_is_not_Litestreams_is_not_moved()
    {
        await ServerAsync();
        using var store = await OpenAsync();
        var below = $"another-database/{LtxLayout.S3.NameOf(new LtxName(9, 1, 2))}";
        await WriteAsync(store, below, "content");
        await WriteAsync(store, LtxLayout.S3.NameOf(new LtxName(9, 1, 2)), "content");
        await store.MoveAsideAsync(".replaced-1", default);
        Assert.AreEqual(below, await ListAsync(store));
    }

    [TestMethod]
    public async Task New_keys_are_used_from_the_next_request_on()
    {
        var server = await ServerAsync();
        var environment = (IReadOnlyDictionary<string, string>)NoKey;
        using var factory = new StoreFactory(() => environment, TimeProvider.System);
        using var store = factory.OpenAt(Plans.FromReplica(server.Url).Replica, Prefix, null);
        var refusal = await Assert.ThrowsExactlyAsync<StoreException>(() => ListAsync(store));
        Assert.AreEqual((StoreFault.Refused, "the access key is not known (InvalidAccessKeyId)"), (refusal.Fault, refusal.Message));

        environment = server.Environment;
        Assert.AreEqual("", await ListAsync(store));

        environment = new Dictionary<string, string>(server.Environment) { ["AWS_SECRET_ACCESS_KEY"] = "wrong" };
        refusal = await Assert.ThrowsExactlyAsync<StoreException>(() => store.ReadAsync("one", default));
        Assert.AreEqual((StoreFault.Refused, "the secret access key is wrong (SignatureDoesNotMatch)"), (refusal.Fault, refusal.Message));

        // Litestream's own variables, and a replica's own key before all.
        environment = new Dictionary<string, string>
        {
            ["LITESTREAM_ACCESS_KEY_ID"] = server.Environment["AWS_ACCESS_KEY_ID"],
            ["LITESTREAM_SECRET_ACCESS_KEY"] = server.Environment["AWS_SECRET_ACCESS_KEY"],
        };
        Assert.AreEqual("", await ListAsync(store));
        environment = NoKey;
        using var own = factory.OpenAt(
            Plans.FromReplica(
                $$"""{"url": "{{server.Url}}", "access-key-id": "{{server.Environment["AWS_ACCESS_KEY_ID"]}}", "secret-access-key": "{{server.Environment["AWS_SECRET_ACCESS_KEY"]}}"}""").Replica,
            Prefix,
            null);
        Assert.AreEqual("", await ListAsync(own));
    }

    [TestMethod]
    public async Task A_bucket_that_does_not_exist_is_named()
    {
        var server = await ServerAsync();
        using var factory = new StoreFactory(() => server.Environment, TimeProvider.System);
        using var store = factory.Open(Plans.FromReplica(server.Url.Replace("s3://backup/", "s3://other/", StringComparison.Ordinal)).Replica, null);
        foreach (var fails in new Func<Task>[] { () => ListAsync(store), () => WriteAsync(store, "one", "content"), () => store.ReadAsync("one", default) })
        {
            Assert.AreEqual("the bucket other does not exist (NoSuchBucket)", (await Assert.ThrowsExactlyAsync<StoreException>(fails)).Message);
        }
    }

    [TestMethod]
    public async Task A_server_that_is_not_there_is_told_soon()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using var factory = new StoreFactory(() => NoKey, TimeProvider.System);
        using var store = factory.Open(At(port), null);
        var exception = await Assert.ThrowsExactlyAsync<StoreException>(() => WriteAsync(store, "one", "content").WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.AreEqual($"127.0.0.1:{port}: connection refused", exception.Message);
    }

    [TestMethod]
    public async Task A_server_that_does_not_answer_is_waited_for_15_s_or_until_it_is_cancelled()
    {
        using var frozen = new TcpListener(IPAddress.Loopback, 0);
        frozen.Start();
        var port = ((IPEndPoint)frozen.LocalEndpoint).Port;
        var time = new FakeTimeProvider();
        using var factory = new StoreFactory(() => NoKey, time);
        using var store = factory.Open(At(port), null);
        var reading = store.ReadAsync("one", default);
        using (await frozen.AcceptSocketAsync().InTimeAsync())
        {
            time.Advance(TimeSpan.FromSeconds(14.9));
            Assert.IsFalse(reading.IsCompleted);
            time.Advance(TimeSpan.FromSeconds(0.1));
            Assert.AreEqual($"127.0.0.1:{port}: i/o timeout", (await Assert.ThrowsExactlyAsync<StoreException>(() => reading.InTimeAsync())).Message);
        }

        // A file of 1 MiB may take 16 s more.
        var writing = store.WriteAsync("one", new MemoryStream(new byte[1 << 20]), default, default);
        using (await frozen.AcceptSocketAsync().InTimeAsync())
        {
            time.Advance(TimeSpan.FromSeconds(30.9));
            Assert.IsFalse(writing.IsCompleted);
            time.Advance(TimeSpan.FromSeconds(0.1));
            await Assert.ThrowsExactlyAsync<StoreException>(() => writing.InTimeAsync());
        }

        using var cancellation = new CancellationTokenSource();
        reading = store.ReadAsync("one", cancellation.Token);
        using (await frozen.AcceptSocketAsync().InTimeAsync())
        {
            await cancellation.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => reading.InTimeAsync());
        }
    }

    [TestMethod]
    public async Task A_server_that_stops_in_the_midst_of_a_file_is_waited_for_15_s()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var port = ((IPEndPoint)server.LocalEndpoint).Port;
        var time = new FakeTimeProvider();
        using var factory = new StoreFactory(() => NoKey, time);
        using var store = factory.Open(At(port), null);
        var opening = store.OpenAsync("one", 0, default);
        using var accepted = await server.AcceptSocketAsync().InTimeAsync();
        await accepted.SendAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"0123456789abcdef0123456789abcdef\"\r\n\r\nhalf"));
        await using var content = await opening.InTimeAsync();
        var buffer = new byte[10];
        Assert.AreEqual(4, await content.ReadAtLeastAsync(buffer, 4).AsTask().InTimeAsync());
        var reading = content.ReadAsync(buffer).AsTask();
        time.Advance(TimeSpan.FromSeconds(15));
        Assert.AreEqual($"127.0.0.1:{port}: i/o timeout", (await Assert.ThrowsExactlyAsync<StoreException>(() => reading.InTimeAsync())).Message);
    }

    private protected override Task<IStore> OpenAsync() => OpenAsideAsync("");

    private protected override async Task<IStore> OpenAsideAsync(string suffix)
    {
        var server = await ServerAsync();
        return new StoreFactory(() => server.Environment, TimeProvider.System).OpenAt(Plans.FromReplica(server.Url).Replica, Prefix + suffix, null);
    }

    private static Datasette.Litestream.Configuration.ReplicaPlan At(int port) =>
        Plans.FromReplica($"s3://backup/one?endpoint=http://127.0.0.1:{port}&region=us-east-1&forcePathStyle=true").Replica;

    /// <summary>One server for all of these tests: it takes seconds to start.</summary>
    private static async Task<S3> ServerAsync()
    {
        await Turn.WaitAsync();
        try
        {
            return _server ??= await S3.StartAsync();
        }
        finally
        {
            Turn.Release();
        }
    }

    private static AmazonS3Client Client(S3 server) => new(
        server.Environment["AWS_ACCESS_KEY_ID"],
        server.Environment["AWS_SECRET_ACCESS_KEY"],
        new AmazonS3Config { ServiceURL = new Uri(server.Url.Replace("$DB_NAME", "x", StringComparison.Ordinal)).Query.Split(['=', '&'])[1], ForcePathStyle = true, AuthenticationRegion = "us-east-1" });
}
