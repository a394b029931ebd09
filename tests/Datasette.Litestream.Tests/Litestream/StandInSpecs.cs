using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>Checks that the stand-in behaves like the real Litestream: both get the same requests.</summary>
[TestClass]
public sealed class StandInSpecs
{
    private const string Version = "0.5.17";

    /// <summary>A method, an address and a body, with DB for a replicated database and OTHER for one that is not.</summary>
    private static readonly (string Method, string Address, string? Content)[] Questions =
    [
        ("GET", "/info", null),
        ("POST", "/info", "{}"),
        ("GET", "/list", null),
        ("POST", "/list", "{}"),
        ("DELETE", "/list", null),
        ("GET", "/txid?path=DB", null),
        ("GET", "/txid?path=OTHER", null),
        ("GET", "/txid?path=", null),
        ("GET", "/txid", null),
        ("POST", "/txid", "{}"),
        ("POST", "/sync", """{"path":"DB"}"""),
        ("POST", "/sync", """{"path":"OTHER"}"""),
        ("POST", "/sync", "{}"),
        ("POST", "/sync", """{"path":""}"""),
        ("POST", "/sync", "no JSON"),
        ("GET", "/sync", null),
        ("GET", "/debug/sync-status", null),
        ("GET", "/debug/sync-status?path=DB", null),
        ("GET", "/debug/sync-status?path=OTHER", null),
        ("POST", "/debug/sync-status", "{}"),
        ("GET", "/nothing", null),
        ("POST", "/nothing", "{}"),
        ("GET", "/", null),
    ];

    [TestMethod]
    public async Task It_answers_as_Litestream_does()
    {
        using var real = await Asked.StartAsync(await RealAsync());
        using var standIn = await Asked.StartAsync(DaemonFixture.FakeLitestream);
        var expected = await real.AnswersAsync();
        Assert.AreEqual(expected, await standIn.AnswersAsync());

        // Checks that the plugin's own requests were made, and that answers were compared at all.
        StringAssert.Contains(expected, "POST /sync {\"path\":\"DB\"}: 200 application/json {path:String,replicated_txid:Number,status:String,txid:Number}");
        StringAssert.Contains(expected, "GET /list: 200 application/json {databases:[{last_sync_at:String,path:String,status:String}]}");
    }

    [TestMethod]
    public async Task It_says_of_a_sync_what_Litestream_says()
    {
        using var real = await Asked.StartAsync(await RealAsync());
        using var standIn = await Asked.StartAsync(DaemonFixture.FakeLitestream);
        foreach (var litestream in new[] { real, standIn })
        {
            await litestream.WriteAsync();
            CollectionAssert.AreEqual(new[] { "synced_local", "no_change" }, new[] { await litestream.SyncAsync(), await litestream.SyncAsync() });
        }
    }

    [TestMethod]
    public async Task It_says_of_a_sync_that_fails_what_Litestream_says()
    {
        using var folder = new TemporaryFolder();
        using var real = await Asked.StartAsync(await RealAsync());
        using var standIn = await Asked.StartAsync(DaemonFixture.FakeLitestream, $"sync-fails={folder.Write("fails", "")}");

        // The LTX files beside the database are gone.
        Directory.Delete(real.Folder[".parks.db-litestream"], recursive: true);
        var question = ("POST", "/sync", """{"path":"DB"}""");
        var expected = await real.AnswerAsync(question);
        Assert.AreEqual(expected, await standIn.AnswerAsync(question));
        StringAssert.EndsWith(expected, ": 500 application/json {error:String}");
        question = ("GET", "/debug/sync-status", null!);
        expected = await real.AnswerAsync(question);
        Assert.AreEqual(expected, await standIn.AnswerAsync(question));
        StringAssert.Contains(expected, "error:String");
    }

    [TestMethod]
    public async Task It_logs_as_Litestream_does_in_local_time()
    {
        using var real = await Asked.StartAsync(await RealAsync());
        using var standIn = await Asked.StartAsync(DaemonFixture.FakeLitestream);
        foreach (var message in new[] { "control socket listening", "initialized db" })
        {
            var (one, other) = (await real.LoggedAsync(message), await standIn.LoggedAsync(message));
            Assert.AreEqual(Shape(one), Shape(other), message);
            StringAssert.EndsWith((string?)one["time"], "+05:30");
            StringAssert.EndsWith((string?)other["time"], "+02:00");
        }
    }

