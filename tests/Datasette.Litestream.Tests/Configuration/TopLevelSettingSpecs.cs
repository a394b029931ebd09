namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class TopLevelSettingSpecs
{
    private const string Key = "plugins.datasette-litestream";

    [TestMethod]
    public void Nothing_is_required()
    {
        Assert.IsEmpty(Plans.From().Sound.Databases);
        Assert.IsEmpty(Plans.From("{}").Sound.Databases);
    }

    [TestMethod]
    [DataRow("\"all\"", "\"all\"")]
    [DataRow("[1]", "a list")]
    [DataRow("5", "5")]
    public void The_settings_must_be_a_mapping(string settings, string came) =>
        Plans.From(settings).AssertProblems($"{Key}: expected a mapping of settings, got {came}");

    [TestMethod]
    [DataRow("all-replicat", "all-replicate")]
    [DataRow("all_replicate", "all-replicate")]
    [DataRow("metrics-address", "metrics-addr")]
    [DataRow("acces-key-id", "access-key-id")]
    [DataRow("secret-acces-key", "secret-access-key")]
    [DataRow("session_token", "session-token")]
    [DataRow("credential-file", "credentials-file")]
    [DataRow("credentials-comand", "credentials-command")]
    [DataRow("credentials-refresh-intervall", "credentials-refresh-interval")]
    [DataRow("on-refresh-fail", "on-refresh-failure")]
    [DataRow("Shutdown-Timeout", "shutdown-timeout")]
    public void A_typo_gets_the_key_that_was_meant(string typo, string meant) =>
        Plans.From($$"""{"{{typo}}": "x"}""").AssertProblems($"{Key}.{typo}: unknown key; did you mean \"{meant}\"?");

    [TestMethod]
    public void A_key_that_is_like_no_other_gets_no_suggestion() =>
        Plans.From("""{"frobnicate": 1}""").AssertProblems($"{Key}.frobnicate: unknown key");

    [TestMethod]
    public void Every_mutable_database_gets_a_replica_for_each_template()
    {
        var plan = Plans.From(
            """{"all-replicate": ["file:///a/$DB_NAME", "s3://b/$DB_NAME"]}""", "{}", Plans.Attached("parks"), Plans.Attached("roads")).Sound;

        CollectionAssert.AreEqual(
            new[] { "/a/parks", "s3://b/parks", "/a/roads", "s3://b/roads" },
            plan.Databases.SelectMany(database => database.Replicas).Select(replica => replica.Destination).ToArray());
    }

    [TestMethod]
    [DataRow("\"file:///a/$DB_NAME\"")]
    [DataRow("""{"path": "/a/$DB_NAME"}""")]
    public void One_template_is_read_as_a_list_of_one(string template) =>
        Assert.AreEqual("/a/parks", Plans.From($$"""{"all-replicate": {{template}}}""").Replica.Destination);

    [TestMethod]
    [DataRow("5", "", "5")]
    [DataRow("null", "", "nothing (a variable named by $env that is not set reads as nothing)")]
    [DataRow("[[]]", "[0]", "a list")]
    [DataRow("[\"file:///a\", true]", "[1]", "true")]
    public void A_template_is_a_URL_or_a_mapping(string templates, string index, string came) =>
        Plans.From($$"""{"all-replicate": {{templates}}}""").AssertProblems(
            $"{Key}.all-replicate{index}: expected a URL such as s3://bucket/path, or a mapping of Litestream's replica settings, got {came}");

    [TestMethod]
    public void A_fault_in_a_template_is_told_once_however_many_databases_there_are() =>
        Plans.From("""{"all-replicate": "s3//bucket"}""", "{}", Plans.Attached("a"), Plans.Attached("b"), Plans.Attached("c"))
            .AssertProblem($"{Key}.all-replicate", "is not a URL");

    [TestMethod]
    [DataRow(":5001", "", 5001, true, "http://localhost:5001/metrics")]
    [DataRow("0.0.0.0:80", "0.0.0.0", 80, true, "http://localhost/metrics")]
    [DataRow("[::]:9090", "::", 9090, true, "http://localhost:9090/metrics")]
    [DataRow("[0:0::0]:9090", "0:0::0", 9090, true, "http://localhost:9090/metrics")]
    [DataRow("127.0.0.1:9090", "127.0.0.1", 9090, false, "http://127.0.0.1:9090/metrics")]
    [DataRow("[::1]:9090", "::1", 9090, false, "http://[::1]:9090/metrics")]
    [DataRow("localhost:9090", "localhost", 9090, false, "http://localhost:9090/metrics")]
    [DataRow("metrics.example:65535", "metrics.example", 65535, false, "http://metrics.example:65535/metrics")]
    public void A_metrics_address_is_a_host_and_a_port(string text, string host, int port, bool isEveryInterface, string url)
    {
        var plan = Plans.From($$"""{"metrics-addr": "{{text}}"}""").Sound;

        Assert.AreEqual(host, plan.Metrics!.Host);
        Assert.AreEqual(port, plan.Metrics.Port);
        Assert.AreEqual(url, plan.Metrics.Url.ToString());
        Assert.AreEqual(text, plan.Metrics.ToString());
        Assert.AreEqual(
            isEveryInterface
                ? $"Litestream's metrics on {text} can be read from other machines; metrics-addr: 127.0.0.1:{port} keeps them on this one."
                : "",
            string.Join('\n', plan.Warnings));
    }

    [TestMethod]
    public void Without_the_file_of_the_writers_it_is_warned()
    {
        Assert.IsTrue(Plans.From("{}").Sound.HasWritersFile);
        var plan = Plans.From("""{"writer-file": false}""").Sound;
        Assert.IsFalse(plan.HasWritersFile);
        Assert.AreEqual((true, true), Plans.From("""{"writer-file": "inside"}""").Sound is var inside ? (inside.HasWritersFile, inside.IsWritersFileInside) : default);
        StringAssert.StartsWith(plan.Warnings.Single(), "writer-file is false, so nothing keeps another Datasette from writing to the same destinations");
    }

    [TestMethod]
    [DataRow("5001")]
    [DataRow("localhost")]
    [DataRow("localhost:")]
    [DataRow("localhost:http")]
    [DataRow(":0")]
    [DataRow(":65536")]
    [DataRow(":-1")]
    [DataRow("::1:9090")]
    [DataRow("[localhost]:9090")]
    [DataRow("http://localhost:9090")]
    [DataRow("*:9090")]
    public void What_is_no_address_says_what_one_looks_like(string text) =>
        Plans.From($$"""{"metrics-addr": "{{text}}"}""").AssertProblems(
            $"{Key}.metrics-addr: expected HOST:PORT such as 127.0.0.1:9090, got \"{text}\"");

    [TestMethod]
    [DataRow("metrics-addr", "5001", "expected HOST:PORT such as 127.0.0.1:9090, got 5001")]
    [DataRow("metrics-addr", "\"\"", "expected HOST:PORT such as 127.0.0.1:9090, got empty text")]
    [DataRow("metrics-addr", "null", "expected HOST:PORT such as 127.0.0.1:9090, got nothing (a variable named by $env that is not set reads as nothing)")]
    [DataRow("shutdown-timeout", "0", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got 0")]
    [DataRow("shutdown-timeout", "-1", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got -1")]
    [DataRow("shutdown-timeout", "1e30", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got 1e30")]
    [DataRow("shutdown-timeout", "\"10 s\"", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got \"10 s\"")]
    [DataRow("shutdown-timeout", "\"721h\"", "expected 720h at most, got 721h")]
    [DataRow("shutdown-timeout", "[]", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got a list")]
    public void A_value_of_the_wrong_kind_says_what_was_expected_and_what_came(string key, string value, string message) =>
        Plans.From($$"""{"{{key}}": {{value}}}""").AssertProblems($"{Key}.{key}: {message}");

    [TestMethod]
    [DataRow("{}", 8_000)]
    [DataRow("""{"shutdown-timeout": 45}""", 45_000)]
    [DataRow("""{"shutdown-timeout": 0.5}""", 500)]
    [DataRow("""{"shutdown-timeout": "1m30s"}""", 90_000)]
    [DataRow("""{"shutdown-timeout": "20"}""", 20_000)]
    public void The_shutdown_timeout_is_eight_seconds_unless_set(string settings, int milliseconds) =>
        Assert.AreEqual(TimeSpan.FromMilliseconds(milliseconds), Plans.From(settings).Sound.ShutdownTimeout);

    [TestMethod]
    public void All_problems_are_told_at_once() =>
        Plans.From(
            """
            {
              "all-replicate": ["file:///backup", "s3:///x"], "metrics-addr": "here", "shutdown-timeout": 0,
              "access-key-id": 7, "credentials-refresh-interval": 60, "colour": "green"
            }
            """,
            """{"parks": {"replicass": "file:///x", "monitor-interval": "soon"}, "road": {"replicas": "file:///x"}}""",
            Plans.Attached("parks"),
            Plans.Attached("roads"),
            Plans.Immutable("atlas"),
            Plans.InMemory("scratch")).AssertProblems(
            $"{Key}.colour: unknown key",
            $"{Key}.access-key-id: expected text, got a number",
            $"{Key}.credentials-refresh-interval: has no effect without credentials-file or credentials-command; add one of them or remove it",
            $"{Key}.secret-access-key: is missing beside access-key-id; add it",
            $"{Key}.metrics-addr: expected HOST:PORT such as 127.0.0.1:9090, got \"here\"",
            $"{Key}.shutdown-timeout: expected a duration above zero such as 10s, 1m30s or a number of seconds, got 0",
            $"databases.parks.{Key}.replicass: unknown key; did you mean \"replicas\"?",
            $"databases.parks.{Key}.monitor-interval: expected a duration above zero such as 10s, 1m30s or a number of seconds, got \"soon\"",
            $"{Key}.all-replicate[1]: names no bucket; write s3://NAME/path",
            $"databases.road.{Key}: no database \"road\" is attached; did you mean \"roads\"?",
            $"{Key}.all-replicate[0]: parks and roads would all be written to /backup, which would destroy each other's backup; put $DB_NAME into the destination");
}
