using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Signals and crashes under a write load: no committed row is lost, and nothing is left running.</summary>
[TestClass]
public sealed class CrashSpecs
{
    /// <summary>Enough rows for an active write-ahead log at the failure: half a second's.</summary>
    private const int SomeRows = WriteLoad.Rate / 2;

    [TestMethod]
    [DataRow(Signals.SIGTERM, "SIGTERM")]
    [DataRow(Signals.SIGINT, "SIGINT")]
    public async Task Rows_committed_before_a_signal_are_restored(int signal, string name)
    {
        // 0.3 opens a database at its first tick, unless a writer without pauses prevents it, as may happen in such a short run.
        _ = RealParts.Litestream05;
        var times = new List<TimeSpan>();
        for (var i = 0; i < (Scale.IsFull ? 50 : 2); i++)
        {
            using var workspace = new Workspace();
            await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAllPatiently()]);
            await using var load = new WriteLoad(workspace, "parks.db");
            await load.WaitForAsync(SomeRows);
            var committed = load.Committed;
            times.Add(await datasette.StopAsync(signal));
            Assert.IsEmpty(workspace.Litestreams);
            await load.StopAsync();
            await datasette.AssertAfterwardsAsync(() => workspace.AssertLoadRestoredAsync("parks", committed));
        }

        Figures.Record($"exit after {name} under load", times);
    }

    [TestMethod]
    public async Task A_killed_Datasette_is_cleaned_up_after_by_the_next_one()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        for (var i = 0; i < Scale.Of(20); i++)
        {
            await using var killed = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]);
            int leftover;
            await using (var load = new WriteLoad(workspace, file))
            {
                await load.WaitForAsync(SomeRows);
                leftover = await workspace.WaitForLitestreamAsync();
                await killed.StopAsync(Signals.SIGKILL);
            }

            await using var next = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]);
            _ = await workspace.WaitForLitestreamAsync(after: leftover);
            await next.StopAsync();
            Assert.IsEmpty(workspace.Litestreams);
            await workspace.AssertRestoredAsync("parks");
        }
    }

    /// <summary>Each time with a new Datasette, since a second restart within a minute is delayed for longer.</summary>
    [TestMethod]
    public async Task A_killed_Litestream_is_started_again_and_catches_up()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var times = new List<TimeSpan>();
        for (var i = 0; i < Scale.Of(20); i++)
        {
            await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()]);
            await using (var load = new WriteLoad(workspace, file))
            {
                await load.WaitForAsync(SomeRows);
                await datasette.WaitForStatusAsync(IsRunning, "Litestream runs");
                Assert.AreEqual(0, Signals.Send(workspace.Litestreams.Single(), Signals.SIGKILL));
                var replicated = workspace.ReplicatedTxid("parks");
                times.Add(await Wait.UntilAsync(() => workspace.ReplicatedTxid("parks") > replicated, "something new is at the replica"));
                await datasette.WaitForStatusAsync(
                    status => IsRunning(status) && Failures(status) == 1
                        && (string?)status["litestream"]!["last_failure"] == "Litestream ended by itself with signal 9.",
                    "Litestream runs again");
            }

            await datasette.StopAsync();
            await workspace.AssertRestoredAsync("parks");
        }

        Figures.Record("from SIGKILL of Litestream to the next file at the replica", times);
    }

    [TestMethod]
    public async Task A_Litestream_that_does_not_answer_is_ended_and_started_again()
    {
        _ = RealParts.Litestream05;
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await datasette.WaitForStatusAsync(IsRunning, "Litestream runs");
        var stopped = workspace.Litestreams.Single();
        Assert.AreEqual(0, Signals.Send(stopped, Signals.SIGSTOP));
        var seen = await Wait.UntilAsync(async () => Failures(await datasette.StatusAsync()) == 1, "the page says so");
        Figures.Record("from SIGSTOP of Litestream to its end", [seen]);
        var status = await datasette.WaitForStatusAsync(IsRunning, "Litestream runs again");
        Assert.AreEqual("Litestream did not answer on its control socket and was killed.", (string?)status["litestream"]!["last_failure"]);
        Assert.AreNotEqual(stopped, workspace.Litestreams.Single());
        await datasette.InsertAsync("parks", "after all that");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    /// <summary>
    /// A process that is killed while it switches a database to a write-ahead log leaves a journal, and Datasette's read-only
    /// connections fail until that is rolled back. The stand-in is killed at that moment, unless the switch was made before.
    /// </summary>
    [TestMethod]
    public async Task A_database_that_Litestream_was_killed_at_can_be_read()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var wrapper = workspace.Write(
            "litestream",
            $"""
            #!{DatasetteInstallation.Main.Python}
            import os, signal, sqlite3, sys
            if sys.argv[1] != "version" and open("{file}", "rb").read(20)[18] == 1:
                connection = sqlite3.connect("{file}", isolation_level=None)
                connection.execute("pragma cache_size = 1")
                connection.execute("begin")
                connection.execute("create table filler as select hex(randomblob(100000))")
                os.kill(os.getpid(), signal.SIGKILL)
            os.execv("{RealParts.Litestream}", ["litestream", *sys.argv[1:]])
            """);
        File.SetUnixFileMode(workspace.Path(wrapper), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = workspace.Path(wrapper) };
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()], environment);
        StringAssert.Contains(await datasette.Http.GetStringAsync("/parks/rows"), "row 0 of parks");
        await datasette.InsertAsync("parks", "readable");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    /// <summary>In the full run until the delay has reached its maximum, which takes a minute and a half.</summary>
    [TestMethod]
    public async Task A_binary_that_exits_at_once_for_ever_is_lived_with()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var broken = workspace.Path("broken");
        var wrapper = workspace.Write(
            "litestream", $"#!/bin/sh\n[ \"$1\" = version ] || [ ! -e '{broken}' ] || {{ echo broken >&2; exit 5; }}\nexec {RealParts.Litestream} \"$@\"\n");
        File.SetUnixFileMode(workspace.Path(wrapper), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = workspace.Path(wrapper) };
        await using var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()], environment);
        await datasette.WaitForStatusAsync(IsRunning, "Litestream runs");
        workspace.Write("broken", "");
        Assert.AreEqual(0, Signals.Send(workspace.Litestreams.Single(), Signals.SIGKILL));

        // The run that was killed, and the starts after 0.5, 1, 2, … s; the eighth delay is the first of 30 s.
        var failures = Scale.IsFull ? 8 : 3;
        var status = await datasette.WaitForStatusAsync(status => Failures(status) >= failures, $"there were {failures} failures", TimeSpan.FromMinutes(2));
        StringAssert.Contains((string?)status["litestream"]!["last_failure"], "exit code 5");
        StringAssert.Contains((string?)status["litestream"]!["last_failure"], "broken");
        StringAssert.Contains((string?)status["summary"], "nothing is replicated");
        var wait = Time(status, "next_start_at") - Time(status, "last_failure_at");
        Assert.IsGreaterThanOrEqualTo(TimeSpan.FromSeconds(Math.Min(30, 0.5 * Math.Pow(2, failures - 1))), wait);
        await datasette.InsertAsync("parks", "Datasette goes on");

        File.Delete(broken);
        await datasette.WaitForStatusAsync(IsRunning, "Litestream runs again");
        await datasette.StopAsync();
        await workspace.AssertRestoredAsync("parks");
    }

    private static DateTimeOffset Time(JsonNode status, string name) =>
        DateTimeOffset.Parse((string)status["litestream"]![name]!, CultureInfo.InvariantCulture);

    private static bool IsRunning(JsonNode status) => (string?)status["state"] == "running";

    private static int Failures(JsonNode status) => (int)status["litestream"]!["failures"]!;
}
