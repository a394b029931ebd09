using System.Collections.Concurrent;
using Datasette.Litestream.Notification;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Notification;

[TestClass]
public sealed class DeadMansSwitchSpecs : IDisposable
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(2);

    private readonly HttpReceiver _receiver = new();
    private readonly TestClock _clock = new();
    private readonly HttpSender _sender;
    private readonly ConcurrentQueue<string> _told = [];
    private readonly DeadMansSwitch _switch;

    public DeadMansSwitchSpecs()
    {
        _sender = new HttpSender(_clock);
        _switch = new DeadMansSwitch(new Uri($"{_receiver.Address}/hunter2"), TimeSpan.FromSeconds(10), _sender, _clock, _told.Enqueue);
    }

    public void Dispose()
    {
        _switch.End();
        _sender.Dispose();
        _receiver.Dispose();
    }

    [TestMethod]
    public async Task It_is_fetched_at_once_and_then_at_each_interval()
    {
        Assert.AreEqual(0, await LookAsync(isSafe: false, looks: 3));
        Assert.AreEqual(1, await LookAsync(isSafe: true, looks: 5));
        Assert.AreEqual(1, await LookAsync(isSafe: true, looks: 5));
        Assert.AreEqual(("GET", "/hunter2", ""), _receiver.Requests.Select(request => (request.Method, request.Path, request.Body)).Distinct().Single());
        Assert.AreEqual("datasette-litestream", _receiver.Requests.First().Headers["User-Agent"]);
    }

    [TestMethod]
    public async Task It_is_not_fetched_while_something_is_not_safe()
    {
        Assert.AreEqual(1, await LookAsync(isSafe: true, looks: 1));
        Assert.AreEqual(0, await LookAsync(isSafe: false, looks: 20));
        Assert.AreEqual(1, await LookAsync(isSafe: true, looks: 1));
    }

    [TestMethod]
    public async Task A_failure_is_repeated_before_the_interval_and_told_once()
    {
        _receiver.Answer = _ => 503;
        Assert.AreEqual(4, await LookAsync(isSafe: true, looks: 10));
        Assert.AreEqual("heartbeat-url cannot be fetched: it answered 503.", _told.Single());
        Assert.AreEqual(_told.Single(), _switch.Warning);
        _receiver.Answer = _ => 200;
        await LookAsync(isSafe: true, looks: 6);
        Assert.IsNull(_switch.Warning);
        Assert.HasCount(1, _told);
    }

    /// <returns>How often it was fetched.</returns>
    private async Task<int> LookAsync(bool isSafe, int looks)
    {
        var before = _receiver.Requests.Count;
        for (var i = 0; i < looks; i++)
        {
            _switch.Look(isSafe);
            await _switch.Sending.InTimeAsync();
            _clock.Advance(BetweenLooks);
        }

        return _receiver.Requests.Count - before;
    }
}
