using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What can be done by hand, by HTTP with an API token: who may does it, nobody else does, and no GET changes anything.</summary>
[TestClass]
public sealed class ManualSpecs
{
    private static readonly string[] Actions = ["sync", "pause", "resume", "register", "unregister", "restart", "check", "verify", "accept"];

    public static IEnumerable<object[]> Datasettes => DatasetteInstallation.Principal.Select(version => new object[] { version });

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Each_action_is_done_with_a_token_of_who_may(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, version);
        await datasette.WaitForDatabaseAsync("replicating", "parks");

        await datasette.InsertAsync("parks", "to be synced");
        var synced = await ActAsync(datasette, "ops", "sync", "parks");
        Assert.IsTrue((bool)synced["safe"]!, synced.ToJsonString());
        await workspace.AssertRestoredAsync("parks");

        var check = await ActAsync(datasette, "ops", "check", "parks");
        StringAssert.StartsWith((string?)check["message"], $"The backup at {workspace.Backup("parks")} can be restored up to transaction ");

        var paused = await ActAsync(datasette, "ops", "pause", "parks");
        Assert.AreEqual("parks is paused: what is written to it from now on is not replicated until it is resumed.", (string?)paused["message"]);
        await datasette.InsertAsync("parks", "not replicated");
        await datasette.WaitForDatabaseAsync("stopped", "parks");
        var first = await workspace.WaitForLitestreamAsync();
        _ = Signals.Send(first, Signals.SIGKILL);
        await workspace.WaitForLitestreamAsync(after: first);
        var refused = await ActAsync(datasette, "ops", "sync", "parks", HttpStatusCode.Conflict);
        Assert.AreEqual("parks is paused, by ops, so it is not replicated. Resume it first.", (string?)refused["error"]);
        var status = await datasette.StatusAsync();
        var parks = Database(status, "parks");
        Assert.AreEqual(("stopped", "paused", "ops"), ((string?)parks["state"], (string?)parks["reason"]!["code"], (string?)parks["paused"]!["actor"]));
        Assert.IsFalse((bool)status["healthy"]!);
        await AssertHealthAsync(datasette, HttpStatusCode.ServiceUnavailable, "bad: 1 of 2 databases is not safe, because replication was paused by hand; ");

        await ActAsync(datasette, "ops", "resume", "parks");
        Assert.IsTrue((bool)(await ActAsync(datasette, "ops", "sync", "parks"))["safe"]!);
        await workspace.AssertRestoredAsync("parks");

        var before = await workspace.WaitForLitestreamAsync();
        await ActAsync(datasette, "ops", "restart", database: null);
        Assert.AreNotEqual(before, await workspace.WaitForLitestreamAsync());

        await datasette.InsertAsync("parks", "the last one");
        var ended = await ActAsync(datasette, "ops", "unregister", "parks");
        Assert.AreEqual("parks is not replicated any more. What is at its destination stays there.", (string?)ended["message"]);
        await workspace.AssertRestoredAsync("parks");
        Assert.AreEqual("its replication was ended by hand", Skipped(await datasette.StatusAsync(), "parks"));
        _ = Signals.Send(await workspace.WaitForLitestreamAsync(), Signals.SIGKILL);
        Assert.AreEqual("its replication was ended by hand", Skipped(await datasette.StatusAsync(), "parks"));
        await ActAsync(datasette, "ops", "unregister", "parks", HttpStatusCode.NotFound);

        // Only what the configuration names.
        var elsewhere = await ActAsync(datasette, "ops", "register", "parks", HttpStatusCode.BadRequest, $"file://{workspace.Folder}/elsewhere");
        StringAssert.Contains((string?)elsewhere["error"], "runtime-replicas: true");
        await ActAsync(datasette, "ops", "register", "parks", replica: "file://$PWD/backup/$DB_NAME");
        await ActAsync(datasette, "ops", "register", "secret");
        Assert.IsTrue((bool)(await ActAsync(datasette, "ops", "sync", "secret"))["safe"]!);
        Assert.IsTrue((bool)(await ActAsync(datasette, "ops", "sync", "parks"))["safe"]!);
        await workspace.AssertRestoredAsync("secret");
        await workspace.AssertRestoredAsync("parks");
        Assert.IsFalse(Directory.Exists(workspace.Path("elsewhere")));

