using System.Collections.Concurrent;
using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Stores;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>A database's destinations in folders, the first of which stands for that of Litestream, and mirrors that follow it.</summary>
internal sealed class MirrorBench : IDisposable
{
    private readonly ConcurrentDictionary<string, Faults> _faults = new(StringComparer.Ordinal);
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(Now.ToUnixTimeSeconds()).AddHours(-1);

    private readonly StoreFactory _stores = new(() => new Dictionary<string, string>(), TimeProvider.System);
    private bool _isOver;

    /// <param name="destinations">The names of the folders; the first one is Litestream's.</param>
    public MirrorBench(params string[] destinations)
    {
        var settings = new Dictionary<string, string[]>
        {
            ["all-replicate"] = [.. (destinations.Length == 0 ? ["first", "mirror"] : destinations).Select(name => $"file://{Folder[name]}")],
        };
        Plan = Plans.Of(new DatasetteConfiguration(
            Folder.Path, JsonElement.Parse(settings.ToJson()), new Dictionary<string, JsonElement>(), [new AttachedDatabase("parks", Folder["parks.db"], IsMutable: true)])).Sound.For(ReleaseLine.V05);
        Mirroring = Create();
    }

    public TemporaryFolder Folder { get; } = new();

    public ReplicationPlan Plan { get; }

    public DatabasePlan Database => Plan.Databases[0];

    public Mirroring Mirroring { get; private set; }

    /// <summary>Litestream's own folder beside the database.</summary>
    public string Local => LitestreamFolder.Of(Database.Path);

    public static DateTimeOffset Now => DateTimeOffset.UtcNow;

    public static LtxName L0(ulong txid) => new(0, txid, txid);

    public static LtxName Snapshot(ulong txid) => new(LtxName.SnapshotLevel, 1, txid);

    public Faults Faults(string destination) => _faults.GetOrAdd(destination, _ => new Faults());

    /// <summary>Writes files of level 0 where Litestream makes them.</summary>
    public void MakeLocal(ulong from, ulong to, int history = 1) => Make(Local, from, to, history);

    /// <summary>Writes files of level 0 to a destination.</summary>
    public void MakeAt(string destination, ulong from, ulong to, int history = 1) => Make(Folder[destination], from, to, history);

    /// <summary>Writes a file to a destination.</summary>
    public void MakeAt(string destination, LtxName name, DateTimeOffset? madeAt = null, int history = 1, int size = 300) =>
        MadeLtx.Write(Folder[destination], name, madeAt ?? TimeOf(name.Max), history, size);

    /// <summary>Deletes files of level 0 where Litestream makes them, as it does when it has merged them.</summary>
    public void DeleteLocal(ulong from, ulong to)
    {
        for (var txid = from; txid <= to; txid++)
        {
            File.Delete(Path.Combine(Local, L0(txid).ToString()));
        }
    }

    /// <summary>Ends the mirrors, as they are, and begins anew as after a restart; they are not started yet.</summary>
    public async Task RestartAsync(double seconds = 0)
    {
        await FinishAsync(seconds);
        (Mirroring, _isOver) = (Create(), false);
    }

    public MirrorStatus? Status(string destination = "mirror") =>
        Mirroring.Statuses.GetValueOrDefault(new MirrorKey("parks", Database.Mirrors.Single(replica => Path.GetFileName(replica.Place) == destination).Key));

    public LtxSet Files(string destination = "mirror") =>
        new LtxStore(new FolderStore(Folder[destination], FileRights.Private, TimeProvider.System), TimeProvider.System).ListAsync(CancellationToken.None).GetAwaiter().GetResult();

    public async Task ReachesAsync(ulong txid, string destination = "mirror")
    {
        try
        {
            await Eventually.HoldsAsync(() => Status(destination)?.Txid == txid && Status(destination)!.BehindSince is null);
        }
        catch (AssertFailedException)
        {
            Assert.Fail($"{destination} did not reach {txid}: {Status(destination)}");
        }
    }

    /// <summary>Asserts that a restore of a destination gives a transaction.</summary>
    public void AssertRestores(ulong txid, string destination = "mirror")
    {
        var files = Files(destination);
        Assert.AreEqual(txid, files.Reach);
        Assert.IsNull(files.Chain.ResumesAt);
    }

    /// <summary>What was moved aside.</summary>
    public IReadOnlyList<string> Aside(string destination = "mirror") => Directory.GetDirectories(Folder.Path, $"{destination}{ReplacedBackup.Mark}*");

    public Task<IReadOnlyList<MirrorLack>> FinishAsync(double seconds = 10)
    {
        _isOver = true;
        return Mirroring.FinishAsync(TimeSpan.FromSeconds(seconds), CancellationToken.None).InTimeAsync();
    }

    public void Dispose()
    {
        if (!_isOver)
        {
            Mirroring.FinishAsync(TimeSpan.Zero, CancellationToken.None).GetAwaiter().GetResult();
        }

        _stores.Dispose();
        Folder.Dispose();
    }

    private Mirroring Create() => new(
        () => Plan,
        (replica, path) => new FaultyStore(_stores.Open(replica, path), Faults(Path.GetFileName(replica.Place))),
        TimeProvider.System,
        new Random(1),
        text => text);

    private static DateTimeOffset TimeOf(ulong txid) => Start.AddSeconds(txid);

    private static void Make(string folder, ulong from, ulong to, int history)
    {
        for (var txid = from; txid <= to; txid++)
        {
            MadeLtx.Write(folder, L0(txid), TimeOf(txid), history);
        }
    }
}
