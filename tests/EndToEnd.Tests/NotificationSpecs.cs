using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What goes wrong is said where it is read: in Datasette's own output, and at the addresses of a chat and a watchdog.</summary>
[TestClass]
public sealed partial class NotificationSpecs
{
    private const string Hook = "/hook/s3cr3t-hook", Ping = "/ping/s3cr3t-ping";

    /// <summary>A heartbeat may be two looks late.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(8);

    private static readonly TimeSpan MoreThanAMinute = TimeSpan.FromSeconds(90);

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    [TestMethod]
    public async Task A_destination_that_fails_is_told_once_and_once_when_it_works_again()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        using var receiver = new HttpReceiver();
        var firstTry = true;
        receiver.Answer = request => request.Method != "POST" || !Interlocked.Exchange(ref firstTry, false) ? 200 : 503;
        await using var datasette = await StartAsync(workspace, receiver.Address);
        await Wait.UntilAsync(() => Heartbeats(receiver).Count >= 3, "there are heartbeats");
        Assert.IsEmpty(Lines(datasette), datasette.Output);

        // No permission stops root, but nobody can make a folder where a file is.
        Directory.Move(workspace.Backup("parks"), workspace.Path("aside"));
        workspace.Write("backup/parks", "");
        var broken = Stopwatch.StartNew();
        await using (var load = new WriteLoad(workspace, "parks.db"))
        {
            await Wait.UntilAsync(() => Lines(datasette).Count == 1, "the fault is told");
            Figures.Record("from a broken destination to the line that tells of it", [broken.Elapsed]);
            StringAssert.Matches(Lines(datasette)[0], FaultLine());
            await Wait.UntilAsync(() => Posts(receiver).Count == 2, "the chat has it, at the second try");

            // What was under way at the fault has arrived by now.
            var beats = Heartbeats(receiver).Count;
            await Task.Delay(Silence);
            Assert.HasCount(beats, Heartbeats(receiver));

            File.Delete(workspace.Backup("parks"));
            await Wait.UntilAsync(() => Heartbeats(receiver).Count > beats, "the heart beats again");
            await Wait.UntilAsync(() => Lines(datasette).Count == 2, "the end of the fault is told", MoreThanAMinute);
            Assert.IsGreaterThan(TimeSpan.FromSeconds(58), broken.Elapsed);
        }

        StringAssert.Matches(Lines(datasette)[1], RecoveryLine());
        await Wait.UntilAsync(() => Posts(receiver).Count == 3, "the chat has it");
        AssertSame(Lines(datasette), Posts(receiver).Skip(1));
        await datasette.StopAsync();
        AssertNoSecret(datasette.Output);

        // A busy machine may need more than a second for what was written last, which is said.
        Assert.IsEmpty(Lines(datasette).Skip(2).Where(line => !line.Contains("The last changes are being replicated", StringComparison.Ordinal)), datasette.Output);
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    public async Task A_Litestream_that_is_killed_again_and_again_is_told_once_a_minute()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        using var receiver = new HttpReceiver();
        await using var datasette = await StartAsync(workspace, receiver.Address);
        var started = Stopwatch.StartNew();
        const int kills = 4;
        for (var killed = 0; killed < kills; killed++)
        {
            var process = (await datasette.WaitForStatusAsync(
                status => (string?)status["state"] == "running" && (int)status["litestream"]!["failures"]! == killed, "Litestream runs"))["litestream"]!["process_id"];
            Assert.AreEqual(0, Signals.Send((int)process!, Signals.SIGKILL));
        }

