using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class StartSpecs
{
    /// <summary>Each try asks the destination, which may have refused the key.</summary>
    [TestMethod]
    public async Task A_first_sync_that_fails_is_tried_again_after_growing_pauses()
    {
        using var stage = new Stage();
        await stage.RunAsync(stage.Settings($"sync-fails={stage.Folder.Write("failing", "")}"));
        foreach (var pause in new[] { 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30 })
        {
            await stage.Clock.PassAsync(pause);
        }
    }

    [TestMethod]
    [DataRow("0.5.17")]
    [DataRow("0.3.13")]
    public async Task Both_generations_become_ready(string version)
    {
        using var stage = new Stage();
        var config = stage.Folder["config"];
        var told = 0;
        var supervisor = stage.Supervise(stage.Settings($"config={config}", version), id => told = id);
        await supervisor.FirstStart.InTimeAsync();
        Assert.AreEqual(
            new DaemonStatus(DaemonState.Running, stage.Started.Single(), stage.Clock.Now), supervisor.Status with { Socket = null });
        Assert.AreEqual(stage.Started.Single(), told);
        Assert.AreEqual(stage.Settings().Configuration, File.ReadAllText(config));
        Assert.AreEqual(version == "0.5.17", supervisor.Status.Socket is not null);
        await Eventually.HoldsAsync(() => stage.Log.Entries.Any(entry => entry is { Message: "initialized db" } && entry.Database == stage.Database));
    }

    [TestMethod]
    public async Task One_with_a_control_socket_need_not_say_that_it_is_ready()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Settings("silent"));
        await Eventually.HoldsAsync(() => File.Exists(stage.Folder["control"]));
        await Eventually.HoldsAsync(() =>
        {
            stage.Clock.Advance(TimeSpan.FromMilliseconds(20));
            return supervisor.FirstStart.IsCompleted;
        });
        await supervisor.FirstStart;
        Assert.AreEqual(DaemonState.Running, supervisor.Status.State);
        Assert.IsEmpty(stage.Log.Entries);
    }

    [TestMethod]
    public async Task One_that_is_ready_for_one_database_only_is_not_ready()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Script("ready; exec sleep 1000") with { DatabasePaths = [stage.Database, stage.Folder["b.db"]] });
        await Eventually.HoldsAsync(() => stage.Log.Entries.Count == 1);
        await stage.Clock.PassAsync(seconds: 60);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        StringAssert.StartsWith(error.Message, "Litestream was not ready within 60 s of its start.");
    }

    [TestMethod]
    [DataRow("0.5.17")]
    [DataRow("0.3.13")]
    public async Task One_that_fails_is_quoted(string version)
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Settings("log=no-such-bucket fail", version));
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        Assert.AreEqual(
            "Litestream ended with exit code 1 at its start. The last lines of its log:\n  ERROR no-such-bucket\n  ERROR Error: told to fail", error.Message);
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    [TestMethod]
    public async Task Its_last_words_are_heard_though_no_line_break_follows()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Script("printf 'Error: cut off' >&2; exit 1"));
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        StringAssert.EndsWith(error.Message, "\n  ERROR Error: cut off");
    }

    [TestMethod]
    public async Task Only_its_last_ten_lines_are_quoted()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Script("seq 1 30; exit 1"));
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        StringAssert.EndsWith(error.Message, "The last lines of its log:\n" + string.Join('\n', Enumerable.Range(21, 10).Select(i => $"  INFO {i}")));
        Assert.HasCount(30, stage.Log.Entries);
    }

    [TestMethod]
    public async Task One_that_says_nothing_is_quoted_so()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Script("exit 127"));
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        Assert.AreEqual("Litestream ended with exit code 127 at its start. The last lines of its log:\n  (none)", error.Message);
    }

    [TestMethod]
    public async Task One_that_is_never_ready_is_given_up_after_a_minute()
    {
        using var stage = new Stage();
        var supervisor = stage.Supervise(stage.Settings("never-ready log=thinking"));
        await Eventually.HoldsAsync(() => stage.Log.Entries.Count == 1);
        await stage.Clock.PassAsync(seconds: 60);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => supervisor.FirstStart.InTimeAsync());
        Assert.AreEqual("Litestream was not ready within 60 s of its start. The last lines of its log:\n  ERROR thinking", error.Message);
    }

    [TestMethod]
    public async Task One_that_cannot_be_started_is_named()
    {
        using var stage = new Stage();
        var settings = stage.Script("");
        File.Delete(settings.Binary.Path);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => stage.Supervise(settings).FirstStart.InTimeAsync());
        StringAssert.StartsWith(error.Message, $"Litestream could not be started: {settings.Binary.Path}: No such file");
    }

    [TestMethod]
    public async Task A_fault_in_reading_its_log_is_told_there_once_and_the_rest_is_read()
    {
        var clock = new FaultyClock(new TestClock());
        using var stage = new Stage(clock);
        clock.FailsAfter = 0;
        var supervisor = stage.Supervise(stage.Script("seq 1 3; head -c 1000000 /dev/zero | tr '\\0' x; echo; ready; exec sleep 1000"));
        await supervisor.FirstStart.InTimeAsync();
        var told = stage.Log.Entries.Where(entry => entry.Message.Contains(FaultyClock.Message, StringComparison.Ordinal));
        Assert.AreEqual($"ERROR Error: a part of Litestream's log could not be read: {FaultyClock.Message}", told.Single().ToString());
    }

    [TestMethod]
    public async Task A_socket_that_a_killed_Litestream_left_does_not_pass_for_a_new_one()
    {
        using var stage = new Stage();
        var supervisor = await stage.RunAsync(stage.Settings());
        await stage.KillAsync(supervisor);
        Assert.IsTrue(File.Exists(stage.Folder["control"]));
        var other = stage.Supervise(stage.Settings("never-ready"));
        await stage.Clock.PassAsync(seconds: 60);
        var error = await Assert.ThrowsExactlyAsync<ReplicationException>(() => other.FirstStart.InTimeAsync());
        StringAssert.StartsWith(error.Message, "Litestream was not ready within 60 s of its start.");
    }
}
