using System.Text.Json.Nodes;
using Datasette.Litestream.EndToEnd.Faults;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A database <c>parks</c>, and where it is replicated to: a folder, or an S3 server that answers after 3 s.</summary>
internal sealed class HandedOverBackup : IDisposable
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(3);

    private S3Server? _server;
    private S3Key? _key;
    private TcpProxy? _proxy;

    private HandedOverBackup() => Workspace.Create("parks");

    public Workspace Workspace { get; } = new();

    /// <summary>The plugin's settings.</summary>
    public JsonObject Settings { get; private set; } = new() { ["all-replicate"] = "file://$PWD/backup/$DB_NAME" };

    /// <summary>The same as arguments of Datasette, with the database.</summary>
    public string[] Arguments => ["parks.db", .. Settings.SelectMany(setting => EndToEnd.Settings.Set(setting.Key, (string)setting.Value!))];

    /// <summary>Makes both.</summary>
    public static async Task<HandedOverBackup> MakeAsync(bool isSlow)
    {
        _ = RealParts.Litestream;
        var backup = new HandedOverBackup();
        if (isSlow)
        {
            backup._server = await S3Server.StartAsync();
            backup._key = await backup._server.CreateKeyAsync();
            backup._proxy = new TcpProxy(backup._server.Endpoint);
            backup._proxy.Delay(Delay);
            backup.Workspace.Write("keys.json", backup._key.Json);
            backup.Settings = new() { ["all-replicate"] = S3Server.Url("$DB_NAME", backup._proxy.Endpoint), ["credentials-file"] = "keys.json", ["credentials-refresh-interval"] = "60", ["shutdown-timeout"] = "30" };
        }

        return backup;
    }

    /// <summary>Stops right after a row was written, and checks that this row and all others are in the restored database.</summary>
    public async Task AssertReplicatedByAsync(DatasetteProcess datasette)
    {
        await datasette.InsertAsync("parks", "through Datasette");
        await datasette.StopAsync();
        await (_server?.AssertRestoredAsync(Workspace, _key!, "parks") ?? Workspace.AssertRestoredAsync("parks"));
        Assert.IsEmpty(Workspace.Litestreams);
    }

    public void Dispose()
    {
        _proxy?.Dispose();
        _server?.Dispose();
        Workspace.Dispose();
    }
}
