using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class StopSpecs
{
    /// <summary>How often it is looked whether Litestream 0.3 has opened its databases.</summary>
    private static readonly TimeSpan OpeningLook = TimeSpan.FromMilliseconds(20);

    [TestMethod]
    public async Task It_ends_gracefully()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        Assert.AreEqual(new DaemonStatus(DaemonState.Stopped) { DownSince = fixture.Clock.Now }, supervisor.Status);
        Assert.IsNull(supervisor.Status.Socket);
    }

    [TestMethod]
    [DoNotParallelize]
    public async Task Where_SIGCHLD_is_ignored_and_its_exit_code_with_it_its_log_tells_success()
    {
        using var fixture = new DaemonFixture();
        using var ignored = new IgnoredChildSignal();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        Assert.HasCount(1, fixture.Started);
    }

    [TestMethod]
    [DoNotParallelize]
    public async Task Where_SIGCHLD_is_ignored_one_that_does_not_say_that_it_succeeded_starts_a_last_time()
    {
        using var fixture = new DaemonFixture();
        using var ignored = new IgnoredChildSignal();
        var supervisor = await fixture.RunAsync(fixture.Settings("exit-code=3"));
        Assert.AreEqual(
            "Litestream ended with no exit code when it was stopped; everything had been replicated before.",
            await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        Assert.HasCount(2, fixture.Started);
    }

    [TestMethod]
    public async Task An_exit_code_is_reported()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("exit-code=3"));
        Assert.AreEqual(
            "Litestream ended with exit code 3 when it was stopped; everything had been replicated before.",
            await DaemonFixture.StopAsync(supervisor).InTimeAsync());
    }

    [TestMethod]
    public async Task One_that_ignores_SIGTERM_is_killed_after_the_timeout()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("ignore-sigterm"));
        var stopped = DaemonFixture.StopAsync(supervisor, TimeSpan.FromSeconds(7.5));
        await fixture.Clock.PassAsync(seconds: 7.5);
        Assert.AreEqual(
            "Litestream did not end within 7.5 s and was killed; everything had been replicated before.", await stopped.InTimeAsync());
    }

    [TestMethod]
    public async Task A_control_socket_that_does_not_answer_takes_no_time_of_its_own()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("mute-after=0 ignore-sigterm"));
        var begin = fixture.Clock.Now;
        var stopped = DaemonFixture.StopAsync(supervisor, TimeSpan.FromSeconds(9));
        await fixture.Clock.PassAsync(seconds: 3);
        await fixture.Clock.PassAsync(seconds: 6);
        StringAssert.Contains(await stopped.InTimeAsync(), "did not end within 9 s");
        Assert.AreEqual(TimeSpan.FromSeconds(9), fixture.Clock.Now - begin);
    }

    [TestMethod]
    public async Task A_database_that_was_never_synced_is_synced_before_the_end()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings($"never-synced syncs={fixture.Folder["syncs"]}"));
        var stopped = DaemonFixture.StopAsync(supervisor);

        // Litestream's own last sync is what counts then.
        await Eventually.HoldsAsync(() => File.Exists(fixture.Folder["syncs"]));
        await fixture.Clock.PassAsync(DaemonFixture.ShutdownTimeout / 3);
        Assert.IsNull(await stopped.InTimeAsync());
        AssertSynced(fixture);
    }

    [TestMethod]
    public async Task One_that_is_killed_before_all_is_replicated_names_the_databases()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("never-synced ignore-sigterm"));
        var stopped = supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout));
        await fixture.Clock.PassUntilAsync(stopped);
        var result = await stopped;
        Assert.AreEqual("Litestream did not end within 10 s and was killed; its last changes may not be replicated yet.", result.Error);
        CollectionAssert.AreEqual(new[] { fixture.Database }, result.NotReplicated.ToArray());
    }

    [TestMethod]
    public async Task A_database_that_has_failed_for_long_gets_one_try_and_is_named()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings($"never-synced syncs={fixture.Folder["syncs"]}"));
        await Eventually.HoldsAsync(() => File.Exists(fixture.Folder["syncs"]));
        var result = await supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout, _ => true, CancellationToken.None)).InTimeAsync();
        Assert.IsNull(result.Error);
        CollectionAssert.AreEqual(new[] { fixture.Database }, result.NotReplicated.ToArray());
    }

    /// <summary>As when the signal comes after its handler has gone.</summary>
    [TestMethod]
    public async Task One_that_is_ended_by_the_signal_to_skip_the_rest_has_ended_as_it_was_told()
    {
        using var fixture = new DaemonFixture();
        var (syncs, handled, skip) = (fixture.Folder["syncs"], fixture.Folder["handled"], TimeSpan.FromMilliseconds(100));
        var supervisor = await fixture.RunAsync(fixture.Settings($"never-synced ends-by-signal={handled} syncs={syncs}"));
        await Eventually.HoldsAsync(() => File.Exists(syncs));
        var stopping = supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout, _ => true, CancellationToken.None));
        await Eventually.HoldsAsync(() => File.Exists(handled));
        if (await Task.WhenAny(stopping, fixture.Clock.IsAwaitedAsync(skip)) != stopping)
        {
            fixture.Clock.Advance(skip);
        }

        Assert.IsNull((await stopping.InTimeAsync()).Error);
    }

    [TestMethod]
    public async Task To_hurry_ends_the_wait_and_names_what_is_not_replicated()
    {
        using var fixture = new DaemonFixture();
        using var hurry = new CancellationTokenSource();
        var supervisor = await fixture.RunAsync(fixture.Settings("never-synced"));
        var stopped = supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout, _ => false, hurry.Token));
        await fixture.Clock.IsAwaitedAsync(TimeSpan.FromMilliseconds(50));
        await hurry.CancelAsync();
        var result = await stopped.InTimeAsync();
        Assert.AreEqual("Litestream was told to end at once.", result.Error);
        CollectionAssert.AreEqual(new[] { fixture.Database }, result.NotReplicated.ToArray());
    }

    /// <summary>Litestream 0.3 skips at its end what it has not opened, and ends without an error.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public async Task One_without_a_control_socket_goes_on_until_it_has_opened_its_database(bool hasGeneration)
    {
        using var fixture = new DaemonFixture();
        var (ended, generations) = (fixture.Folder["ended"], Path.Combine(LitestreamFolder.Of(fixture.Database), "generations"));
        var generation = Path.Combine(generations, "0123456789abcdef");
        File.WriteAllText(fixture.Database, "");
        if (hasGeneration)
        {
            Directory.CreateDirectory(generation);
        }

        var supervisor = await fixture.RunAsync(fixture.Script($"trap 'touch {ended}; exit 0' TERM; ready; while :; do sleep 0.01; done"));
        var stopped = DaemonFixture.StopAsync(supervisor);
        await fixture.Clock.IsAwaitedAsync(OpeningLook);
        fixture.Clock.Advance(TimeSpan.FromSeconds(3));
        await fixture.Clock.IsAwaitedAsync(OpeningLook);
        Assert.IsFalse(File.Exists(ended));
        Directory.CreateDirectory(generation);
        foreach (var other in Directory.GetFileSystemEntries(generations).Where(entry => entry != generation))
        {
            File.Delete(other);
        }

        fixture.Clock.Advance(OpeningLook);
        Assert.IsNull(await stopped.InTimeAsync());
        CollectionAssert.AreEqual(new[] { generation }, Directory.GetFileSystemEntries(generations));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public async Task What_one_without_a_control_socket_has_not_opened_is_named(bool hasGeneration)
    {
        using var fixture = new DaemonFixture();
        var generations = Path.Combine(LitestreamFolder.Of(fixture.Database), "generations");
        File.WriteAllText(fixture.Database, "");
        if (hasGeneration)
        {
            Directory.CreateDirectory(generations);
        }

        var supervisor = await fixture.RunAsync(fixture.Settings(version: "0.3.13"));
        var stopped = supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout));
        await fixture.Clock.IsAwaitedAsync(OpeningLook);
        fixture.Clock.Advance(DaemonFixture.ShutdownTimeout / 3);
        var result = await stopped.InTimeAsync();
        Assert.AreEqual($"Litestream had to end before it had opened {fixture.Database}.", result.Error);
        CollectionAssert.AreEqual(new[] { fixture.Database }, result.NotReplicated.ToArray());
        Assert.AreEqual(hasGeneration, Directory.Exists(generations));
        Assert.IsFalse(hasGeneration && Directory.EnumerateFileSystemEntries(generations).Any());
    }

    [TestMethod]
    public async Task What_has_failed_for_long_is_given_the_usual_time_to_be_opened()
    {
        using var fixture = new DaemonFixture();
        File.WriteAllText(fixture.Database, "");
        var ended = fixture.Folder["ended"];
        var supervisor = await fixture.RunAsync(
            fixture.Script($"trap 'touch {ended}; exit 0' TERM; ready; while :; do sleep 0.01; done") with { OpeningTime = TimeSpan.FromSeconds(1.7) });
        var stopped = supervisor.StopAsync(new StopOrder(DaemonFixture.ShutdownTimeout, _ => true, CancellationToken.None));
        await fixture.Clock.IsAwaitedAsync(OpeningLook);
        fixture.Clock.Advance(TimeSpan.FromSeconds(1.6));
        await fixture.Clock.IsAwaitedAsync(OpeningLook);
        Assert.IsFalse(File.Exists(ended));
        fixture.Clock.Advance(TimeSpan.FromSeconds(0.1));
        CollectionAssert.AreEqual(new[] { fixture.Database }, (await stopped.InTimeAsync()).NotReplicated.ToArray());
    }

    /// <summary>Datasette serves meanwhile, so that there may be changes to replicate.</summary>
    [TestMethod]
    public async Task During_the_first_start_it_waits_for_half_of_its_time()
    {
        using var fixture = new DaemonFixture();
        var begin = fixture.Clock.Now;
        var supervisor = fixture.Supervise(fixture.Settings("never-ready"));
        await Eventually.HoldsAsync(() => fixture.Started.Count == 1);
        var stopped = DaemonFixture.StopAsync(supervisor);
        await fixture.Clock.PassAsync(DaemonFixture.ShutdownTimeout / 2);
        Assert.AreEqual(
            $"Litestream was down and could not be started again. What was written since {begin:u} is not replicated.", await stopped.InTimeAsync());
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    [TestMethod]
    public async Task During_a_later_start_it_waits_for_half_of_its_time()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        var restarted = supervisor.RestartAsync(fixture.Settings("never-ready"), RestartReason.Renewal, "Again.");
        await Eventually.HoldsAsync(() => fixture.Started.Count == 2);
        var stopped = DaemonFixture.StopAsync(supervisor);
        await fixture.Clock.PassAsync(DaemonFixture.ShutdownTimeout / 2);
        Assert.AreEqual(
            "Litestream was down and could not be started again. What was written since 2000-01-01 00:00:00Z is not replicated.", await stopped.InTimeAsync());
        await restarted.InTimeAsync();
        Assert.HasCount(2, fixture.Started);
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    [TestMethod]
    public async Task While_it_waits_for_its_next_start_it_starts_a_last_time_to_replicate_what_is_left()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings($"syncs={fixture.Folder["syncs"]}"));
        await fixture.KillAsync(supervisor);
        File.Delete(fixture.Folder["syncs"]);
        Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        Assert.HasCount(2, fixture.Started);
        AssertSynced(fixture);
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
        Assert.IsNull(supervisor.Status.NextStartAt);
    }

    [TestMethod]
    public async Task A_last_start_that_fails_tells_since_when_nothing_is_replicated()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("fail-from=2"));
        await fixture.KillAsync(supervisor);
        var error = await DaemonFixture.StopAsync(supervisor).InTimeAsync();
        StringAssert.StartsWith(
            error, $"Litestream was down and could not be started again. What was written since {fixture.Clock.Now:u} is not replicated.");
        StringAssert.Contains(error, "told to fail");
        Assert.HasCount(2, fixture.Started);
    }

    [TestMethod]
    public async Task While_it_stops_already_waits_for_that_stop()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("ignore-sigterm"));
        var first = DaemonFixture.StopAsync(supervisor);
        await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Stopping);
        var second = DaemonFixture.StopAsync(supervisor);
        Assert.IsFalse(second.IsCompleted);
        await fixture.Clock.PassAsync(DaemonFixture.ShutdownTimeout);
        StringAssert.Contains(await first.InTimeAsync(), "was killed");
        Assert.IsNull(await second.InTimeAsync());
    }

    [TestMethod]
    public async Task As_it_dies_by_itself_it_starts_a_last_time()
    {
        using var fixture = new DaemonFixture();
        var settings = fixture.Settings();
        for (var i = 0; i < 10; i++)
        {
            var supervisor = await fixture.RunAsync(settings);
            _ = LibC.kill(supervisor.Status.ProcessId!.Value, LibC.SIGKILL);
            Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
            Assert.HasCount(2 * (i + 1), fixture.Started);
            Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
        }
    }

    [TestMethod]
    public async Task Requests_afterwards_do_nothing()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        await DaemonFixture.StopAsync(supervisor).InTimeAsync();
        Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        await supervisor.RestartAsync(fixture.Settings(), RestartReason.Renewal, "Again.").InTimeAsync();
        Assert.HasCount(1, fixture.Started);
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    [TestMethod]
    public async Task Requests_at_once_are_all_answered()
    {
        using var fixture = new DaemonFixture();
        var settings = fixture.Settings();
        var supervisor = await fixture.RunAsync(settings);
        var restarts = Enumerable.Range(0, 8).Select(_ => Task.Run(() => supervisor.RestartAsync(settings, RestartReason.Renewal, "Again.")));
        var stops = Enumerable.Range(0, 4).Select(_ => Task.Run(() => DaemonFixture.StopAsync(supervisor)));
        await Task.WhenAll([.. restarts, .. stops]).InTimeAsync();
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    /// <summary>
    /// The path and nothing else: with "wait" or "timeout", Litestream 0.5.17 would end its read transaction after its answer,
    /// and a writer's checkpoint would remove changes that it has not read.
    /// </summary>
    private static void AssertSynced(DaemonFixture fixture)
    {
        var requests = File.ReadAllLines(fixture.Folder["syncs"]);
        Assert.IsNotEmpty(requests);
        foreach (var request in requests)
        {
            Assert.AreEqual($$"""{"path":"{{fixture.Database}}"}""", request);
        }
    }
}
