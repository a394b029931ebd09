using Datasette.Litestream.Daemon;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class HealthSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();
    private readonly TestClock _clock = new();
    private Replicator? _replicator;
    private StatusReporter? _reporter;

    public void Dispose()
    {
        _reporter?.Dispose();
        if (_replicator is not null)
        {
            _clock.PassUntilAsync(_replicator.StopAsync(TimeSpan.FromSeconds(10))).GetAwaiter().GetResult();
        }

        _datasette.Dispose();
    }

    [TestMethod]
    public async Task It_can_be_turned_off()
    {
        _datasette.Settings["health"] = false;
        await StartAsync();
        Assert.AreEqual(new HealthReport(false, true, ""), await HealthAsync());
    }

    [TestMethod]
    public async Task All_that_is_safe_is_healthy()
    {
        await StartAsync();
        Assert.AreEqual(new HealthReport(true, true, "ok: 1 database, lag at most 0 s"), await HealthAsync());
    }

    [TestMethod]
    public async Task A_database_that_stalls_is_bad_after_the_limit_and_is_not_named()
    {
        _datasette.Settings["health-max-lag"] = 3;
        _datasette.Words = "never-synced";
        await StartAsync();
        Assert.AreEqual(new HealthReport(true, true, "ok: 1 database, lag at most 0 s"), await HealthAsync());
        await PassToNextLookAsync();
        Assert.AreEqual(new HealthReport(true, true, "ok: 1 database, lag at most 2.0 s"), await HealthAsync());
        await PassToNextLookAsync();
        Assert.AreEqual(
            new HealthReport(true, false, "bad: 1 of 1 databases have changes that have not been replicated for more than 3.0 s"), await HealthAsync());
    }

    [TestMethod]
    public async Task A_restart_that_is_shorter_than_the_limit_is_healthy_and_a_Litestream_that_does_not_come_back_is_not()
    {
        _datasette.Words = "fail-from=2";
        await StartAsync();
        Assert.IsTrue((await HealthAsync()).Healthy);
        var down = _clock.Now;
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        for (var failures = 1; _clock.Now - down < TimeSpan.FromSeconds(60); failures++)
        {
            await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting } status && status.Failures >= failures);
            Assert.IsTrue((await HealthAsync()).Healthy, $"{_clock.Now - down}");
            var next = _replicator!.Snapshot.Daemon!.NextStartAt!.Value - _clock.Now;
            await _clock.IsAwaitedAsync(next);
            var toLimit = TimeSpan.FromSeconds(61) - (_clock.Now - down);
            _clock.Advance(next < toLimit ? next : toLimit);
        }

        var health = await HealthAsync();
        Assert.AreEqual((false, "bad: Litestream has been down for 1 min"), (health.Healthy, health.Line));
        Assert.AreEqual(down, (await _reporter!.ReportAsync(new StatusQuery()).InTimeAsync()).WrongSince);
    }

    private async Task StartAsync()
    {
        _replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        _reporter = new StatusReporter(() => _replicator.Snapshot, _clock);
    }

    private Task<HealthReport> HealthAsync() => _reporter!.ReportHealthAsync().InTimeAsync();

    private async Task PassToNextLookAsync()
    {
        await _clock.PassAsync(seconds: 2);
        await Eventually.HoldsAsync(() => _reporter!.UpdatedAt == _clock.Now, "the next look");
    }
}
