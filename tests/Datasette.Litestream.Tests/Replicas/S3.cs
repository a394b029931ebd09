using System.Text.Json.Nodes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>moto's S3 server on loopback, with a key; see EndToEnd.Tests/s3_server.py.</summary>
internal sealed class S3 : IDisposable
{
    private readonly StartedChild _server;

    private S3(StartedChild server, string[] lines)
    {
        _server = server;
        var (address, key) = (JsonNode.Parse(lines[0])!, JsonNode.Parse(lines[1])!);
        Url = $"s3://backup/$DB_NAME?endpoint={address["endpoint"]}&region=us-east-1&forcePathStyle=true";
        Environment = new Dictionary<string, string>
        {
            ["AWS_ACCESS_KEY_ID"] = (string)key["access-key-id"]!,
            ["AWS_SECRET_ACCESS_KEY"] = (string)key["secret-access-key"]!,
        };
    }

    /// <summary>The setting of a replica.</summary>
    public string Url { get; }

    /// <summary>The key, for Litestream.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    public static async Task<S3> StartAsync()
    {
        var python = Path.Combine(Path.GetDirectoryName(Programs.Require("moto_server"))!, "python");
        var server = StartedChild.Shell($"(echo create-key; exec tail -f /dev/null) | exec '{python}' '{Script}'");
        try
        {
            await Eventually.HoldsAsync(() => Lines(server).Length > 2, "the server listens");
            return new S3(server, Lines(server));
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public void Dispose() => _server.Dispose();

    private static string Script
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Bridge.sln")))
            {
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests run outside of their repository.");
            }

            return Path.Combine(folder, "tests", "EndToEnd.Tests", "s3_server.py");
        }
    }

    private static string[] Lines(StartedChild server) => server.Output.Split('\n');
}
