using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>A destination that refuses Litestream, which ends Litestream, concerns only its own database.</summary>
[TestClass]
public sealed class HeldOutSpecs
{
    [TestMethod]
    public async Task Litestream_is_started_again_at_once_without_such_a_database()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Refusing(fixture, "a.db"));
        Assert.HasCount(2, fixture.Started);
        var (path, held) = supervisor.Status.HeldOut.Single();
        Assert.AreEqual(fixture.Database, path);
        Assert.AreEqual(("refused", fixture.Clock.Now), (held.Reason, held.Since));
        AssertIsAbout(2, held.NextTryAt - fixture.Clock.Now);
        AssertRuns(fixture, "b.db", "c.db", "d.db");
        Assert.AreEqual(0, supervisor.Status.Failures);
        var restart = supervisor.Status.Restarts.Single();
        Assert.AreEqual(RestartReason.Destination, restart.Reason);
        Assert.AreEqual($"Litestream runs without {fixture.Database}, because its destination refused: refused", restart.Message);
    }

    [TestMethod]
    public async Task Several_such_databases_are_found_one_after_the_other_without_a_delay()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Refusing(fixture, "a.db", "b.db", "d.db"));
        Assert.HasCount(4, fixture.Started);
        Assert.HasCount(3, supervisor.Status.HeldOut);
        AssertRuns(fixture, "c.db");
    }

    [TestMethod]
    public async Task Its_destination_is_asked_after_growing_delays_without_a_restart_and_it_is_taken_in_when_that_answers()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Refusing(fixture, "a.db"));
        foreach (var delay in new double[] { 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 })
        {
            var held = supervisor.Status.HeldOut[fixture.Database];
            AssertIsAbout(delay, held.NextTryAt - fixture.Clock.Now);
            await PassToAsync(fixture, held.NextTryAt);
            await Eventually.HoldsAsync(() => supervisor.Status.HeldOut[fixture.Database] != held);
        }

        Assert.HasCount(2, fixture.Started);
        File.Delete(fixture.Folder["refused"]);
        await PassToAsync(fixture, supervisor.Status.HeldOut[fixture.Database].NextTryAt);
        await Eventually.HoldsAsync(() => supervisor.Status is { HeldOut.IsEmpty: true, State: DaemonState.Running } && fixture.Started.Count == 3);
        AssertRuns(fixture, "a.db", "b.db", "c.db", "d.db");
        Assert.IsFalse(supervisor.Status.Restarts[0].HasFailed);
        CollectionAssert.AreEqual(Enumerable.Repeat(fixture.Database, 11).ToArray(), File.ReadAllLines(fixture.Folder["asked"]));
    }

    [TestMethod]
    public async Task Those_that_answer_together_are_taken_in_with_one_restart()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Refusing(fixture, "a.db", "b.db", "c.db"));
        File.Delete(fixture.Folder["refused"]);
        await PassToAsync(fixture, supervisor.Status.HeldOut.Values.Min(held => held.NextTryAt));
        await Eventually.HoldsAsync(() => supervisor.Status is { HeldOut.IsEmpty: true, State: DaemonState.Running } && fixture.Started.Count == 5);
        AssertRuns(fixture, "a.db", "b.db", "c.db", "d.db");
    }

    [TestMethod]
    public async Task Where_all_are_held_out_Litestream_does_not_run_and_is_not_down()
    {
        using var fixture = new DaemonFixture();
        var supervisor = fixture.Supervise(Refusing(fixture, "a.db", "b.db", "c.db", "d.db"));
        await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Idle);
        Assert.HasCount(4, supervisor.Status.HeldOut);
        Assert.AreEqual((null, null, 0), (supervisor.Status.DownSince, supervisor.Status.NextStartAt, supervisor.Status.Failures));
        File.WriteAllText(fixture.Folder["refused"], fixture.Folder["b.db"]);
        await fixture.Clock.IsAwaitedAsync(supervisor.Status.HeldOut.Values.Min(held => held.NextTryAt) - fixture.Clock.Now);
        fixture.Clock.Advance(supervisor.Status.HeldOut.Values.Max(held => held.NextTryAt) - fixture.Clock.Now);
        await DaemonFixture.IsRunningAsync(supervisor);
        await Eventually.HoldsAsync(() => supervisor.Status.HeldOut.Keys.SequenceEqual([fixture.Folder["b.db"]]));
    }

    [TestMethod]
    public async Task New_settings_have_it_asked_at_once()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Refusing(fixture, "a.db"));
        var settings = Refusing(fixture);
        await supervisor.RestartAsync(settings, RestartReason.Credentials, "There were new credentials.").InTimeAsync();
        await Eventually.HoldsAsync(() => supervisor.Status is { HeldOut.IsEmpty: true, State: DaemonState.Running } && fixture.Started.Count == 4);
    }

    /// <summary>Litestream waits for each destination at its start, and does not say for which.</summary>
    [TestMethod]
    public async Task A_destination_that_never_answers_is_found_by_asking_all()
    {
        using var fixture = new DaemonFixture();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var settings = Refusing(fixture) with
        {
            Plan = Plans.From(
                $$"""{"all-replicate": "sftp://user@{{silent.LocalEndpoint}}/$DB_NAME", "shutdown-timeout": "10s"}""",
                databases: [.. new[] { "a", "b" }.Select(name => Plans.Attached(name) with { Path = fixture.Folder[$"{name}.db"] })]).Sound,
        };
        var unanswered = fixture.Folder.Write("unanswered", fixture.Folder["b.db"]);
        settings = settings with { Environment = DaemonFixture.Variables($"{settings.Environment["FAKE_LITESTREAM"]} unanswered={unanswered}") };
        var supervisor = fixture.Supervise(settings);
        await fixture.Clock.PassAsync(seconds: 20);
        await Eventually.HoldsAsync(() => supervisor.Status is { State: DaemonState.Waiting, Failures: 1 });
        await Eventually.HoldsAsync(() => File.Exists(fixture.Folder["asked"]) && File.ReadAllLines(fixture.Folder["asked"]).Length == 2);
        await fixture.Clock.PassAsync(seconds: 3);
        await fixture.Clock.PassAsync(seconds: 15);
        await DaemonFixture.IsRunningAsync(supervisor);
        Assert.AreEqual("no answer within 15 s", supervisor.Status.HeldOut[fixture.Folder["b.db"]].Reason);
        AssertRuns(fixture, "a.db");
    }

    /// <summary>Litestream would miss a part of it.</summary>
    [TestMethod]
    public async Task One_whose_write_ahead_log_must_be_emptied_and_cannot_be_is_tried_every_few_seconds_and_taken_in_then()
    {
        using var fixture = new DaemonFixture();
        var isBlocked = true;
        var held = new ConcurrentBag<StubLogHold>();
        var asked = 0;
        var settings = Refusing(fixture) with
        {
            HoldLogs = (databases, _, _) =>
            {
                asked += databases.Count == 1 ? 1 : 0;
                var hold = new StubLogHold
                {
                    Blocked = isBlocked && databases.Any(database => database.Path == fixture.Database)
                        ? ImmutableDictionary<string, string>.Empty.Add(fixture.Database, "somebody reads it all the time")
                        : ImmutableDictionary<string, string>.Empty,
                };
                held.Add(hold);
                return Task.FromResult<ILogHold>(hold);
            },
        };
        var supervisor = await fixture.RunAsync(settings);
        Assert.HasCount(1, fixture.Started);
        AssertRuns(fixture, "b.db", "c.db", "d.db");
        Assert.AreEqual(
            $"Litestream runs without {fixture.Database}, because its write-ahead log could not be emptied: somebody reads it all the time",
            supervisor.Status.Restarts.Single().Message);
        foreach (var delay in new double[] { 2, 4, 8, 15, 15 })
        {
            var last = supervisor.Status.HeldOut[fixture.Database];
            Assert.AreEqual((HeldOutCause.LogBlocked, "somebody reads it all the time"), (last.Cause, last.Reason));
            AssertIsAbout(delay, last.NextTryAt - fixture.Clock.Now);
            await PassToAsync(fixture, last.NextTryAt);
            await Eventually.HoldsAsync(() => supervisor.Status.HeldOut[fixture.Database] != last);
        }

        Assert.AreEqual((1, 5), (fixture.Started.Count, asked));
        isBlocked = false;
        await PassToAsync(fixture, supervisor.Status.HeldOut[fixture.Database].NextTryAt);
        await Eventually.HoldsAsync(() => supervisor.Status is { HeldOut.IsEmpty: true, State: DaemonState.Running } && fixture.Started.Count == 2);
        AssertRuns(fixture, "a.db", "b.db", "c.db", "d.db");
        await Eventually.HoldsAsync(() => held.All(hold => hold.HasEnded));
        Assert.IsFalse(File.Exists(fixture.Folder["asked"]), "no destination was asked");
    }

    [TestMethod]
    public async Task A_start_for_which_no_log_can_be_held_is_tried_again()
    {
        using var fixture = new DaemonFixture();
        var isBroken = true;
        var settings = fixture.Settings() with
        {
            HoldLogs = (_, _, _) => isBroken ? throw new ReplicationException("They could not be held.") : Task.FromResult<ILogHold>(new StubLogHold()),
        };
        var supervisor = fixture.Supervise(settings);
        Assert.AreEqual("They could not be held.", await fixture.FailsToStartAsync(supervisor));
        Assert.IsEmpty(fixture.Started);
        isBroken = false;
        await fixture.PassToNextStartAsync(supervisor);
    }

    [TestMethod]
    public async Task A_stop_ends_the_question()
    {
        using var fixture = new DaemonFixture();
        var unanswered = fixture.Folder.Write("unanswered", "");
        var settings = Refusing(fixture, "a.db");
        settings = settings with { Environment = DaemonFixture.Variables($"{settings.Environment["FAKE_LITESTREAM"]} unanswered={unanswered}") };
        var supervisor = await fixture.RunAsync(settings);
        File.WriteAllText(unanswered, fixture.Database);
        await PassToAsync(fixture, supervisor.Status.HeldOut[fixture.Database].NextTryAt);
        await Eventually.HoldsAsync(() => File.Exists(fixture.Folder["asked"]));
        File.WriteAllText(unanswered, "");
        await DaemonFixture.StopAsync(supervisor).InTimeAsync();
        Assert.AreEqual(DaemonState.Stopped, supervisor.Status.State);
    }

    [TestMethod]
    public async Task No_secret_is_in_the_reason()
    {
        using var fixture = new DaemonFixture();
        fixture.Log.Redactor = new Redactor(["hush"]);
        var settings = Refusing(fixture, "a.db");
        settings = settings with { Environment = DaemonFixture.Variables($"{settings.Environment["FAKE_LITESTREAM"]} cause=hush-is-wrong") };
        var supervisor = await fixture.RunAsync(settings);
        var first = supervisor.Status.HeldOut[fixture.Database];
        Assert.AreEqual("***-is-wrong", first.Reason);
        await PassToAsync(fixture, first.NextTryAt);
        await Eventually.HoldsAsync(() => supervisor.Status.HeldOut[fixture.Database] != first);
        Assert.AreEqual("***-is-wrong", supervisor.Status.HeldOut[fixture.Database].Reason);
    }

    /// <summary>Pins the text by which the plugin knows the database, and asks a destination, with the real Litestream.</summary>
    [TestMethod]
    public async Task The_real_Litestream_names_the_database_and_its_destination_can_be_asked()
    {
        using var fixture = new DaemonFixture();
        var binary = await RealLitestream.RequireAsync(minor: 5);
        string[] names = ["plain.db", "a \"quote\", a \\, a\ttab, ü 😀 \u0007 \u200b.db"];
        foreach (var name in names)
        {
            var plan = Plans.From(
                """{"all-replicate": "sftp://user@127.0.0.1:9/$DB_NAME", "shutdown-timeout": "10s"}""",
                """{"good": {"replicas": ["file://$DB_DIRECTORY/replica"]}}""",
                Plans.Attached("bad") with { Path = fixture.Folder[name] },
                Plans.Attached("good") with { Path = fixture.Folder["good.db"] }).Sound;
            var settings = new DaemonSettings(binary, plan, fixture.Folder["control"], DaemonFixture.Variables(""), TimeSpan.Zero);
            var supervisor = fixture.Supervise(settings, time: TimeProvider.System);
            await DaemonFixture.IsRunningAsync(supervisor);
            var (path, held) = supervisor.Status.HeldOut.Single();
            Assert.AreEqual(fixture.Folder[name], path);
            StringAssert.StartsWith(held.Reason, "dial tcp 127.0.0.1:9: connect: ");
            Assert.AreEqual(held.Reason, await DestinationCheck.AskAsync(settings, plan.Databases[0], TimeProvider.System, CancellationToken.None));
            Assert.IsNull(await DestinationCheck.AskAsync(settings, plan.Databases[1], TimeProvider.System, CancellationToken.None));
            await DaemonFixture.StopAsync(supervisor).InTimeAsync();
        }
    }

    [TestMethod]
    [DataRow("Error: cannot open store: initialize replica client for \"/srv/a.db\": dial tcp: refused", "/srv/a.db", "dial tcp: refused")]
    [DataRow("Error: cannot open store: initialize replica client for \"/srv/\\\"\\\\\\u200b\\x07.db\": \"x\": y", "/srv/\"\\\u200b\a.db", "\"x\": y")]
    [DataRow("Error: cannot open store: something else", null, null)]
    [DataRow("initialize replica client for \"/srv/a.db\": x", null, null)]
    public void A_refusal_is_read_from_the_log(string line, string? path, string? cause)
    {
        var refusal = DestinationRefusal.Parse(line);
        Assert.AreEqual((path, cause), (refusal?.DatabasePath, refusal?.Cause));
    }

    /// <summary>Four databases, of which the destinations of some refuse.</summary>
    private static DaemonSettings Refusing(DaemonFixture fixture, params string[] names)
    {
        var refused = fixture.Folder.Write("refused", string.Join('\n', names.Select(name => fixture.Folder[name])));
        return fixture.Settings(
            $"refused={refused} asked={fixture.Folder["asked"]} config={fixture.Folder["config"]}", databases: ["a.db", "b.db", "c.db", "d.db"]);
    }

    private static async Task PassToAsync(DaemonFixture fixture, DateTimeOffset time)
    {
        await fixture.Clock.IsAwaitedAsync(time - fixture.Clock.Now);
        fixture.Clock.Advance(time - fixture.Clock.Now);
    }

    private static void AssertRuns(DaemonFixture fixture, params string[] names)
    {
        var configuration = File.ReadAllText(fixture.Folder["config"]);
        foreach (var name in new[] { "a.db", "b.db", "c.db", "d.db" })
        {
            Assert.AreEqual(names.Contains(name), configuration.Contains(fixture.Folder[name], StringComparison.Ordinal), name);
        }
    }

    private static void AssertIsAbout(double seconds, TimeSpan delay) =>
        Assert.IsInRange(TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(seconds * 1.2), delay);
}
