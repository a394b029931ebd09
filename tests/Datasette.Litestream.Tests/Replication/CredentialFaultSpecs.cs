using Datasette.Litestream.Daemon;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>Credentials that S3 refuses, and ones that cannot be read again.</summary>
[TestClass]
public sealed class CredentialFaultSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();
    private readonly TestClock _clock = new();
    private readonly string _keys;
    private Replicator? _replicator;
    private StatusReporter? _reporter;

    public CredentialFaultSpecs()
    {
        _keys = _datasette.Folder.Write("keys.json", """{"AccessKeyId": "AKIAFAKE", "SecretAccessKey": "fake-secret"}""");
        _datasette.Settings["credentials-command"] = $"cat {_keys}";
        _datasette.Settings["credentials-refresh-interval"] = 3600;
        _datasette.Settings["on-refresh-failure"] = "keep";
    }

    public void Dispose()
    {
        _reporter?.Dispose();
        if (_replicator is not null)
        {
            _clock.PassUntilAsync(_replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10)))).GetAwaiter().GetResult();
        }

        _datasette.Dispose();
    }

    [TestMethod]
    public async Task A_refusal_in_the_log_has_them_read_again_long_before_the_interval_has_passed()
    {
        _datasette.Words = "never-synced db-error=StatusCode:_403,_InvalidAccessKeyId";
        await StartAsync();
        await PassLooksUntilAsync(() => _replicator!.Snapshot.Credentials!.Unchanged == 1);
    }

    [TestMethod]
    public async Task A_destination_that_refuses_them_at_the_start_does_too()
    {
        _datasette.Words = $"cause=ExpiredToken refused={_datasette.Folder.Write("refused", _datasette.Folder["parks.db"])}";
        _replicator = await _datasette.StartReplicatorAsync(_clock, DaemonState.Idle).InTimeAsync();
        var refusedAt = HeldOut().RefusedAt;
        await _clock.PassAsync(HeldOut().NextTryAt - _clock.Now);
        await Eventually.HoldsAsync(() => HeldOut().RefusedAt > refusedAt, "it refuses again");
        await LookAsync();
        _clock.Advance(TimeSpan.FromSeconds(10));
        await Eventually.HoldsAsync(() => _replicator.Snapshot.Credentials!.Unchanged == 1);

        HeldOutDatabase HeldOut() => _replicator.Snapshot.HeldOut.Values.Single();
    }

    [TestMethod]
    public async Task Another_error_does_not()
    {
        _datasette.Words = "never-synced db-error=no_such_host";
        await StartAsync();
        var begin = _clock.Now;
        await PassLooksUntilAsync(() => _clock.Now - begin > TimeSpan.FromMinutes(1));
        Assert.AreEqual(0, _replicator!.Snapshot.Credentials!.Unchanged);
    }

    [TestMethod]
    public async Task Ones_that_cannot_be_read_again_are_red_everywhere_although_everything_is_replicated()
    {
        _datasette.Settings["credentials-refresh-interval"] = 90;
        await StartAsync();
        await PassLooksUntilAsync(async () => (await ReportAsync()).Healthy == true);
        File.WriteAllText(_keys, "{");
        await PassLooksUntilAsync(() => _replicator!.Snapshot.Credentials!.Failed > 0);
        var failingSince = _replicator!.Snapshot.Credentials!.FailingSince!.Value;
        var report = await ReportAsync();
        Assert.AreEqual((false, failingSince), (report.Healthy, report.WrongSince));
        StringAssert.Contains(report.Summary, $". The credentials could not be read again since {Wording.Clock(failingSince, _clock.Now)}, and the last good ones stay in use.");
        Assert.AreEqual("false", report.Text.Summary.Healthy);
        Assert.AreEqual(failingSince, report.Credentials!.FailingSince);
        StringAssert.StartsWith(report.Credentials.Failure, "credentials-command: ");
        StringAssert.Contains((await _reporter!.ReportHealthAsync().InTimeAsync()).Line, "; the credentials could not be read again for ");

        File.WriteAllText(_keys, """{"AccessKeyId": "AKIAFAKE", "SecretAccessKey": "fake-secret"}""");
        await PassLooksUntilAsync(() => _replicator.Snapshot.Credentials!.FailingSince is null);
        Assert.AreEqual(true, (await ReportAsync()).Healthy);
    }

    [TestMethod]
    public void Expired_ones_are_an_error_at_the_start()
    {
        File.WriteAllText(_keys, """{"AccessKeyId": "AKIAFAKE", "SecretAccessKey": "fake-secret", "Expiration": "2020-01-01T00:00:00Z"}""");
        Assert.AreEqual("credentials-command: the output of cat has credentials that expired at 2020-01-01 00:00:00Z; have new ones issued.", _datasette.FailToStart());
    }

    private async Task StartAsync()
    {
        _replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        await LookAsync();
    }

    private async Task LookAsync()
    {
        _reporter = new StatusReporter(() => _replicator!.Snapshot, _clock, _replicator!.Observe);
        await ReportAsync();
    }

    private Task<StatusReport> ReportAsync() => _reporter!.ReportAsync(new StatusQuery()).InTimeAsync();

    private Task PassLooksUntilAsync(Func<bool> condition) => PassLooksUntilAsync(() => Task.FromResult(condition()));

    /// <summary>Takes looks until a condition holds, but not until the interval has passed.</summary>
    private async Task PassLooksUntilAsync(Func<Task<bool>> condition)
    {
        for (var begin = _clock.Now; !await condition();)
        {
            Assert.IsLessThan(TimeSpan.FromMinutes(50), _clock.Now - begin);
            await _clock.PassAsync(seconds: 2);
            await Eventually.HoldsAsync(() => _reporter!.UpdatedAt == _clock.Now, "the next look");
        }
    }
}
