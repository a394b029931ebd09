using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Notification;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Notification;

/// <summary>The delivery of lines, to a real server, with a clock that only the test advances.</summary>
[TestClass]
public sealed class WebhookSpecs : IDisposable
{
    private readonly HttpReceiver _receiver = new();
    private readonly TestClock _clock = new();
    private readonly HttpSender _sender;
    private readonly ConcurrentQueue<string> _told = [];
    private readonly Webhook _webhook;

    public WebhookSpecs()
    {
        _sender = new HttpSender(_clock);
        _webhook = Make(_receiver.Address);
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }

    [TestMethod]
    public async Task A_line_arrives_as_JSON_that_common_chats_take()
    {
        _clock.SetUtcNow(new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero));
        _webhook.Post(LogLevel.Warning, "The database täglich \"parks\" is not safe.");
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 1);
        var request = _receiver.Requests.Single();
        Assert.AreEqual(("POST", "/hook/hunter2"), (request.Method, request.Path));
        Assert.AreEqual("application/json; charset=utf-8", request.Headers["Content-Type"]);
        var body = JsonNode.Parse(request.Body)!;
        Assert.AreEqual("2026-05-01T12:00:00Z", (string?)body["time"]);
        Assert.AreEqual("warning", (string?)body["level"]);
        Assert.AreEqual("The database täglich \"parks\" is not safe.", (string?)body["text"]);
        Assert.AreEqual((string?)body["text"], (string?)body["content"]);
        Assert.HasCount(4, body.AsObject());
        await FinishAsync();
    }

    [TestMethod]
    [DataRow(503)]
    [DataRow(500)]
    [DataRow(429)]
    [DataRow(408)]
    public async Task What_fails_is_sent_again_with_growing_delays(int status)
    {
        _receiver.Answer = _ => _receiver.Requests.Count <= 4 ? status : 200;
        _webhook.Post(LogLevel.Warning, "first");
        _webhook.Post(LogLevel.Error, "second");
        foreach (var seconds in new[] { 1, 2, 4, 8 })
        {
            await _clock.PassAsync(seconds);
        }

        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 6 && _webhook.Warning is null);
        CollectionAssert.AreEqual(new[] { "first", "first", "first", "first", "first", "second" }, Texts());
        Assert.AreEqual($"A message cannot be delivered to notify-url: it answered {status}.", _told.Single());
        await FinishAsync();
    }

    [TestMethod]
    public async Task One_failure_is_not_worth_a_word()
    {
        _receiver.Answer = _ => _receiver.Requests.Count == 1 ? 503 : 200;
        _webhook.Post(LogLevel.Warning, "first");
        await _clock.PassAsync(seconds: 1);
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 2);
        await FinishAsync();
        Assert.IsEmpty(_told);
        Assert.IsNull(_webhook.Warning);
    }

    [TestMethod]
    [DataRow(400)]
    [DataRow(404)]
    [DataRow(301)]
    public async Task What_is_refused_is_not_sent_again_and_told_once(int status)
    {
        _receiver.Answer = _ => status;
        _webhook.Post(LogLevel.Warning, "first");
        _webhook.Post(LogLevel.Warning, "second");
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 2);
        await Eventually.HoldsAsync(() => _webhook.Warning is not null);
        _receiver.Answer = _ => 200;
        _webhook.Post(LogLevel.Warning, "third");
        await Eventually.HoldsAsync(() => _webhook.Warning is null);
        CollectionAssert.AreEqual(
            new[] { "first", "second (1 earlier message could not be delivered.)", "third (2 earlier messages could not be delivered.)" }, Texts());
        Assert.AreEqual($"A message cannot be delivered to notify-url: it answered {status}. Check the address.", _told.Single());
        await FinishAsync();
    }

    [TestMethod]
    public async Task A_line_is_given_up_after_an_hour()
    {
        _receiver.Answer = _ => 503;
        _webhook.Post(LogLevel.Warning, "old");
        double[] delays = [1, 2, 4, 8, 16, 32, 64, 128, 256, .. Enumerable.Repeat(300, 11)];
        foreach (var seconds in delays)
        {
            await _clock.PassAsync(seconds);
        }

        await Eventually.HoldsAsync(() => _receiver.Requests.Count == delays.Length + 1);
        _receiver.Answer = _ => 200;
        _webhook.Post(LogLevel.Warning, "new");
        await Eventually.HoldsAsync(() => _webhook.Warning is null);
        Assert.AreEqual("new (1 earlier message could not be delivered.)", Texts()[^1]);
        await FinishAsync();
    }

    [TestMethod]
    public async Task A_server_that_does_not_answer_is_left_after_ten_seconds()
    {
        _receiver.Answer = _ => _receiver.Requests.Count <= 3 ? null : 200;
        _webhook.Post(LogLevel.Warning, "first");
        for (var tries = 1; tries <= 3; tries++)
        {
            await Eventually.HoldsAsync(() => _receiver.Requests.Count == tries);
            await _clock.PassAsync(seconds: 10);
            await _clock.PassAsync(seconds: 1 << (tries - 1));
        }

        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 4);
        Assert.AreEqual("A message cannot be delivered to notify-url: it did not answer within 10 s.", _told.Single());
        await FinishAsync();
    }

    [TestMethod]
    public async Task What_cannot_be_reached_is_told_without_its_address()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        foreach (var (address, words) in new[]
        {
            ($"http://127.0.0.1:{port}", "its host cannot be reached"),
            ("http://hunter2.invalid", "the name of its host cannot be resolved"),
            (_receiver.Address.Replace("http:", "https:", StringComparison.Ordinal), "no secure connection to it can be made"),
        })
        {
            _told.Clear();
            var webhook = Make(address);
            webhook.Post(LogLevel.Warning, "first");
            await _clock.PassAsync(seconds: 1);
            await _clock.PassAsync(seconds: 2);
            await Eventually.HoldsAsync(() => _told.Count == 1);
            Assert.AreEqual($"A message cannot be delivered to notify-url: {words}.", _told.Single());
            await _clock.PassUntilAsync(webhook.FinishAsync());
        }
    }

    [TestMethod]
    public async Task What_waits_at_the_end_is_tried_once()
    {
        _receiver.Answer = _ => 503;
        _webhook.Post(LogLevel.Warning, "first");
        _webhook.Post(LogLevel.Warning, "second");
        _webhook.Post(LogLevel.Warning, "third");
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(1));
        _receiver.Answer = request => request.Body.Contains("first", StringComparison.Ordinal) ? 503 : 200;
        await _webhook.FinishAsync().InTimeAsync();
        CollectionAssert.AreEqual(
            new[] { "first", "first", "second (1 earlier message could not be delivered.)", "third" }, Texts());
        _webhook.Post(LogLevel.Warning, "too late");
    }

    [TestMethod]
    public async Task A_server_that_does_not_answer_does_not_hold_the_end_up()
    {
        _receiver.Answer = _ => null;
        _webhook.Post(LogLevel.Warning, "first");
        _webhook.Post(LogLevel.Warning, "second");
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 1);
        var finishing = _webhook.FinishAsync();
        await _clock.PassAsync(seconds: 1.5);
        await finishing.InTimeAsync();
        Assert.HasCount(1, _receiver.Requests);
    }

    [TestMethod]
    public async Task The_queue_keeps_the_latest_lines()
    {
        _receiver.Answer = _ => 503;
        _webhook.Post(LogLevel.Warning, "0");
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(1));
        for (var i = 1; i <= Webhook.Capacity + 7; i++)
        {
            _webhook.Post(LogLevel.Warning, $"{i}");
        }

        _receiver.Answer = _ => 200;
        _clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == Webhook.Capacity + 2);
        CollectionAssert.AreEqual(new[] { "0", "0 (7 earlier messages could not be delivered.)", "8", "9" }, Texts()[..4]);
        await FinishAsync();
    }

    [TestMethod]
    public async Task A_line_is_no_longer_than_Discord_takes()
    {
        _webhook.Post(LogLevel.Warning, new string('x', 5000));
        await Eventually.HoldsAsync(() => _receiver.Requests.Count == 1);
        Assert.AreEqual(new string('x', 1999) + "…", Texts().Single());
        await FinishAsync();
    }

    private Webhook Make(string address) => new(new Uri($"{address}/hook/hunter2"), _sender, _clock, _told.Enqueue);

    private string[] Texts() => [.. _receiver.Requests.Select(request => (string)JsonNode.Parse(request.Body)!["text"]!)];

    /// <summary>The clock stands still: there is time left at the end for what is under way.</summary>
    private Task FinishAsync() => _webhook.FinishAsync().InTimeAsync();
}
