using System.Collections.Immutable;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Processes;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

[TestClass]
public sealed class StartSpecs
{
    /// <summary>Each try contacts the destination, which may have refused the key.</summary>
    [TestMethod]
    public async Task A_first_sync_that_fails_is_tried_again_after_growing_pauses()
    {
        using var fixture = new DaemonFixture();
        await fixture.RunAsync(fixture.Settings($"sync-fails={fixture.Folder.Write("failing", "")}"));
        foreach (var pause in new[] { 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30 })
        {
            await fixture.Clock.PassAsync(pause);
        }
    }

    [TestMethod]
    [DataRow("0.5.17")]
    [DataRow("0.3.13")]
    public async Task Both_generations_become_ready(string version)
    {
        using var fixture = new DaemonFixture();
        var config = fixture.Folder["config"];
        var told = 0;
        var supervisor = fixture.Supervise(fixture.Settings($"config={config}", version), id => told = id);
        await DaemonFixture.IsRunningAsync(supervisor);
        Assert.AreEqual(
            new DaemonStatus(DaemonState.Running, fixture.Started.Single(), fixture.Clock.Now), supervisor.Status with { Socket = null });
        Assert.AreEqual(fixture.Started.Single(), told);
        Assert.AreEqual(fixture.Settings(version: version).Configuration, File.ReadAllText(config));
        Assert.AreEqual(version == "0.5.17", supervisor.Status.Socket is not null);
        await Eventually.HoldsAsync(() => fixture.Log.Entries.Any(entry => entry is { Message: "initialized db" } && entry.Database == fixture.Database));
    }

    [TestMethod]
    [DataRow("", true, DisplayName = "Litestream has read them")]
    [DataRow("log=no-such-bucket fail", false, DisplayName = "Litestream does not start")]
    public async Task Logs_are_held_from_before_the_start_until(string words, bool starts)
    {
        using var fixture = new DaemonFixture();
        using var hold = new StubLogHold();
        var supervisor = fixture.Supervise(HoldingLogs(fixture, words, hold));
        await (starts ? DaemonFixture.IsRunningAsync(supervisor) : fixture.FailsToStartAsync(supervisor));
        await Eventually.HoldsAsync(() => hold.HasEnded);
        CollectionAssert.AreEqual(starts ? new[] { fixture.Database } : [], hold.LetGoOf.ToArray());
    }

    [TestMethod]
    public async Task A_log_that_Litestream_has_not_read_is_held_until_Litestream_has_ended_although_it_is_told_to_stop()
    {
        using var fixture = new DaemonFixture();
        using var hold = new StubLogHold();
        var supervisor = await fixture.RunAsync(HoldingLogs(fixture, $"sync-fails={fixture.Folder.Write("failing", "")} ignore-sigterm", hold));
        var stopping = DaemonFixture.StopAsync(supervisor, TimeSpan.FromSeconds(9));
        await fixture.Clock.PassAsync(seconds: 3);
        await fixture.Clock.IsAwaitedAsync(TimeSpan.FromSeconds(6));
        Assert.IsFalse(hold.HasEnded);
        fixture.Clock.Advance(TimeSpan.FromSeconds(6));
        await stopping.InTimeAsync();
        await Eventually.HoldsAsync(() => hold.HasEnded);
        Assert.IsEmpty(hold.LetGoOf);
    }

