using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Keys for S3.</summary>
internal sealed record S3Key(string Id, string Secret)
{
    private const string IdVariable = "TEST_KEY_ID", SecretVariable = "TEST_SECRET";

    /// <summary>The content of a credentials file.</summary>
    public string Json => new JsonObject { ["access-key-id"] = Id, ["secret-access-key"] = Secret }.ToJsonString();

    /// <summary>The same as AWS tools print it.</summary>
    /// <param name="validFor">How long the key is said to be valid.</param>
    public string Expiring(TimeSpan validFor) => new JsonObject
    {
        ["Version"] = 1,
        ["AccessKeyId"] = Id,
        ["SecretAccessKey"] = Secret,
        ["Expiration"] = DateTimeOffset.UtcNow + validFor,
    }.ToJsonString();

    /// <summary>Datasette's options for a key in <see cref="Variables"/>, since Datasette publishes literal values.</summary>
    public static string[] Options { get; } =
        [.. EndToEnd.Settings.SetFromEnvironment("access-key-id", IdVariable), .. EndToEnd.Settings.SetFromEnvironment("secret-access-key", SecretVariable)];

    /// <summary>The same as settings of the plugin.</summary>
    public static JsonObject Settings => new()
    {
        ["access-key-id"] = new JsonObject { ["$env"] = IdVariable },
        ["secret-access-key"] = new JsonObject { ["$env"] = SecretVariable },
    };

    /// <summary>The environment variables for both.</summary>
    public Dictionary<string, string?> Variables => new() { [IdVariable] = Id, [SecretVariable] = Secret, ["AWS_CA_BUNDLE"] = null };

    /// <summary>The environment variables for <c>litestream restore</c>.</summary>
    public IReadOnlyDictionary<string, string?> Environment =>
        new Dictionary<string, string?> { ["AWS_ACCESS_KEY_ID"] = Id, ["AWS_SECRET_ACCESS_KEY"] = Secret, ["AWS_CA_BUNDLE"] = null };
}

/// <summary>A request with a signature.</summary>
/// <param name="Method">Such as <c>GET</c>.</param>
/// <param name="Address">The path and the query.</param>
/// <param name="Program">What its sender calls itself.</param>
internal sealed record S3Request(string Method, string Address, string Program)
{
    /// <summary>Whether the plugin has sent it, and not Litestream.</summary>
    public bool IsFromPlugin => Program.Contains("dotnet", StringComparison.OrdinalIgnoreCase);

    public override string ToString() => $"{Method} {Address}";
}

/// <summary>moto's S3 server on loopback, which checks signatures; see <c>s3_server.py</c>.</summary>
internal sealed class S3Server : IDisposable
{
    /// <summary>The existing bucket.</summary>
    public const string Bucket = "backup";

    private readonly Process _process;

    /// <summary>Held while a command waits for its answer.</summary>
    private readonly SemaphoreSlim _turn = new(1);

    private S3Server(Process process) => _process = process;

    public string Endpoint { get; private set; } = "";