        var deeds = (await datasette.StatusAsync())["deeds"]!.AsArray();
        Assert.AreEqual("register", (string?)deeds.First(deed => (string?)deed!["database"] == "secret" && (string?)deed["action"] != "sync")!["action"]);
        Assert.IsTrue(deeds.All(deed => (string?)deed!["actor"] == "ops"));
        StringAssert.Contains(datasette.Output, "WARNING:  datasette-litestream: ops paused parks by hand.");
        StringAssert.Contains(datasette.Output, "WARNING:  datasette-litestream: ops ended the replication of parks by hand.");
    }

    [TestMethod]
    [DynamicData(nameof(Datasettes))]
    public async Task Nobody_else_may_and_no_GET_changes_anything(string version)
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, version);
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        var litestream = await workspace.WaitForLitestreamAsync();
        foreach (var action in Actions)
        {
            foreach (var actor in new[] { "viewer", null })
            {
                using var forbidden = await SendAsync(datasette, HttpMethod.Post, actor, action, action == "restart" ? null : "parks");
                Assert.AreEqual(HttpStatusCode.Forbidden, forbidden.StatusCode, action);
                using var unseen = await SendAsync(datasette, HttpMethod.Get, actor, action, null);
                Assert.AreEqual(HttpStatusCode.Forbidden, unseen.StatusCode, action);
            }

            using var asked = await SendAsync(datasette, HttpMethod.Get, "ops", $"{action}?database=parks", null);
            Assert.AreEqual(HttpStatusCode.MethodNotAllowed, asked.StatusCode, action);
            Assert.AreEqual("POST", asked.Content.Headers.Allow.Single());
        }

        // A page of another site can have a signed-in browser send a form, but not Datasette's token or the same origin.
        var python = await PluginEnvironment.PythonOfAsync(version);
        using var forged = new HttpRequestMessage(HttpMethod.Post, "/-/litestream/restart") { Content = new FormUrlEncodedContent([]) };
        forged.Headers.Add("Cookie", await DatasetteProcess.SignCookieAsync(python, "ops"));
        forged.Headers.Add("Origin", "https://example.com");
        forged.Headers.Add("Sec-Fetch-Site", "cross-site");
        using var browser = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = datasette.Http.BaseAddress };
        using var answer = await browser.SendAsync(forged);
        Assert.AreEqual(HttpStatusCode.Forbidden, answer.StatusCode);

        Assert.AreEqual(litestream, await workspace.WaitForLitestreamAsync());
        var status = await datasette.StatusAsync();
        Assert.IsEmpty(status["deeds"]!.AsArray());
        Assert.IsEmpty(status["litestream"]!["restarts"]!.AsArray());
        Assert.AreEqual("replicating", (string?)Database(status, "parks")["state"]);
    }

    [TestMethod]
    public async Task What_is_asked_wrongly_is_refused_in_words()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, DatasetteInstallation.Main.Version);
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        foreach (var (action, body, status, error) in new (string, string, HttpStatusCode, string)[]
        {
            ("sync", "", HttpStatusCode.BadRequest, "No database is named."),
            ("sync", "[]", HttpStatusCode.BadRequest, "The body must be a JSON object"),
            ("sync", "{", HttpStatusCode.BadRequest, "The body is no JSON"),
            ("sync", """{"database": 1}""", HttpStatusCode.BadRequest, "database must be the name"),
            ("sync", """{"database": "parks", "now": true}""", HttpStatusCode.BadRequest, "has \"now\""),
            ("sync", """{"database": "parks", "replica": "s3://b/p"}""", HttpStatusCode.BadRequest, "replica belongs to register"),
            ("sync", """{"database": "park"}""", HttpStatusCode.NotFound, "There is no database park."),
            ("sync", """{"database": "secret"}""", HttpStatusCode.NotFound, "secret is not replicated: it is excluded from all-replicate."),
            ("resume", """{"database": "parks"}""", HttpStatusCode.Conflict, "parks is not paused."),
            ("register", """{"database": "parks"}""", HttpStatusCode.Conflict, "parks is replicated already"),
            ("register", """{"database": "secret", "replica": "s3://b/$HOME"}""", HttpStatusCode.BadRequest, "names an environment variable"),
            ("register", """{"database": "secret", "replica": 5}""", HttpStatusCode.BadRequest, "replica: expected a URL"),
            ("restart", """{"database": "parks"}""", HttpStatusCode.BadRequest, "leave database out"),
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/-/litestream/{action}") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            using var answer = await datasette.Http.SendAsync(request);
            var said = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            Assert.AreEqual(status, answer.StatusCode, $"{action} {body}: {said.ToJsonString()}");
            Assert.IsFalse((bool)said["ok"]!);
            StringAssert.Contains((string?)said["error"], error);
        }

        Assert.IsEmpty((await datasette.StatusAsync())["deeds"]!.AsArray());
    }

    [TestMethod]
    public async Task Where_that_is_allowed_a_paused_database_leaves_health_as_it_is_and_any_destination_can_be_named()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(workspace, DatasetteInstallation.Main.Version, "health-ignore-paused: true, runtime-replicas: true");
        await datasette.WaitForDatabaseAsync("replicating", "parks");
        await ActAsync(datasette, "ops", "register", "secret", replica: $"file://{workspace.Folder}/elsewhere/$DB_NAME");
        Assert.IsTrue((bool)(await ActAsync(datasette, "ops", "sync", "secret"))["safe"]!);
        Assert.IsTrue(Directory.Exists(workspace.Path("elsewhere/secret/ltx")));
        await ActAsync(datasette, "ops", "pause", "parks");
        await datasette.WaitForDatabaseAsync("stopped", "parks");
        await AssertHealthAsync(datasette, HttpStatusCode.OK, "ok: 2 databases; ");
        Assert.IsFalse((bool)(await datasette.StatusAsync())["healthy"]!);
        foreach (var other in new[] { "secret", "roads" })
        {
            await ActAsync(datasette, "ops", "pause", other);
            await datasette.WaitForDatabaseAsync("stopped", other);
        }

        await AssertHealthAsync(datasette, HttpStatusCode.OK, "ok: nothing is replicated; not counted: 3 paused by hand");
    }

    [TestMethod]
    public async Task Litestream_0_3_can_be_paused_and_says_what_it_cannot()
    {
        using var workspace = new Workspace();
        await using var datasette = await StartAsync(
            workspace, DatasetteInstallation.Main.Version, environment: new() { ["DATASETTE_LITESTREAM_BINARY"] = RealParts.Litestream03 });
        await datasette.WaitForDatabaseAsync("unverified", "parks");
        StringAssert.Contains((string?)(await ActAsync(datasette, "ops", "sync", "parks"))["message"], "does not tell what is at the replica");
        StringAssert.Contains((string?)(await ActAsync(datasette, "ops", "check", "parks", HttpStatusCode.Conflict))["error"], "0.3 cannot be asked");
        await ActAsync(datasette, "ops", "pause", "parks");
        await datasette.InsertAsync("parks", "not replicated");
        await datasette.WaitForDatabaseAsync("stopped", "parks");
        await ActAsync(datasette, "ops", "resume", "parks");

        // It does not tell when it has opened a database.
        await Wait.UntilAsync(async () => (await RestoreAsync()).Contains("not replicated", StringComparison.Ordinal), "what was written meanwhile is at the replica");
        await ActAsync(datasette, "ops", "unregister", "parks");
        await workspace.AssertRestoredAsync("parks", litestream: RealParts.Litestream03);
        await datasette.InsertAsync("parks", "not registered");
        await ActAsync(datasette, "ops", "register", "parks");
        await Wait.UntilAsync(async () => (await RestoreAsync()).Contains("not registered", StringComparison.Ordinal), "what was written before is at the replica");
        await datasette.AssertReplicatesAsync("parks", RealParts.Litestream03);

        Task<string> RestoreAsync() => LitestreamProgram.RestoreAsync(RealParts.Litestream03, [$"file://{workspace.Backup("parks")}"]);
    }

    /// <summary>Starts Datasette with <c>parks</c> and <c>roads</c>, which are replicated, and <c>secret</c>, which is not; ops may manage, viewer may look.</summary>
    private static async Task<DatasetteProcess> StartAsync(
        Workspace workspace, string version, string settings = "health: true", Dictionary<string, string?>? environment = null)
    {
        var python = await PluginEnvironment.PythonOfAsync(version);
        workspace.Create("parks");
        workspace.Create("roads");
        workspace.Create("secret");
        Directory.CreateDirectory(workspace.Path("plugins"));
        TokenPlugin.Write(workspace);
        workspace.Write(
            "datasette.yaml",
            $$"""
            plugins:
              datasette-litestream: {all-replicate: file://$PWD/backup/$DB_NAME, exclude: [secret], {{settings}}}
            permissions:
              litestream-view-status: {id: [ops, viewer, root]}
              litestream-manage: {id: [ops, root]}
            """);
        return await DatasetteProcess.StartAsync(workspace, ["parks.db", "roads.db", "secret.db", "-c", "datasette.yaml", "--plugins-dir", "plugins"], environment, python);
    }

    private static async Task<JsonNode> ActAsync(
        DatasetteProcess datasette, string actor, string action, string? database, HttpStatusCode expected = HttpStatusCode.OK, string? replica = null)
    {
        using var answer = await SendAsync(datasette, HttpMethod.Post, actor, action, database, replica);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.AreEqual(expected, answer.StatusCode, $"{action}: {text}\n{datasette.Output}");
        var said = JsonNode.Parse(text)!;
        Assert.AreEqual(expected == HttpStatusCode.OK, (bool)said["ok"]!);
        return said;
    }

    private static async Task<HttpResponseMessage> SendAsync(
        DatasetteProcess datasette, HttpMethod method, string? actor, string action, string? database, string? replica = null)
    {
        using var program = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = datasette.Http.BaseAddress };
        using var request = new HttpRequestMessage(method, $"/-/litestream/{action}");
        if (actor is not null)
        {
            TokenPlugin.SignIn(request, actor);
        }

        var body = new JsonObject();
        if (database is not null)
        {
            body["database"] = database;
        }

        if (replica is not null)
        {
            body["replica"] = replica;
        }

        if (method == HttpMethod.Post)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        return await program.SendAsync(request);
    }

    private static async Task AssertHealthAsync(DatasetteProcess datasette, HttpStatusCode expected, string start)
    {
        using var health = await datasette.Http.GetAsync("/-/litestream/health");
        var line = await health.Content.ReadAsStringAsync();
        Assert.AreEqual(expected, health.StatusCode, line);
        StringAssert.StartsWith(line, start);
    }

    private static JsonNode Database(JsonNode status, string name) => status["databases"]!.AsArray().Single(database => (string?)database!["name"] == name)!;

    private static string? Skipped(JsonNode status, string name) =>
        (string?)status["skipped"]!.AsArray().Single(database => (string?)database!["name"] == name)!["reason"];
}