    /// <summary>The shape of a JSON text: its keys and the kinds of its values.</summary>
    private static string Shape(JsonNode? json) => json switch
    {
        JsonObject mapping => $"{{{string.Join(',', mapping.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}:{Shape(pair.Value)}"))}}}",
        JsonArray list => $"[{string.Join(',', list.Select(Shape).Distinct())}]",
        null => "Null",
        _ when json.GetValueKind() is JsonValueKind.True or JsonValueKind.False => "Boolean",
        _ => json.GetValueKind().ToString(),
    };

    /// <summary>The real Litestream, in the wheels' version, since a later one may answer differently.</summary>
    private static async Task<string> RealAsync()
    {
        var binary = await RealLitestream.RequireAsync(minor: 5);
        return binary.Version.ToString() == Version
            ? binary.Path
            : throw Skip.Because($"the litestream on PATH is {binary.Version}, and its stand-in is as {Version}");
    }

    /// <summary>A Litestream that replicates <c>parks.db</c> to a folder, after its first sync.</summary>
    private sealed class Asked : IDisposable
    {
        private readonly StartedChild _litestream;
        private readonly HttpClient _http;

        private Asked(string program, string words)
        {
            var plan = Plans.Of(new DatasetteConfiguration(
                Folder.Path,
                JsonElement.Parse(new Dictionary<string, string> { ["all-replicate"] = $"file://{Folder.Path}/replica/$DB_NAME" }.ToJson()),
                // It syncs only on request, not by itself.
                new Dictionary<string, JsonElement> { ["parks"] = JsonElement.Parse("""{"monitor-interval": "1h"}""") },
                [new AttachedDatabase("parks", Database, IsMutable: true)])).Sound;
            var environment = DaemonFixture.Variables(words);
            environment["TZ"] = "Asia/Kolkata";
            _litestream = new StartedChild(
                program,
                ["replicate", "-no-expand-env", "-config", "/dev/stdin"],
                environment,
                Yaml.Write(LitestreamConfiguration.Create(plan, ReleaseLine.V05, Folder["control"])));
            _http = new HttpClient(new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellationToken) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(Folder["control"]), cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            })
            {
                BaseAddress = new Uri("http://litestream"),
            };
        }

        public TemporaryFolder Folder { get; } = new();

        private string Database => Folder["parks.db"];

        public static async Task<Asked> StartAsync(string program, string words = "")
        {
            var asked = new Asked(program, words);
            try
            {
                await asked.WriteAsync();
                await Eventually.HoldsAsync(() => asked._litestream.Errors.Contains("initialized db", StringComparison.Ordinal), "Litestream is ready");
                await asked.SyncAsync();
                string? list = null;
                while (list?.Contains("last_sync_at", StringComparison.Ordinal) != true)
                {
                    Assert.IsFalse(asked._litestream.Process.Exited.IsCompleted, asked._litestream.Errors);
                    list = await asked._http.GetStringAsync("/list").InTimeAsync();
                }

                return asked;
            }
            catch
            {
                asked.Dispose();
                throw;
            }
        }

        public async Task WriteAsync()
        {
            using var sqlite = new StartedChild(
                Programs.Require("sqlite3"), [Database, "pragma journal_mode = wal; create table if not exists t (x); insert into t values (1)"]);
            Assert.AreEqual(0, (await sqlite.EndsAsync()).Code, sqlite.Errors);
        }

        public async Task<string> SyncAsync()
        {
            using var content = new StringContent($$"""{"path":"{{Database}}"}""");
            using var answer = await _http.PostAsync("/sync", content).InTimeAsync();
            return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["status"]!;
        }

        /// <summary>All answers, one line each.</summary>
        public async Task<string> AnswersAsync()
        {
            var answers = new StringBuilder();
            foreach (var question in Questions)
            {
                answers.Append(await AnswerAsync(question)).Append('\n');
            }

            return answers.ToString();
        }

        public async Task<string> AnswerAsync((string Method, string Address, string? Content) question)
        {
            using var request = new HttpRequestMessage(new HttpMethod(question.Method), Named(question.Address));
            if (question.Content is { } content)
            {
                request.Content = new StringContent(Named(content));
            }

            using var answer = await _http.SendAsync(request).InTimeAsync();
            var type = answer.Content.Headers.ContentType!;
            var body = await answer.Content.ReadAsStringAsync();
            return $"{question.Method} {question.Address} {question.Content}".TrimEnd()
                + $": {(int)answer.StatusCode} {type} {(type.MediaType == "application/json" ? Shape(JsonNode.Parse(body)) : body.TrimEnd())}";
        }

        /// <summary>The first line of its log with a given message.</summary>
        public async Task<JsonNode> LoggedAsync(string message)
        {
            string? line = null;
            await Eventually.HoldsAsync(
                () => (line = _litestream.Errors.Split('\n')[..^1].FirstOrDefault(text => text.Contains($"\"msg\":\"{message}\"", StringComparison.Ordinal))) is not null,
                message);
            return JsonNode.Parse(line!)!;
        }

        public void Dispose()
        {
            _http.Dispose();
            _litestream.Dispose();
            Folder.Dispose();
        }

        private string Named(string text) => text
            .Replace("OTHER", Folder["other.db"], StringComparison.Ordinal).Replace("DB", Database, StringComparison.Ordinal);
    }
}
