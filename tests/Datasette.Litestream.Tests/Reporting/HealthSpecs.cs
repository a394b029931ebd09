using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;
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
            _clock.PassUntilAsync(_replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10)))).GetAwaiter().GetResult();
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
        Assert.AreEqual(new HealthReport(true, true, "ok: 1 database; everything written is safe"), await HealthAsync());
    }

    [TestMethod]
    public async Task A_first_copy_that_stalls_is_bad_after_the_limit_and_is_not_named()
    {
        _datasette.Settings["health-max-lag"] = 3;
        _datasette.Words = "never-synced";
        await StartAsync();
        Assert.AreEqual(
            new HealthReport(true, true, "starting: 1 of 1 databases is being copied for the first time, since 0 s; nothing of it is safe yet"), await HealthAsync());
        await PassToNextLookAsync();
        Assert.IsTrue((await HealthAsync()).Healthy);
        await PassToNextLookAsync();
        Assert.AreEqual(
            new HealthReport(true, false, "bad: 1 of 1 databases is not safe, because the first copy has stalled; nothing of it is safe yet"), await HealthAsync());
    }

    [TestMethod]
    [DataRow(true, null, true)]
    [DataRow(false, 59, true)]
    [DataRow(false, 61, false)]
    [DataRow(false, null, false)]
    public void A_first_copy_is_starting_as_long_as_something_moves(bool isMoving, int? stillFor, bool isHealthy)
    {
        var copy = Observations.Database("a", DatabaseState.Starting, lag: 3600, since: 3600);
        var health = Judge(copy with
        {
            Evidence = copy.Evidence with { IsMoving = isMoving, MovedAt = stillFor is { } seconds ? Observations.Now.AddSeconds(-seconds) : null },
        });
        Assert.AreEqual(isHealthy, health.Healthy, health.Line);
        Assert.StartsWith(isHealthy ? "starting: " : "bad: ", health.Line);
    }

    /// <summary>What is written later is safe, but not this: the age of the last change does not matter.</summary>
    [TestMethod]
    [DataRow(StateReason.FileMissing)]
    [DataRow(StateReason.FileReplaced)]
    [DataRow(StateReason.FileOverwritten)]
    [DataRow(StateReason.SameFile)]
    [DataRow(StateReason.LogBlocked)]
    [DataRow(StateReason.FileEmpty)]
    [DataRow(StateReason.FileOlder)]
    [DataRow(StateReason.NameNotSupported)]
    [DataRow(StateReason.BackupDamaged)]
    [DataRow(StateReason.OtherWriter)]
    [DataRow(StateReason.ReplicatedAnew)]
    public void What_no_restore_gives_is_bad_at_once(object reason)
    {
        var health = Judge(Observations.Database("b"), Observations.Database("a", DatabaseState.Failing, since: 0) with { Reason = (StateReason)reason });
        Assert.IsFalse(health.Healthy);
        StringAssert.StartsWith(health.Line, $"bad: 1 of 2 databases is not safe, because {ReasonWording.Clause((StateReason)reason)}; ");
    }

    [TestMethod]
    [DataRow(StateReason.UploadFailed, 59.0, "ok: 1 database; what was written since 11:59:59 UTC is not safe")]
    [DataRow(StateReason.UploadFailed, 61.0, "bad: 1 of 1 databases is not safe, because Litestream cannot upload changes; what was written since 11:59:59 UTC is not safe")]
    [DataRow(StateReason.CompactionFailed, 0.0, "ok: 1 database; everything written is safe")]
    [DataRow(StateReason.DestinationRefused, null, "bad: 1 of 1 databases is not safe, because the destination refused Litestream; what was written since 11:59:59 UTC is not safe")]
    public void What_is_at_risk_may_be_for_as_long_as_the_limit(object reason, double? lag, string line) =>
        Assert.AreEqual(line, Judge(Observations.Database("a", DatabaseState.Failing, lag, since: 61) with { Reason = (StateReason)reason }).Line);

    [TestMethod]
    public void What_is_not_known_is_said()
    {
        Assert.AreEqual(
            new HealthReport(true, true, "ok: 2 databases; everything written is at the replica; the backup of 1 database has not been checked yet"),
            Judge(Observations.Database("a"), Observations.Database("b", DatabaseState.Unverified)));
        Assert.AreEqual(
            new HealthReport(true, true, "ok: 1 database; not known to be behind; Litestream 0.3 does not tell what is at the replica"),
            Judge(Observations.Database("a", DatabaseState.Unverified, lag: null) with { Reason = StateReason.NotKnownToBeBehind }));
        Assert.AreEqual(
            new HealthReport(true, true, "ok: 2 databases; what was written since 11:59:00 UTC may not be safe"),
            Judge(Observations.Database("a"), Observations.Database("b", DatabaseState.Unknown)));
        Assert.AreEqual(
            new HealthReport(true, true, "starting: 1 of 2 databases is not known to be safe yet, because Litestream was just started"),
            Judge(
                Observations.Database("a"),
                Observations.Database("b", DatabaseState.Starting) with
                {
                    Reason = StateReason.Starting,
                    Evidence = new Evidence(Observations.Now, null, null, null, null, TimeSpan.Zero),
                }));
    }

    [TestMethod]
    [DataRow(null, true, "ok: 1 database; everything written is safe")]
    [DataRow(60.0, true, "ok: 1 database; everything written is safe; the credentials could not be read again for 1 min")]
    [DataRow(61.0, false, "bad: the credentials could not be read again for 1 min")]
    public void Credentials_that_cannot_be_refreshed_are_bad_after_the_limit(double? seconds, bool isHealthy, string line)
    {
        var credentials = new CredentialStatus("the file", Observations.Now, null, null) { FailingSince = Observations.Now - (seconds is { } known ? TimeSpan.FromSeconds(known) : null) };
        Assert.AreEqual(
            new HealthReport(true, isHealthy, line),
            Health.Judge(
                new DaemonStatus(DaemonState.Running),
                credentials,
                new ObservedDatabases(Observations.Now, [Observations.Database("a")]),
                TimeSpan.FromMinutes(1),
                false,
                Observations.Now.AddHours(-1),
                Observations.Now));
    }

    [TestMethod]
    public void An_old_look_is_bad_and_so_is_none()
    {
        var running = new DaemonStatus(DaemonState.Running);
        foreach (var observation in new[] { new ObservedDatabases(Observations.Now.AddSeconds(-16), [Observations.Database("a")]), new ObservedDatabases(Observations.Now, []) })
        {
            var health = Health.Judge(running, null, observation, TimeSpan.FromMinutes(1), false, Observations.Now, Observations.Now);
            Assert.IsFalse(health.Healthy);
            StringAssert.StartsWith(health.Line, "bad: the databases have not been looked at since ");
        }

        Assert.IsTrue(Health.Judge(null, null, new ObservedDatabases(Observations.Now.AddDays(-1), []), TimeSpan.FromMinutes(1), false, Observations.Now, Observations.Now).Healthy);
    }

    /// <summary>As on a file system that does not answer.</summary>
    [TestMethod]
    public async Task Looks_that_do_not_go_on_are_told_wherever_somebody_asks()
    {
        _replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        _reporter = new StatusReporter(() => _replicator.Snapshot, new ClockThatStops(_clock));
        Assert.IsTrue((await HealthAsync()).Healthy);
        _clock.Advance(TimeSpan.FromSeconds(16));
        var health = await HealthAsync();
        Assert.IsFalse(health.Healthy);
        StringAssert.StartsWith(health.Line, "bad: the databases have not been looked at since ");
        var report = await _reporter.ReportAsync(new StatusQuery()).InTimeAsync();
        Assert.AreEqual((false, _reporter.UpdatedAt), (report.Healthy, report.WrongSince));
        StringAssert.StartsWith(report.Summary, "The databases have not been looked at since ");
        var database = (await _reporter.ReportDatabaseAsync("parks", HistoryRange.Hour).InTimeAsync())!;
        Assert.AreEqual((false, report.Summary), (database.Healthy, database.Summary));
        var line = (await _reporter.ReportDatabaseStateAsync("parks").InTimeAsync())!;
        Assert.AreEqual(("unknown", report.Summary), (line.State, $"{char.ToUpperInvariant(line.Sentence[0])}{line.Sentence[1..]}."));
    }

    [TestMethod]
    public async Task A_restart_that_is_shorter_than_the_limit_is_healthy_and_a_Litestream_that_does_not_come_back_is_not()
    {
        // The destination is not trusted to be this Datasette's any more when the clock goes on by more than 20 s at once, as it does at a late start.
        _datasette.Settings["health-max-lag"] = 15;
        _datasette.Words = "fail-from=2";
        await StartAsync();
        Assert.IsTrue((await HealthAsync()).Healthy);
        _clock.Advance(TimeSpan.FromSeconds(1));
        var down = _clock.Now;
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting });
        StringAssert.Contains((await HealthAsync()).Line, "what was written since 00:00:00 UTC is not safe");
        for (var failures = 1; _clock.Now - down < TimeSpan.FromSeconds(15); failures++)
        {
            await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting } status && status.Failures >= failures);
            var restarting = await HealthAsync();
            Assert.IsTrue(restarting.Healthy, $"{_clock.Now - down}");
            StringAssert.Contains(restarting.Line, "; Litestream has been down for ");
            var next = _replicator!.Snapshot.Daemon!.NextStartAt!.Value - _clock.Now;
            await _clock.IsAwaitedAsync(next);
            var toLimit = TimeSpan.FromSeconds(16) - (_clock.Now - down);
            _clock.Advance(next < toLimit ? next : toLimit);
        }

        var health = await HealthAsync();
        Assert.AreEqual((false, "bad: Litestream has been down for 16 s"), (health.Healthy, health.Line));
        var report = await _reporter!.ReportAsync(new StatusQuery()).InTimeAsync();
        Assert.AreEqual(down, report.WrongSince);
    }

    [TestMethod]
    public async Task What_was_seen_before_Litestream_was_started_again_is_known_up_to_then()
    {
        await StartAsync();
        Assert.IsTrue((await HealthAsync()).Healthy);
        _clock.Advance(TimeSpan.FromSeconds(1));
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting });
        await _clock.PassAsync(_replicator!.Snapshot.Daemon!.NextStartAt!.Value - _clock.Now);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Running });
        Assert.AreEqual("ok: 1 database; what was written since 00:00:00 UTC is not safe yet", (await HealthAsync()).Line);
    }

    [TestMethod]
    public async Task Of_a_database_that_was_never_safe_nothing_is_safe_while_Litestream_does_not_run()
    {
        _datasette.Words = "never-synced";
        await StartAsync();
        await _reporter!.ReportAsync(new StatusQuery()).InTimeAsync();
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting });
        var database = (await _reporter.ReportAsync(new StatusQuery()).InTimeAsync()).Databases.Single();
        Assert.AreEqual(("stopped", null), (database.State, database.Reason.ReplicatedUntil));
        Assert.AreNotEqual(0, database.LagSeconds);
        Assert.DoesNotContain("datasette_litestream_database_replicated_until_timestamp_seconds{", await _reporter.WriteMetricsAsync().InTimeAsync());
    }

    [TestMethod]
    public async Task What_was_seen_of_a_file_is_not_said_of_another_one_that_is_served_since()
    {
        await StartAsync();
        Assert.AreEqual("ok: 1 database; everything written is safe", (await HealthAsync()).Line);
        StringAssert.Contains(await _reporter!.WriteMetricsAsync().InTimeAsync(), "datasette_litestream_database_replicated_until_timestamp_seconds{");
        var parks = _replicator!.Plan.Databases.Single();
        _ = _replicator.ServeAsync([new AttachedDatabase(parks.Name, $"{parks.Path}.other", IsMutable: true)]);
        Assert.AreEqual("bad: 1 of 1 databases is not safe, because the file was replaced; nothing of it is safe", (await HealthAsync()).Line);
        Assert.DoesNotContain("datasette_litestream_database_replicated_until_timestamp_seconds{", await _reporter.WriteMetricsAsync().InTimeAsync());
    }

    [TestMethod]
    public async Task A_Litestream_that_is_being_started_after_a_failure_is_still_down()
    {
        _datasette.Words = "never-ready-from=2";
        await StartAsync();
        var down = _clock.Now;
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Waiting });
        await _clock.PassAsync(_replicator!.Snapshot.Daemon!.NextStartAt!.Value - _clock.Now);
        await Eventually.HoldsAsync(() => _replicator!.Snapshot.Daemon is { State: DaemonState.Starting });
        var report = await _reporter!.ReportAsync(new StatusQuery()).InTimeAsync();
        Assert.AreEqual((false, (DateTimeOffset?)down, "stopped"), (report.Healthy, report.WrongSince, report.Databases.Single().State));
    }

    private static HealthReport Judge(params DatabaseObservation[] databases) => Health.Judge(
        new DaemonStatus(DaemonState.Running),
        null,
        new ObservedDatabases(Observations.Now, databases),
        TimeSpan.FromMinutes(1),
        false,
        Observations.Now.AddHours(-1),
        Observations.Now);

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

    /// <summary>A clock whose periodic timers never fire.</summary>
    private sealed class ClockThatStops(TestClock clock) : TimeProvider
    {
        public override long TimestampFrequency => clock.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => clock.GetUtcNow();

        public override long GetTimestamp() => clock.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            period > TimeSpan.Zero ? clock.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan) : clock.CreateTimer(callback, state, dueTime, period);
    }
}
