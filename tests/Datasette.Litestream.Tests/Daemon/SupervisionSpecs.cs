using Datasette.Litestream.Daemon;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class SupervisionSpecs
{
    private const int SIGSTOP = 19;
    private const string RunsForEver = "ready; exec sleep 1000";

    [TestMethod]
    public async Task One_that_dies_is_started_again_after_half_a_second()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        var first = supervisor.Status.ProcessId;
        AssertIsAbout(0.5, await fixture.KillAsync(supervisor));
        var waiting = supervisor.Status;
        Assert.AreEqual("Litestream ended by itself with signal 9.", waiting.LastFailure);
        Assert.IsNull(waiting.ProcessId);
        Assert.IsNull(supervisor.Status.Socket);

        fixture.Clock.Advance(waiting.NextStartAt!.Value - fixture.Clock.Now - TimeSpan.FromMilliseconds(1));
        Assert.AreEqual(DaemonState.Waiting, supervisor.Status.State);
        await fixture.PassToNextStartAsync(supervisor);
        var running = supervisor.Status;
        Assert.AreNotEqual(first, running.ProcessId);
        Assert.AreEqual(1, running.Failures);
        Assert.AreEqual(waiting.LastFailure, running.LastFailure, "the last failure stays on record");
        Assert.IsNull(running.NextStartAt);
        Assert.AreEqual(running.ProcessId, fixture.Started[^1]);
        await supervisor.Status.Socket!.PingAsync(CancellationToken.None);
    }

    [TestMethod]
    public async Task A_stop_hurries_what_comes_before_the_first_start()
    {
        using var fixture = new DaemonFixture();
        var settings = fixture.Settings();
        var supervisor = fixture.Supervise(settings, prepare: async hurry =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, hurry).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return settings;
        });
        Assert.AreEqual(DaemonState.Starting, supervisor.Status.State);
        var result = await supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout)).InTimeAsync();
        Assert.IsNull(result.Error, "Litestream is started after all, since something may have been written");
        Assert.HasCount(1, fixture.Started);
    }

    [TestMethod]
    public async Task One_that_exits_for_ever_is_tried_for_hours_but_only_every_thirty_seconds()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Script($"mkdir $0.first 2>&- && {{ {RunsForEver}; }}; exit 3"));
        var begin = fixture.Clock.Now;
        var delays = new List<TimeSpan> { await fixture.KillAsync(supervisor) };
        while (fixture.Clock.Now < begin + TimeSpan.FromHours(3))
        {
            var status = supervisor.Status;
            fixture.Clock.Advance(status.NextStartAt!.Value - fixture.Clock.Now);
            delays.Add(await fixture.FailsAsync(supervisor, status.Failures));
        }

        double[] expected = [0.5, 1, 2, 4, 8, 16];
        for (var i = 0; i < delays.Count; i++)
        {
            AssertIsAbout(i < expected.Length ? expected[i] : 30, delays[i]);
        }

        // Two of hundreds may be equal by chance.
        Assert.IsGreaterThan(delays.Count * 9 / 10, delays.Distinct().Count(), "each delay has its own jitter");
        Assert.AreEqual(delays.Count, supervisor.Status.Failures);
        Assert.HasCount(delays.Count, fixture.Started);
        StringAssert.StartsWith(supervisor.Status.LastFailure, "Litestream ended with exit code 3 at its start.");
    }

    [TestMethod]
    public async Task After_a_minute_of_health_the_delay_is_short_again()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Script(RunsForEver));
        AssertIsAbout(0.5, await fixture.KillAsync(supervisor));
        await fixture.PassToNextStartAsync(supervisor);
        fixture.Clock.Advance(TimeSpan.FromSeconds(59));
        AssertIsAbout(1, await fixture.KillAsync(supervisor));
        await fixture.PassToNextStartAsync(supervisor);
        fixture.Clock.Advance(TimeSpan.FromSeconds(60));
        AssertIsAbout(0.5, await fixture.KillAsync(supervisor));
    }

    [TestMethod]
    [DataRow(false, DisplayName = "its socket is mute")]
    [DataRow(true, DisplayName = "it was stopped with SIGSTOP")]
    public async Task One_that_does_not_answer_is_killed_and_started_again_within_ten_seconds(bool isStopped)
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings(isStopped ? "" : "mute-after=0"));
        await Eventually.HoldsAsync(() => fixture.Log.Entries.Any(entry => entry.Message == "initialized db"), "its last words");
        var begin = fixture.Clock.Now;
        var mute = ProcessIdentity.Of(supervisor.Status.ProcessId!.Value)!;
        if (isStopped)
        {
            // Each thread stops when it next runs; until then it may answer.
            Assert.AreEqual(0, LibC.kill(mute.ProcessId, SIGSTOP));
            await Eventually.HoldsAsync(() => Directory.GetDirectories($"/proc/{mute.ProcessId}/task")
                .All(thread => File.ReadAllText($"{thread}/status").Contains("State:\tT", StringComparison.Ordinal)));
        }

        // Its output at the start may have counted as a sign of life.
        while (await fixture.Clock.PassEitherAsync(seconds: 2, or: 2.5) == 2)
        {
        }

        await fixture.Clock.PassAsync(seconds: 2.5);
        await fixture.FailsAsync(supervisor, failures: 0);
        Assert.IsFalse(mute.IsRunning);
        Assert.AreEqual("Litestream did not answer on its control socket and was killed.", supervisor.Status.LastFailure);
        await fixture.PassToNextStartAsync(supervisor);
        Assert.IsLessThan(TimeSpan.FromSeconds(10), fixture.Clock.Now - begin);
    }

    [TestMethod]
    public async Task One_that_answers_is_left_alone()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        for (var passed = TimeSpan.Zero; passed < TimeSpan.FromMinutes(5); passed += TimeSpan.FromSeconds(2))
        {
            await fixture.Clock.PassAsync(seconds: 2);
        }

        Assert.AreEqual(DaemonState.Running, supervisor.Status.State);
        Assert.HasCount(1, fixture.Started);
        Assert.AreEqual(0, supervisor.Status.Failures);
    }

    [TestMethod]
    public async Task A_restart_ends_it_gracefully_and_starts_it_with_the_new_settings()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        await RestartAsync(supervisor, fixture.Settings($"config={fixture.Folder["config"]}", databases: ["a.db", "b.db"]));
        Assert.HasCount(2, fixture.Started);
        Assert.AreEqual(fixture.Started[1], supervisor.Status.ProcessId);
        Assert.AreEqual(0, supervisor.Status.Failures);
        StringAssert.Contains(File.ReadAllText(fixture.Folder["config"]), fixture.Folder["b.db"]);
    }

    [TestMethod]
    public async Task A_restart_that_fails_is_tried_again()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        await RestartAsync(supervisor, fixture.Settings("fail-from=2 log=refused"));
        Assert.AreEqual(DaemonState.Waiting, supervisor.Status.State);
        StringAssert.Contains(supervisor.Status.LastFailure, "refused");
        await RestartAsync(supervisor, fixture.Settings());
        Assert.AreEqual(DaemonState.Running, supervisor.Status.State, "new settings do not wait for the delay");
    }

    [TestMethod]
    public async Task A_binary_that_vanishes_is_found_again_when_it_is_back()
    {
        using var fixture = new DaemonFixture();
        var settings = fixture.Script(RunsForEver);
        var supervisor = await fixture.RunAsync(settings);
        File.Move(settings.Binary.Path, settings.Binary.Path + ".away");
        await fixture.KillAsync(supervisor);
        fixture.Clock.Advance(supervisor.Status.NextStartAt!.Value - fixture.Clock.Now);
        await fixture.FailsAsync(supervisor, failures: 1);
        StringAssert.StartsWith(supervisor.Status.LastFailure, "Litestream could not be started: ");
        File.Move(settings.Binary.Path + ".away", settings.Binary.Path);
        await fixture.PassToNextStartAsync(supervisor);
        Assert.AreEqual(2, supervisor.Status.Failures);
    }

    [TestMethod]
    public async Task A_listener_that_throws_leaves_nothing_running()
    {
        using var fixture = new DaemonFixture();
        var started = 0;
        var supervisor = fixture.Supervise(fixture.Settings(), id => throw new UnauthorizedAccessException($"no {started = id}"));
        var error = await fixture.FailsToStartAsync(supervisor);
        Assert.AreEqual($"no {started}", error);
        Assert.AreNotEqual(0, started);
        Assert.IsNull(ProcessIdentity.Of(started));
    }

    [TestMethod]
    public async Task A_listener_that_throws_at_a_later_start_does_not_end_the_supervision()
    {
        using var fixture = new DaemonFixture();
        var starts = 0;
        var supervisor = fixture.Supervise(fixture.Script(RunsForEver), _ => _ = ++starts == 2 ? throw new UnauthorizedAccessException("no") : 0);
        await DaemonFixture.IsRunningAsync(supervisor);
        await fixture.KillAsync(supervisor);
        fixture.Clock.Advance(supervisor.Status.NextStartAt!.Value - fixture.Clock.Now);
        await fixture.FailsAsync(supervisor, failures: 1);
        Assert.AreEqual("no", supervisor.Status.LastFailure);
        await fixture.PassToNextStartAsync(supervisor);
    }

    [TestMethod]
    public async Task A_callback_that_throws_does_not_disturb_it()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Script(RunsForEver), onChanged: (_, _) => throw new IOException("standard error is closed"));
        await DaemonFixture.IsRunningAsync(supervisor);
        await fixture.KillAsync(supervisor);
        Assert.AreEqual("Litestream ended by itself with signal 9.", supervisor.Status.LastFailure);
        await fixture.PassToNextStartAsync(supervisor);
        StringAssert.EndsWith(fixture.Log.Entries[0].ToString(), "could not be logged: standard error is closed");
    }

    [TestMethod]
    public async Task A_fault_in_the_supervision_itself_is_a_failed_run_and_not_its_end()
    {
        using var fixture = new DaemonFixture();
        var clock = new FaultyClock(fixture.Clock);
        var supervisor = fixture.Supervise(fixture.Script(RunsForEver), time: clock);
        await DaemonFixture.IsRunningAsync(supervisor);
        clock.FailsAfter = 0;
        _ = LibC.kill(supervisor.Status.ProcessId!.Value, LibC.SIGKILL);
        AssertIsAbout(0.5, await fixture.FailsAsync(supervisor, failures: 0));
        Assert.AreEqual(
            $"Supervising Litestream failed: {FaultyClock.Message}. What was written last may not be replicated yet.", supervisor.Status.LastFailure);
        Assert.IsNotNull(supervisor.Status.DownSince);
        await fixture.PassToNextStartAsync(supervisor);
    }

    /// <summary>Each call of the clock, from a request to restart until Litestream runs again, fails in turn.</summary>
    [TestMethod]
    public async Task Whatever_fails_at_a_restart_no_process_is_lost_and_it_runs_again()
    {
        for (var looks = 0; ; looks++)
        {
            using var fixture = new DaemonFixture();
            var clock = new FaultyClock(fixture.Clock);
            var settings = fixture.Script(RunsForEver);
            var supervisor = fixture.Supervise(settings, time: clock);
            await DaemonFixture.IsRunningAsync(supervisor);
            clock.FailsAfter = looks;
            await RestartAsync(supervisor, settings);
            if (!clock.HasFailed)
            {
                clock.FailsAfter = int.MaxValue;
                Assert.IsGreaterThan(3, looks);
                return;
            }

            await Eventually.HoldsAsync(() => supervisor.Status is { State: DaemonState.Running } or { NextStartAt: not null });
            if (supervisor.Status.NextStartAt is { } next)
            {
                StringAssert.Contains(supervisor.Status.LastFailure, FaultyClock.Message);
                await fixture.Clock.IsAwaitedAsync(next - fixture.Clock.Now);
                await fixture.PassToNextStartAsync(supervisor);
            }

            await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Running);
            Assert.AreEqual(supervisor.Status.ProcessId, fixture.Started.Single(id => ProcessIdentity.Of(id) is not null));
        }
    }

    [TestMethod]
    public async Task A_stop_that_fails_says_so_and_leaves_nothing_running()
    {
        var errors = 0;
        for (var looks = 0; ; looks++)
        {
            using var fixture = new DaemonFixture();
            var clock = new FaultyClock(fixture.Clock);
            var supervisor = fixture.Supervise(fixture.Script("trap 'exit 0' TERM; ready; while :; do sleep 0.01; done"), time: clock);
            await DaemonFixture.IsRunningAsync(supervisor);

            // The caller's own call of the clock comes first.
            clock.FailsAfter = looks + 1;
            var error = await DaemonFixture.StopAsync(supervisor).InTimeAsync();
            var hasFailed = clock.HasFailed;
            clock.FailsAfter = int.MaxValue;
            if (error is not null)
            {
                StringAssert.Contains(error, FaultyClock.Message);
                StringAssert.Contains(error, "replicated");
                errors++;
            }

            Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
            Assert.IsFalse(fixture.Started.Any(id => ProcessIdentity.Of(id) is not null));
            if (!hasFailed)
            {
                Assert.IsGreaterThan(3, errors);
                return;
            }
        }
    }

    [TestMethod]
    public async Task A_clock_that_stays_broken_ends_the_supervision_for_all_to_see()
    {
        using var fixture = new DaemonFixture();
        var clock = new FaultyClock(fixture.Clock);
        var supervisor = fixture.Supervise(fixture.Script(RunsForEver), time: clock);
        await DaemonFixture.IsRunningAsync(supervisor);
        var running = supervisor.Status.ProcessId!.Value;
        clock.IsBroken = true;
        _ = LibC.kill(running, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Stopped);
        Assert.AreEqual(FaultyClock.Message, supervisor.Status.LastFailure);
        Assert.IsNotNull(supervisor.Status.DownSince);
        clock.IsBroken = false;
        Assert.AreEqual(FaultyClock.Message, await DaemonFixture.StopAsync(supervisor).InTimeAsync());
    }

    private static Task<string?> RestartAsync(Supervisor supervisor, DaemonSettings settings) =>
        supervisor.RestartAsync(settings, RestartReason.Credentials, "There were new credentials.").InTimeAsync();

    private static void AssertIsAbout(double seconds, TimeSpan delay) =>
        Assert.IsInRange(TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(seconds * 1.2), delay);
}
