using Datasette.Litestream.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>A Litestream that runs is told of databases that come and go, where it can be.</summary>
[TestClass]
public sealed class ChangeSpecs
{
    [TestMethod]
    public async Task A_database_is_registered_without_a_restart_and_is_there_after_one()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Settings(fixture, "a.db"));
        var result = await supervisor.ChangeAsync(Settings(fixture, "a.db", "b.db"), RestartReason.Databases, "").InTimeAsync();
        Assert.AreEqual(StopResult.Complete, result);
        Assert.HasCount(1, fixture.Started);
        CollectionAssert.AreEqual(
            new[] { $$"""/register {"path":"{{fixture.Folder["b.db"]}}","replica_url":"file://{{fixture.Folder["replica/b"]}}"}""" }, Registered(fixture));
        await fixture.KillAsync(supervisor);
        await fixture.PassToNextStartAsync(supervisor);
        CollectionAssert.AreEquivalent(new[] { fixture.Folder["a.db"], fixture.Folder["b.db"] }, await ListedAsync(supervisor));
    }

    [TestMethod]
    public async Task A_database_is_left_alone_without_a_restart()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Settings(fixture, "a.db", "b.db"));
        Assert.AreEqual(StopResult.Complete, await supervisor.ChangeAsync(Settings(fixture, "a.db"), RestartReason.Databases, "").InTimeAsync());
        CollectionAssert.AreEqual(new[] { fixture.Folder["a.db"] }, await ListedAsync(supervisor));
        Assert.HasCount(1, fixture.Started);
        Assert.IsEmpty(supervisor.Status.Restarts);
    }

    /// <summary>Litestream has left it alone then, and is told of it again with the next change.</summary>
    [TestMethod]
    public async Task One_that_is_left_alone_with_an_error_is_told_and_can_be_registered_again()
    {
        using var fixture = new DaemonFixture();
        File.WriteAllText(fixture.Folder["unregister-fails"], "");
        var supervisor = await fixture.RunAsync(Settings(fixture, "a.db", "b.db"));
        var result = await supervisor.ChangeAsync(Settings(fixture, "a.db"), RestartReason.Databases, "").InTimeAsync();
        CollectionAssert.AreEqual(new[] { fixture.Folder["b.db"] }, result.NotReplicated.ToArray());
        StringAssert.Contains(result.Error, "told to fail");
        await supervisor.ChangeAsync(Settings(fixture, "a.db", "b.db"), RestartReason.Databases, "").InTimeAsync();
        CollectionAssert.AreEquivalent(new[] { fixture.Folder["a.db"], fixture.Folder["b.db"] }, await ListedAsync(supervisor));
        Assert.HasCount(1, fixture.Started);
    }

    [TestMethod]
    public async Task What_a_URL_does_not_say_takes_a_restart()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(Settings(fixture, "a.db"));
        var changed = Settings(fixture, "a.db", "b.db");
        changed = changed with { Plan = changed.Plan with { Databases = [.. changed.Plan.Databases.Select(database => database with { MonitorInterval = TimeSpan.FromSeconds(2) })] } };
        await supervisor.ChangeAsync(changed, RestartReason.Databases, "Datasette has attached b.").InTimeAsync();
        Assert.HasCount(2, fixture.Started);
        Assert.AreEqual((RestartReason.Databases, "Datasette has attached b."), (supervisor.Status.Restarts[0].Reason, supervisor.Status.Restarts[0].Message));
        Assert.IsEmpty(Registered(fixture));
    }

    [TestMethod]
    public async Task Litestream_0_3_is_restarted()
    {
        using var fixture = new DaemonFixture();
        var supervisor = await fixture.RunAsync(fixture.Settings(version: "0.3.13", databases: "a.db"));
        await supervisor.ChangeAsync(fixture.Settings(version: "0.3.13", databases: ["a.db", "b.db"]), RestartReason.Databases, "").InTimeAsync();
        Assert.HasCount(2, fixture.Started);
        await supervisor.ChangeAsync(fixture.Settings(version: "0.3.13", databases: ["a.db", "b.db"]), RestartReason.Databases, "").InTimeAsync();
        Assert.HasCount(2, fixture.Started, "nothing has changed");
    }

    [TestMethod]
    public async Task The_first_database_starts_Litestream_and_the_last_one_ends_it()
    {
        using var fixture = new DaemonFixture();
        var none = Settings(fixture, "a.db");
        none = none with { Plan = none.Plan with { Databases = [] } };
        var supervisor = fixture.Supervise(none);
        await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Idle);
        await supervisor.ChangeAsync(Settings(fixture, "a.db"), RestartReason.Databases, "").InTimeAsync();
        Assert.AreEqual(DaemonState.Running, supervisor.Status.State);
        await supervisor.ChangeAsync(none, RestartReason.Databases, "").InTimeAsync();
        Assert.AreEqual(DaemonState.Idle, supervisor.Status.State);
        Assert.HasCount(1, fixture.Started);
    }

    private static DaemonSettings Settings(DaemonFixture fixture, params string[] databases) => fixture.Settings(
        $"registered={fixture.Folder["registered"]} unregister-fails={fixture.Folder["unregister-fails"]}", databases: databases);

    private static string[] Registered(DaemonFixture fixture) => File.Exists(fixture.Folder["registered"]) ? File.ReadAllLines(fixture.Folder["registered"]) : [];

    private static async Task<string[]> ListedAsync(Supervisor supervisor) =>
        [.. (await supervisor.Status.Socket!.ListAsync(CancellationToken.None).InTimeAsync()).Select(database => database.Path)];
}
