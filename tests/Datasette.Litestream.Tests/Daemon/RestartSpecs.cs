using Datasette.Litestream.Daemon;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>The history of restarts.</summary>
[TestClass]
public sealed class RestartSpecs
{
    [TestMethod]
    public async Task Each_has_its_reason_and_time()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        var crashed = fixture.Clock.Now;
        await fixture.KillAsync(supervisor);
        Assert.AreEqual(crashed, supervisor.Status.DownSince);
        await fixture.PassToNextStartAsync(supervisor);
        Assert.IsNull(supervisor.Status.DownSince);
        var refused = fixture.Clock.Now;
        await supervisor.RestartAsync(fixture.Settings("fail-from=3 log=refused"), RestartReason.Credentials, "There were new credentials.").InTimeAsync();
        var restarts = supervisor.Status.Restarts;
        CollectionAssert.AreEqual(
            new[] { (RestartReason.FailedStart, refused), (RestartReason.Credentials, refused), (RestartReason.Crash, crashed) },
            restarts.Select(restart => (restart.Reason, restart.At)).ToArray());
        StringAssert.Contains(restarts[0].Message, "refused");
        Assert.AreEqual("There were new credentials.", restarts[1].Message);
        Assert.AreEqual("Litestream ended by itself with signal 9.", restarts[2].Message);
        Assert.AreEqual(refused, supervisor.Status.DownSince);
    }

    /// <summary>The full shutdown timeout, since the last changes must be replicated with the old credentials.</summary>
    [TestMethod]
    public async Task New_credentials_end_Litestream_as_a_stop_does_and_tell_what_went_wrong()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("ignore-sigterm"));
        var first = fixture.Started.Single();
        var restarted = supervisor.RestartAsync(fixture.Settings("ignore-sigterm"), RestartReason.Credentials, "There were new credentials.");
        await fixture.Clock.IsAwaitedAsync(DaemonFixture.ShutdownTimeout);
        fixture.Clock.Advance(DaemonFixture.ShutdownTimeout - TimeSpan.FromMilliseconds(1));
        Assert.IsTrue(ProcessIdentity.Of(first) is { IsRunning: true });
        fixture.Clock.Advance(TimeSpan.FromMilliseconds(1));
        await restarted.InTimeAsync();
        StringAssert.StartsWith(
            supervisor.Status.Restarts.Single().Message,
            $"There were new credentials. Litestream did not end within {DaemonFixture.ShutdownTimeout.TotalSeconds} s and was killed");
    }

    /// <summary>Another Datasette may begin to write.</summary>
    [TestMethod]
    public async Task One_that_must_end_soon_is_killed_though_another_stop_still_waits_for_it()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("ignore-sigterm"));
        var first = fixture.Started.Single();
        var slow = supervisor.RestartAsync(fixture.Settings("ignore-sigterm"), RestartReason.Credentials, "There were new credentials.");
        await fixture.Clock.IsAwaitedAsync(DaemonFixture.ShutdownTimeout);
        var fast = supervisor.RestartAsync(fixture.Settings(), RestartReason.Writer, "It must end.", new CancellationToken(canceled: true));
        await fixture.Clock.PassAsync(4);
        await slow.InTimeAsync();
        Assert.IsFalse(ProcessIdentity.Of(first) is { IsRunning: true });
        await fixture.Clock.PassUntilAsync(fast);
        Assert.AreEqual(1, supervisor.Status.RestartCounts[RestartReason.Writer]);
    }

    [TestMethod]
    public async Task A_start_that_must_end_soon_is_broken_off()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Settings("never-ready"));
        await Eventually.HoldsAsync(() => fixture.Started.Count == 1);
        await supervisor.RestartAsync(fixture.Settings(), RestartReason.Writer, "It must end.", new CancellationToken(canceled: true)).InTimeAsync();
        Assert.IsFalse(ProcessIdentity.Of(fixture.Started[0]) is { IsRunning: true });
        Assert.AreEqual(DaemonState.Running, supervisor.Status.State);
        Assert.AreEqual(0, supervisor.Status.Failures);
    }

    [TestMethod]
    public async Task A_failed_start_after_another_does_not_move_the_time_since_when_it_is_down()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings("fail-from=2"));
        var down = fixture.Clock.Now;
        var next = await fixture.KillAsync(supervisor);
        for (var failures = 1; failures <= 3; failures++)
        {
            fixture.Clock.Advance(next);
            next = await fixture.FailsAsync(supervisor, failures);
        }

        Assert.AreEqual(down, supervisor.Status.DownSince);
        Assert.AreEqual(fixture.Clock.Now, supervisor.Status.LastFailureAt);
    }

    [TestMethod]
    public void The_last_twenty_are_kept_and_all_are_counted()
    {
        var status = Enumerable.Range(0, 50).Aggregate(
            new DaemonStatus(DaemonState.Running),
            (before, i) => before.With(new Restart(DateTimeOffset.UnixEpoch.AddSeconds(i), i % 5 == 0 ? RestartReason.Credentials : RestartReason.Crash, $"{i}")));
        CollectionAssert.AreEqual(
            Enumerable.Range(30, 20).Reverse().Select(i => $"{i}").ToArray(), status.Restarts.Select(restart => restart.Message).ToArray());
        Assert.AreEqual((10, 40), (status.RestartCounts[RestartReason.Credentials], status.RestartCounts[RestartReason.Crash]));
    }
}
