using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>
/// A database that the real Litestream 0.5 replicates, by default to a folder. It merges, makes snapshots and deletes within
/// seconds where it would take minutes to days.
/// </summary>
internal sealed class RealReplication : IDisposable
{
    private readonly LitestreamBinary _binary;
    private readonly StartedChild _litestream;
    private readonly ControlSocket _socket;

    private RealReplication(LitestreamBinary binary, string? destination, IReadOnlyDictionary<string, string>? environment)
    {
        _binary = binary;
        Database = Plans.Of(new DatasetteConfiguration(
            Folder.Path,
            JsonElement.Parse(new Dictionary<string, string> { ["all-replicate"] = destination ?? $"file://{Backup}" }.ToJson()),
            new Dictionary<string, JsonElement>(),
            [new AttachedDatabase("parks", Folder["parks.db"], IsMutable: true)])).Sound.Databases.Single();
        Variables = DaemonFixture.Variables("");
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            Variables[name] = value;
        }

        var document = new JsonObject
        {
            ["socket"] = new JsonObject { ["enabled"] = true, ["path"] = Folder["control"] },
            ["levels"] = new JsonArray(new JsonObject { ["interval"] = "1s" }, new JsonObject { ["interval"] = "5s" }),
            ["snapshot"] = new JsonObject { ["interval"] = "10s", ["retention"] = "20s" },
            ["l0-retention"] = "5s",
            ["l0-retention-check-interval"] = "1s",
        };
        _litestream = new StartedChild(
            binary.Path,
            ["replicate", "-no-expand-env", "-config", "/dev/stdin"],
            Variables,
            Yaml.Write(document) + LitestreamConfiguration.ForOne(Database, ReleaseLine.V05));
        _socket = new ControlSocket(Folder["control"]);
    }

    public TemporaryFolder Folder { get; } = new();

    public DatabasePlan Database { get; }

    public string Backup => Folder["backup"];

    /// <summary>Litestream's environment.</summary>
    public Dictionary<string, string> Variables { get; }

    /// <summary>Litestream's log so far.</summary>
    public string Log => _litestream.Output + _litestream.Errors;

    public LitestreamCommand Command => new(_binary.Path, () => Variables, text => text, TimeProvider.System);

    public ReplicaProbe Probe => new(Command, TimeProvider.System);

    /// <summary>Starts it, and waits until the database is replicated.</summary>
    /// <param name="destination">Where to; null for a folder.</param>
    /// <param name="environment">Variables for Litestream.</param>
    public static async Task<RealReplication> StartAsync(string? destination = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var replication = new RealReplication(await RealLitestream.RequireAsync(5), destination, environment);
        try
        {
            await replication.WriteAsync();
            await Eventually.HoldsAsync(() => replication._socket.IsListening(), "Litestream listens");
            await replication.SyncAsync();
            return replication;
        }
        catch
        {
            replication.Dispose();
            throw;
        }
    }

    public ReplicaFolder Look(int maxFiles = int.MaxValue) => new(Backup, LitestreamFolder.Of(Database), maxFiles);

    /// <summary>Writes a row.</summary>
    public async Task WriteAsync()
    {
        using var sqlite = new StartedChild(
            Programs.Require("sqlite3"),
            [Database.Path, "pragma journal_mode = wal; create table if not exists t (x); insert into t values (randomblob(500))"]);
        Assert.AreEqual(0, (await sqlite.EndsAsync()).Code, sqlite.Errors);
    }

    /// <summary>Writes a row every 20 ms until it is disposed of.</summary>
    public StartedChild WriteAllTheTime() => StartedChild.Shell(
        $"(echo '.timeout 10000'; while echo 'insert into t values (randomblob(5000));'; do sleep 0.02; done) | sqlite3 '{Database.Path}'");

    /// <summary>Waits until everything is replicated, and returns the last transaction.</summary>
    public async Task<ulong> SyncAsync()
    {
        while (true)
        {
            var synced = await _socket.SyncAsync(Database.Path, CancellationToken.None).InTimeAsync();
            if (synced.Txid > 0 && synced.Txid == synced.ReplicatedTxid)
            {
                return synced.Txid;
            }

            await Task.Delay(10);
        }
    }

    /// <summary>What Litestream says it has replicated, without waiting for it.</summary>
    public async Task<ulong> AskAsync() => (await _socket.SyncAsync(Database.Path, CancellationToken.None).InTimeAsync()).ReplicatedTxid;

    /// <summary>Kills Litestream, so that nothing changes any more.</summary>
    public void Stop() => _litestream.Dispose();

    public void Dispose()
    {
        _litestream.Dispose();
        _socket.Dispose();
        Folder.Dispose();
    }
}
