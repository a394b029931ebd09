using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>
/// A Datasette from the bridge's point of view: a folder with databases, a configuration, and FakeLitestream. Dispose fails if
/// a process that it started is still running, or a socket folder is left.
/// </summary>
internal sealed class TestDatasette : IDisposable
{
    private readonly List<Bridge> _bridges = [];
    private readonly ConcurrentQueue<string> _fatal = [];
    private readonly DatabaseLocks _locks = new();

    public TestDatasette()
    {
        Directory.CreateDirectory(Folder["run"]);
        Settings["all-replicate"] = $"file://{Folder["replica"]}/$DB_NAME";
    }

    public TemporaryFolder Folder { get; } = new();

    /// <summary>The plugin's settings.</summary>
    public JsonObject Settings { get; } = [];

    /// <summary>The settings of single databases, by their names.</summary>
    public JsonObject DatabaseSettings { get; } = [];

    /// <summary>The options of FakeLitestream.</summary>
    public string Words { get; set; } = "";

    /// <summary>Datasette's names of its databases.</summary>
    public IReadOnlyList<string> Databases { get; set; } = ["parks"];

    /// <summary>The lines written to standard error.</summary>
    public ConcurrentQueue<string> OperatorLines { get; } = new();

    /// <summary>Environment variables in addition to those that FakeLitestream needs.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <summary>The ids of all started processes, in order.</summary>
    public IReadOnlyList<int> Started => Processes.Ids;

    public StartedProcesses Processes => new(Folder["starts"]);

    public IReadOnlyList<string> SocketFolders => Directory.GetDirectories(Folder["run"]);

    public string RecordPath(string database = "parks") => Folder[$".{database}.db-litestream/datasette-litestream.json"];

    /// <summary>The request that starts a bridge.</summary>
    public string Request()
    {
        foreach (var path in Databases.Where(name => !name.StartsWith(':')).Select(name => Folder[$"{name}.db"]).Where(path => !File.Exists(path)))
        {
            // Long ago, since a file that has just changed is asked for twice.
            File.WriteAllText(path, "content");
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddDays(-1));
        }

        var environment = DaemonFixture.Variables($"starts={Folder["starts"]} {Words}");
        environment["XDG_RUNTIME_DIR"] = Folder["run"];
        foreach (var (name, value) in Variables)
        {
            environment[name] = value;
        }

        return new JsonObject
        {
            ["workingDirectory"] = Folder.Path,
            ["settings"] = Settings.DeepClone(),
            ["databaseSettings"] = DatabaseSettings.DeepClone(),
            ["databases"] = new JsonArray([.. Databases.Select(name => (JsonNode)new JsonObject
            {
                ["name"] = name,
                ["path"] = name.StartsWith(':') ? null : Folder[$"{name}.db"],
                ["servedPath"] = name.StartsWith(':') ? null : Folder[$"{name}.db"],
                ["isMutable"] = true,
            })]),
            ["bundledBinary"] = DaemonFixture.FakeLitestream,
            ["environment"] = JsonSerializer.SerializeToNode(environment, TestJson.Default.DictionaryStringString),
        }.ToJsonString();
    }

    /// <summary>Starts a bridge, waits until Litestream runs, and returns the bridge with its warnings.</summary>
    public (Bridge Bridge, string Warnings) Start()
    {
        var started = StartAtOnce();
        Eventually.HoldsAsync(() => started.Bridge.Snapshot?.Daemon is null or { State: DaemonState.Running }).GetAwaiter().GetResult();
        return started;
    }

    /// <summary>Starts a bridge, and returns it with its warnings.</summary>
    public (Bridge Bridge, string Warnings) StartAtOnce()
    {
        var bridge = new Bridge(OperatorLines.Enqueue);
        _bridges.Add(bridge);
        bridge.Start(Request());
        return (bridge, string.Concat(OperatorLines));
    }

    /// <summary>Starts the replicator behind a bridge, with the test's clock.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="expected">What to wait for, if there is anything to replicate.</param>
    public async Task<Replicator> StartReplicatorAsync(TestClock time, DaemonState expected = DaemonState.Running)
    {
        var request = StartRequest.Parse(Request(), time);
        var replicator = new Replicator(await ReplicationSetup.CheckAsync(request.Configuration, request.Host), _locks, OperatorLines.Enqueue);
        await replicator.StartAsync(_fatal.Enqueue);
        await Eventually.HoldsAsync(() => replicator.Snapshot.Daemon is null || replicator.Snapshot.Daemon.State == expected);
        return replicator;
    }

    /// <summary>Starts a bridge that cannot start, and returns its message.</summary>
    public string FailToStart() => Assert.ThrowsExactly<ReplicationException>(() => Start()).Message;

    /// <summary>Stops a bridge, and waits until it has stopped.</summary>
    public static void Stop(Bridge bridge) => Eventually.HoldsAsync(bridge.Stop).GetAwaiter().GetResult();

    public static JsonNode Status(Bridge bridge) => JsonNode.Parse(bridge.Status())!;

    public void Dispose()
    {
        _bridges.ForEach(Stop);
        _locks.Release();
        var left = Processes.Kill();
        var folders = SocketFolders;
        Folder.Dispose();
        Assert.IsEmpty(left, "process ids that still run");
        Assert.IsEmpty(folders, "socket folders");
        Assert.IsEmpty(_fatal, "what would have ended Datasette");
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, string>))]
[System.Text.Json.Serialization.JsonSerializable(typeof(string[]))]
internal sealed partial class TestJson : System.Text.Json.Serialization.JsonSerializerContext;
