namespace Datasette.Litestream.EndToEnd;

/// <summary>A Datasette that replicates <c>parks.db</c> to an S3 server, with a key that can be changed.</summary>
internal sealed class S3Replication : IAsyncDisposable
{
    /// <summary>The file that contains the key.</summary>
    public const string KeyFile = "keys.json";

    private S3Replication(S3Server server, S3Key key)
    {
        Server = server;
        Key = key;
    }

    public Workspace Workspace { get; } = new();

    public S3Server Server { get; }

    /// <summary>The key in use.</summary>
    public S3Key Key { get; private set; }

    public DatasetteProcess Datasette { get; private set; } = null!;

    /// <summary>Starts both.</summary>
    /// <param name="source">The source of the key: <c>file</c> or <c>command</c>.</param>
    /// <param name="settings">Further options of Datasette.</param>
    public static Task<S3Replication> StartAsync(string source = "file", params string[] settings) => StartAsync(key => key.Json, source, settings);

    /// <summary>Starts both.</summary>
    /// <param name="write">Returns the content of the file of the key.</param>
    /// <param name="source">The source of the key: <c>file</c> or <c>command</c>.</param>
    /// <param name="settings">Further options of Datasette.</param>
    public static async Task<S3Replication> StartAsync(Func<S3Key, string> write, string source, params string[] settings)
    {
        // First, since a key may expire while the plugin is built.
        _ = await PluginEnvironment.PythonAsync();
        var server = await S3Server.StartAsync();
        var replication = new S3Replication(server, await server.CreateKeyAsync());
        try
        {
            replication.WriteKey(write(replication.Key));
            replication.Datasette = await server.ReplicateAsync(
                replication.Workspace,
                [replication.Workspace.Create("parks")],
                [
                    .. Settings.Set($"credentials-{source}", source == "file" ? KeyFile : $"cat {KeyFile}"),
                    .. Settings.Set("credentials-refresh-interval", "0.2"),
                    .. settings,
                ]);
            return replication;
        }
        catch
        {
            await replication.DisposeAsync();
            throw;
        }
    }

    /// <summary>Replaces the file in one step, as a secrets manager's agent does it.</summary>
    public void WriteKey(string content)
    {
        Workspace.Write($"{KeyFile}.new", content);
        File.Move(Workspace.Path($"{KeyFile}.new"), Workspace.Path(KeyFile), overwrite: true);
    }

    /// <summary>Creates a key and writes it to the file; the previous one stays valid.</summary>
    public async Task RotateAsync()
    {
        Key = await Server.CreateKeyAsync();
        WriteKey(Key.Json);
    }

    public Task AssertRestoredAsync() => Server.AssertRestoredAsync(Workspace, Key, "parks");

    public async ValueTask DisposeAsync()
    {
        if (Datasette is not null)
        {
            await Datasette.DisposeAsync();
        }

        Server.Dispose();
        Workspace.Dispose();
    }
}