    [TestMethod]
    public async Task One_with_a_control_socket_need_not_say_that_it_is_ready()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Settings("silent"));
        await Eventually.HoldsAsync(() => File.Exists(fixture.Folder["control"]));
        await Eventually.HoldsAsync(() =>
        {
            fixture.Clock.Advance(TimeSpan.FromMilliseconds(20));
            return supervisor.Status.State == DaemonState.Running;
        });
        Assert.IsEmpty(fixture.Log.Entries);
    }

    [TestMethod]
    public async Task One_that_is_ready_for_one_database_only_is_not_ready()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Script("ready; exec sleep 1000", "a.db", "b.db"));
        await Eventually.HoldsAsync(() => fixture.Log.Entries.Count == 1);
        await fixture.Clock.PassAsync(seconds: 20);
        var error = await fixture.FailsToStartAsync(supervisor);
        StringAssert.StartsWith(error, "Litestream was not ready within 20 s of its start.");
    }

    [TestMethod]
    [DataRow("0.5.17")]
    [DataRow("0.3.13")]
    public async Task One_that_fails_is_quoted(string version)
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Settings("log=no-such-bucket fail", version));
        var error = await fixture.FailsToStartAsync(supervisor);
        Assert.AreEqual(
            "Litestream ended with exit code 1 at its start. The last lines of its log:\n  ERROR no-such-bucket\n  ERROR Error: told to fail", error);
        Assert.AreEqual(DaemonState.Waiting, supervisor.Status.State);
    }

    [TestMethod]
    public async Task A_first_start_that_fails_is_tried_again_after_half_a_second()
    {
        using var fixture = new DaemonFixture();
        var begin = fixture.Clock.Now;
        var supervisor = fixture.Supervise(fixture.Script($"mkdir $0.first 2>&- && exit 3; ready; exec sleep 1000"));
        Assert.IsInRange(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(0.6), await fixture.FailsAsync(supervisor, failures: 0));
        Assert.AreEqual(begin, supervisor.Status.DownSince);
        await fixture.PassToNextStartAsync(supervisor);
        Assert.IsNull(supervisor.Status.DownSince);
        Assert.AreEqual(1, supervisor.Status.Failures);
    }

    [TestMethod]
    public async Task Its_last_words_are_heard_though_no_line_break_follows()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Script("printf 'Error: cut off' >&2; exit 1"));
        var error = await fixture.FailsToStartAsync(supervisor);
        StringAssert.EndsWith(error, "\n  ERROR Error: cut off");
    }

    [TestMethod]
    public async Task Only_its_last_ten_lines_are_quoted()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Script("seq 1 30; exit 1"));
        var error = await fixture.FailsToStartAsync(supervisor);
        StringAssert.EndsWith(error, "The last lines of its log:\n" + string.Join('\n', Enumerable.Range(21, 10).Select(i => $"  INFO {i}")));
        Assert.HasCount(30, fixture.Log.Entries);
    }

    [TestMethod]
    public async Task One_that_says_nothing_is_quoted_so()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Script("exit 127"));
        var error = await fixture.FailsToStartAsync(supervisor);
        Assert.AreEqual("Litestream ended with exit code 127 at its start.", error);
    }

    [TestMethod]
    public async Task One_that_is_never_ready_is_given_up()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(fixture.Settings("never-ready log=thinking"));
        await Eventually.HoldsAsync(() => fixture.Log.Entries.Count == 1);
        await fixture.Clock.PassAsync(seconds: 20);
        var error = await fixture.FailsToStartAsync(supervisor);
        Assert.AreEqual("Litestream was not ready within 20 s of its start. The last lines of its log:\n  ERROR thinking", error);
    }

    [TestMethod]
    public async Task One_that_cannot_be_started_is_named()
    {
        using var fixture = new DaemonFixture();
        var settings = fixture.Script("");
        File.Delete(settings.Binary.Path);
        var error = await fixture.FailsToStartAsync(fixture.Supervise(settings));
        StringAssert.StartsWith(error, $"Litestream could not be started: {settings.Binary.Path}: No such file");
    }

    [TestMethod]
    public async Task A_fault_in_reading_its_log_is_told_there_once_and_the_rest_is_read()
    {
        var clock = new FaultyClock(new TestClock());
        using var fixture = new DaemonFixture(clock);
        clock.FailsAfter = 0;
        var supervisor = fixture.Supervise(fixture.Script("seq 1 3; head -c 1000000 /dev/zero | tr '\\0' x; echo; ready; exec sleep 1000"));
        await DaemonFixture.IsRunningAsync(supervisor);
        var told = fixture.Log.Entries.Where(entry => entry.Message.Contains(FaultyClock.Message, StringComparison.Ordinal));
        Assert.AreEqual($"ERROR Error: a part of Litestream's log could not be read: {FaultyClock.Message}", told.Single().ToString());
    }

    [TestMethod]
    public async Task A_socket_that_a_killed_Litestream_left_does_not_pass_for_a_new_one()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings());
        await fixture.KillAsync(supervisor);
        Assert.IsTrue(File.Exists(fixture.Folder["control"]));
        var other = fixture.Supervise(fixture.Settings("never-ready"));
        await fixture.Clock.PassAsync(seconds: 20);
        var error = await fixture.FailsToStartAsync(other);
        StringAssert.StartsWith(error, "Litestream was not ready within 20 s of its start.");
    }

    /// <summary>Litestream lets go of the logs before it reads them for the last time.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public async Task Logs_are_kept_from_before_the_end_until_they_are_held_for_the_next_run(bool isRestarted)
    {
        using var fixture = new DaemonFixture();
        var kept = new StubLogHold();
        var holds = 0;
        var settings = fixture.Settings() with
        {
            HoldLogs = (_, _, _) =>
            {
                // The second time it is held while it is still kept.
                Assert.IsFalse(kept.HasEnded);
                holds++;
                return Task.FromResult<ILogHold>(new StubLogHold());
            },
            KeepLogs = (paths, _) =>
            {
                CollectionAssert.AreEqual(new[] { fixture.Database }, paths.ToArray());
                Assert.AreEqual(0, LibC.kill(fixture.Started.Single(), 0));
                return Task.FromResult<ILogHold>(kept);
            },
        };
        var supervisor = await fixture.RunAsync(settings);
        if (isRestarted)
        {
            Assert.IsNull(await supervisor.RestartAsync(settings, RestartReason.Credentials, "There were new credentials.").InTimeAsync());
        }
        else
        {
            Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        }

        await Eventually.HoldsAsync(() => kept.HasEnded);
        Assert.AreEqual(isRestarted ? 2 : 1, holds);
    }

    [TestMethod]
    public async Task What_keeps_the_logs_does_not_block_the_next_run()
    {
        using var fixture = new DaemonFixture();
        var kept = new StubLogHold();
        var isKept = false;
        var settings = fixture.Settings() with
        {
            HoldLogs = (_, _, _) => Task.FromResult<ILogHold>(isKept && !kept.HasEnded
                ? new StubLogHold { Blocked = ImmutableDictionary<string, string>.Empty.Add(fixture.Database, "somebody reads it all the time") }
                : new StubLogHold()),
            KeepLogs = (_, _) =>
            {
                isKept = true;
                return Task.FromResult<ILogHold>(kept);
            },
        };
        var supervisor = await fixture.RunAsync(settings);
        Assert.IsNull(await supervisor.RestartAsync(settings, RestartReason.Credentials, "There were new credentials.").InTimeAsync());
        Assert.AreEqual((DaemonState.Running, true), (supervisor.Status.State, supervisor.Status.HeldOut.IsEmpty));
    }

    /// <summary>As a service manager ends all processes of a service at once.</summary>
    [TestMethod]
    [DataRow(15, true)]
    [DataRow(9, false)]
    public async Task Logs_that_nobody_kept_while_Litestream_ended_are_suspect_until_it_has_started_again(int signal, bool areSuspect)
    {
        using var fixture = new DaemonFixture();
        var suspicions = new List<bool>();
        var settings = fixture.Settings() with
        {
            HoldLogs = (_, areSuspect, _) =>
            {
                suspicions.Add(areSuspect);
                return Task.FromResult<ILogHold>(new StubLogHold());
            },
            KeepLogs = (_, _) => Task.FromResult<ILogHold>(new StubLogHold()),
        };
        var supervisor = await fixture.RunAsync(settings);
        _ = LibC.kill(fixture.Started[^1], signal);
        _ = await fixture.FailsAsync(supervisor, failures: 0);
        await fixture.PassToNextStartAsync(supervisor);
        Assert.IsNull(await supervisor.RestartAsync(settings, RestartReason.Credentials, "There were new credentials.").InTimeAsync());
        CollectionAssert.AreEqual(new[] { false, areSuspect, false }, suspicions);
    }

    [TestMethod]
    public async Task One_that_was_told_to_end_by_somebody_else_just_before_is_started_a_last_time()
    {
        using var fixture = new DaemonFixture();
        var suspicions = new List<bool>();
        var holding = fixture.Folder["syncs"];
        var settings = fixture.Settings($"hold-syncs={holding}") with
        {
            HoldLogs = (_, areSuspect, _) =>
            {
                suspicions.Add(areSuspect);
                File.Delete(holding);
                return Task.FromResult<ILogHold>(new StubLogHold());
            },
            KeepLogs = async (_, _) =>
            {
                if (suspicions.Count == 1)
                {
                    _ = LibC.kill(fixture.Started[^1], 15);
                    await Eventually.HoldsAsync(() => fixture.Log.Entries.Any(entry => entry.IsShutDown));
                }

                return new StubLogHold();
            },
        };
        var supervisor = await fixture.RunAsync(settings);
        File.WriteAllText(holding, "");
        Assert.IsNull(await DaemonFixture.StopAsync(supervisor).InTimeAsync());
        CollectionAssert.AreEqual(new[] { false, true }, suspicions);
    }

    private static DaemonSettings HoldingLogs(DaemonFixture fixture, string words, StubLogHold hold) => fixture.Settings(words) with
    {
        HoldLogs = (databases, _, _) =>
        {
            Assert.IsEmpty(fixture.Started);
            CollectionAssert.AreEqual(new[] { fixture.Database }, databases.Select(database => database.Path).ToArray());
            return Task.FromResult<ILogHold>(hold);
        },
    };
}