        await datasette.WaitForStatusAsync(status => (string?)status["state"] == "running" && (int)status["litestream"]!["failures"]! == kills, "Litestream runs again");
        Assert.IsLessThan(TimeSpan.FromMinutes(1), started.Elapsed);
        Assert.HasCount(1, Lines(datasette), datasette.Output);
        StringAssert.StartsWith(Lines(datasette)[0], "WARNING:  datasette-litestream: Litestream ended by itself with signal 9. ");
        await Wait.UntilAsync(() => Lines(datasette).Count == 2, "the rest is told", MoreThanAMinute);
        StringAssert.Matches(Lines(datasette)[1], RestartLine());
        await Wait.UntilAsync(() => Posts(receiver).Count == 2, "the chat has both");
        AssertSame(Lines(datasette), Posts(receiver));
        await datasette.StopAsync();
        Assert.HasCount(2, Lines(datasette), datasette.Output);
    }

    [TestMethod]
    public async Task Addresses_that_do_not_work_are_told_once_and_hold_nothing_up()
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        using var receiver = new HttpReceiver { Answer = request => request.Method == "GET" ? 404 : null };
        await using var datasette = await StartAsync(workspace, receiver.Address, "-i", workspace.Create("frozen"));
        await Wait.UntilAsync(() => Lines(datasette).Count == 2, "the heartbeat's failure is told");
        StringAssert.EndsWith(Lines(datasette)[1], "heartbeat-url cannot be fetched: it answered 404. Check the address.");
        StringAssert.Contains((await datasette.StatusAsync())["warnings"]!.ToJsonString(), "heartbeat-url cannot be fetched: it answered 404.");
        await Wait.UntilAsync(() => Heartbeats(receiver).Count >= 3, "it is fetched again");
        AssertNoSecret(await datasette.Http.GetStringAsync("/-/litestream-status"));
        AssertNoSecret((await datasette.StatusAsync()).ToJsonString());

        // The chat has not answered since the start.
        Assert.HasCount(1, Posts(receiver));
        var took = await datasette.StopAsync();
        Figures.Record("end while a chat does not answer", [took]);
        AssertNoSecret(datasette.Output);
        StringAssert.EndsWith(Lines(datasette)[^1], "A message cannot be delivered to notify-url: there was no time left at the end.");
    }

    [TestMethod]
    public async Task Both_can_be_secure_addresses()
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        workspace.Write("authority.pem", certificate.ExportCertificatePem());
        using var receiver = new HttpReceiver(certificate);
        await using var datasette = await StartAsync(
            workspace, receiver.Address, new Dictionary<string, string?> { ["SSL_CERT_FILE"] = workspace.Path("authority.pem") }, "-i", workspace.Create("frozen"));
        await Wait.UntilAsync(() => Posts(receiver).Count == 1 && Heartbeats(receiver).Count >= 1, "both are received");
        StringAssert.Contains(Posts(receiver)[0], "frozen is not replicated: it is immutable");
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task A_literal_address_is_refused(string version)
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var (exitCode, output) = await DatasetteProcess.RunAsync(
            workspace,
            [
                workspace.Create("parks"), .. Settings.ReplicateAll(),
                .. Settings.Set("notify-url", $"https://chat.example{Hook}"), .. Settings.Set("heartbeat-url", $"https://watch.example{Ping}"),
            ],
            python: await PluginEnvironment.PythonOfAsync(version));
        var message = Refusal.AssertIn(exitCode, output);
        foreach (var key in new[] { "notify-url", "heartbeat-url" })
        {
            StringAssert.Matches(message, new($"plugins\\.datasette-litestream\\.{key}: is a secret that Datasette shows at .*; write {{\"\\$env\": \"NAME\"}} or {{\"\\$file\": \"PATH\"}} in its place"));
        }

        AssertNoSecret(output);
        Assert.IsEmpty(workspace.Litestreams);
    }

    /// <summary>Whoever writes to the same file as others must not have a position of its own in it.</summary>
    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Nothing_is_overwritten_where_all_output_goes_to_one_file(string version)
    {
        _ = RealParts.Litestream;
        using var workspace = new Workspace();
        var python = await PluginEnvironment.PythonOfAsync(version);
        workspace.Write("keys.json", """{"access-key-id": "AKIAFAKE", "secret-access-key": "fake"}""");
        await using var datasette = await DatasetteProcess.LaunchIntoFileAsync(
            workspace,
            "log",
            [
                workspace.Create("parks"), "-i", workspace.Create("frozen"), .. Settings.ReplicateAll(),
                .. Settings.Set("credentials-file", "keys.json"), .. Settings.Set("credentials-refresh-interval", "0.2"),
            ],
            python);
        await Wait.UntilAsync(() => Log().Contains("(Press CTRL+C to quit)", StringComparison.Ordinal), "it serves");
        Assert.AreEqual(0, Signals.Send(await workspace.WaitForLitestreamAsync(), Signals.SIGKILL));
        await Wait.UntilAsync(() => Log().Contains("signal 9", StringComparison.Ordinal), "the failure is told");
        workspace.Write("keys.json", "{");
        await datasette.WaitForExitAsync();
        string[] expected =
        [
            "WARNING:  datasette-litestream: The database frozen is not replicated: ",
            "INFO:     Started server process ",
            "INFO:     Application startup complete.",
            "INFO:     Uvicorn running on ",
            "WARNING:  datasette-litestream: Litestream ended ",
            "ERROR:    datasette-litestream: credentials-file: ",
            "INFO:     Shutting down",
            "INFO:     Application shutdown complete.",
        ];
        Assert.DoesNotContain('\0', Log());
        foreach (var start in expected)
        {
            Assert.HasCount(1, Log().Split('\n').Where(line => line.StartsWith(start, StringComparison.Ordinal)).ToList(), $"{start}\n{Log()}");
        }

        StringAssert.Matches(Log(), FatalLine());

        string Log() => File.Exists(workspace.Path("log")) ? File.ReadAllText(workspace.Path("log")) : "";
    }

    [TestMethod]
    public async Task A_refusal_is_whole_where_all_output_goes_to_one_file()
    {
        using var workspace = new Workspace();
        workspace.Write("log", new string('x', 10_000));
        await using var datasette = await DatasetteProcess.LaunchIntoFileAsync(
            workspace, "log", [workspace.Create("parks"), .. Settings.Set("all-replicat", "file:///backup")], await PluginEnvironment.PythonAsync());
        Assert.AreEqual(1, await datasette.WaitForExitAsync());
        StringAssert.StartsWith(Refusal.AssertIn(1, File.ReadAllText(workspace.Path("log"))), "datasette-litestream: plugins.datasette-litestream.all-replicat: unknown key");
    }

    private static Task<DatasetteProcess> StartAsync(Workspace workspace, string address, params string[] arguments) =>
        StartAsync(workspace, address, new Dictionary<string, string?>(), arguments);

    private static Task<DatasetteProcess> StartAsync(
        Workspace workspace, string address, IReadOnlyDictionary<string, string?> environment, params string[] arguments) => DatasetteProcess.StartAsync(
            workspace,
            [
                workspace.Create("parks"), .. arguments, .. Settings.ReplicateAll(), .. Settings.SetFromEnvironment("notify-url", "TEST_HOOK"),
                .. Settings.SetFromEnvironment("heartbeat-url", "TEST_PING"), .. Settings.Set("heartbeat-interval", "2"),
            ],
            new Dictionary<string, string?>(environment) { ["TEST_HOOK"] = address + Hook, ["TEST_PING"] = address + Ping });

    /// <summary>The plugin's lines in Datasette's output.</summary>
    private static List<string> Lines(DatasetteProcess datasette) =>
        [.. datasette.Output.Split(Environment.NewLine).Where(line => line.Contains("datasette-litestream: ", StringComparison.Ordinal))];

    private static List<string> Posts(HttpReceiver receiver) =>
        [.. receiver.Requests.Where(request => (request.Method, request.Path) == ("POST", Hook)).Select(request => (string)JsonNode.Parse(request.Body)!["text"]!)];

    private static List<ReceivedRequest> Heartbeats(HttpReceiver receiver) =>
        [.. receiver.Requests.Where(request => (request.Method, request.Path) == ("GET", Ping))];

    private static void AssertSame(IEnumerable<string> lines, IEnumerable<string> posts) =>
        Assert.AreEqual(string.Join('\n', lines), string.Join('\n', posts.Select(text => $"WARNING:  datasette-litestream: {text}")));

    private static void AssertNoSecret(string text) => Assert.DoesNotContain("s3cr3t", text);

    [GeneratedRegex(@"^WARNING:  datasette-litestream: The database parks has been failing since .+ (Details: there is no backup in this folder|Litestream says: .*not a directory.*)\.$")]
    private static partial Regex FaultLine();

    [GeneratedRegex(@"^WARNING:  datasette-litestream: The database parks is safe again since [-0-9]+ [:0-9]+ UTC, after [0-9.]+ s\.( \(\d+ more changes since the last message\.\))?$")]
    private static partial Regex RecoveryLine();

    [GeneratedRegex(@"(Litestream runs again since|It runs again since) .* \([123] more failures? since the last message\.\)$")]
    private static partial Regex RestartLine();

    [GeneratedRegex(@"\nERROR:    datasette-litestream: credentials-file: .* Datasette ends\.\n")]
    private static partial Regex FatalLine();
}