    public static async Task<S3Server> StartAsync()
    {
        // Litestream 0.3 supports no endpoint in a URL, but these tests use one.
        _ = RealParts.Litestream05;
        var start = new ProcessStartInfo(RealParts.MotoPython, [Path.Combine(PluginEnvironment.RepositoryRoot, "tests/EndToEnd.Tests/s3_server.py")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var server = new S3Server(process);
        server.Endpoint = (string)(await server.ReadAsync())["endpoint"]!;
        return server;
    }

    /// <summary>The URL of one database's replica, for the plugin and Litestream.</summary>
    public string Url(string database) => Url(database, Endpoint);

    /// <summary>The same, behind another endpoint.</summary>
    public static string Url(string database, string endpoint) => $"s3://{Bucket}/{database}?endpoint={endpoint}&region=us-east-1&forcePathStyle=true";

    public async Task<S3Key> CreateKeyAsync()
    {
        var key = await CommandAsync("create-key");
        return new S3Key((string)key["access-key-id"]!, (string)key["secret-access-key"]!);
    }

    /// <summary>Creates a key of the caller's choice, as an owner of an S3 server can.</summary>
    public async Task<S3Key> CreateKeyAsync(string id, string secret)
    {
        await CommandAsync($"create-key {id} {secret}");
        return new S3Key(id, secret);
    }

    /// <summary>Revokes the key.</summary>
    public Task RevokeAsync(S3Key key) => CommandAsync($"delete-key {key.Id}");

    /// <summary>Refuses connections from now on; stored objects remain.</summary>
    public Task TakeDownAsync() => CommandAsync("stop");

    public Task BringUpAsync() => CommandAsync("start");

    /// <summary>Answers nothing from now on, and refuses nothing either.</summary>
    public void Freeze() => Assert.AreEqual(0, Signals.Send(_process.Id, Signals.SIGSTOP));

    /// <summary>Copies what is under a prefix into a new folder, from which Litestream can restore.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="folder">Where the folder is to be; only this method writes there.</param>
    /// <returns>The folder; the last one again if nothing has changed.</returns>
    public async Task<string> CopyAsync(string prefix, string folder) => (string)(await CommandAsync($"copy {prefix} {folder}"))["folder"]!;

    /// <summary>Puts a file's content there.</summary>
    public Task PutAsync(string name, string file) => CommandAsync($"put {name} {file}");

    /// <summary>Deletes what is under a prefix.</summary>
    public Task DeleteAsync(string prefix) => CommandAsync($"delete {prefix}");

    /// <summary>What names of objects begin with, up to the first slash.</summary>
    public async Task<IReadOnlyList<string>> PrefixesAsync() => [.. (await CommandAsync("prefixes"))["prefixes"]!.AsArray().Select(prefix => (string)prefix!)];

    /// <summary>The requests since the last time that they were asked for.</summary>
    public async Task<IReadOnlyList<S3Request>> RequestsAsync() =>
        [.. (await CommandAsync("requests"))["requests"]!.AsArray().Select(request => new S3Request((string)request!["method"]!, (string)request["address"]!, (string)request["program"]!))];

    /// <summary>Starts a Datasette that replicates databases here.</summary>
    /// <param name="workspace">The folder of the databases.</param>
    /// <param name="files">Their files.</param>
    /// <param name="credentials">The settings for the credentials.</param>
    /// <param name="environment">The environment variables in those settings.</param>
    public Task<DatasetteProcess> ReplicateAsync(
        Workspace workspace, string[] files, string[] credentials, params (string Name, string? Value)[] environment) =>
        DatasetteProcess.StartAsync(
            workspace,
            [.. files, .. Settings.Set("all-replicate", Url("$DB_NAME")), .. credentials],
            environment.Append(("AWS_CA_BUNDLE", null)).DistinctBy(variable => variable.Item1).ToDictionary());

    /// <summary>Restores <c>NAME</c> and compares it with <c>NAME.db</c>, row by row.</summary>
    public async Task AssertRestoredAsync(Workspace workspace, S3Key key, string name)
    {
        using var original = workspace.Open($"{name}.db");
        DumpComparison.AssertEqual(
            original.Dump(),
            await LitestreamProgram.RestoreAsync(RealParts.Litestream, [Url(Uri.EscapeDataString(name))], key.Environment));
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _turn.Dispose();
    }

    private async Task<JsonNode> CommandAsync(string command)
    {
        await _turn.WaitAsync();
        try
        {
            await _process.StandardInput.WriteLineAsync(command);
            await _process.StandardInput.FlushAsync();
            return await ReadAsync();
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<JsonNode> ReadAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(DatasetteProcess.Patience);
        return JsonNode.Parse(line ?? throw new InvalidOperationException("the S3 server ended"))!;
    }
}
