using System.Text.RegularExpressions;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>The plugin's messages on standard error.</summary>
[TestClass]
public sealed class OperatorLogSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _datasette.Dispose();

    [TestMethod]
    public async Task Starts_restarts_and_ends_are_a_line_each()
    {
        _datasette.Settings["log-level"] = "info";
        await CrashAndStopAsync();
        StringAssert.Matches(
            string.Concat(_datasette.OperatorLines),
            new Regex(
                """
                \AINFO:     datasette-litestream: Litestream runs \(process \d+\)\.
                INFO:     datasette-litestream: The database parks is replicated\.
                INFO:     datasette-litestream: Litestream runs \(process \d+\)\.
                WARNING:  datasette-litestream: Litestream ended by itself with signal 9\. It runs again since \S+ \S+ UTC \(process \d+\)\.
                INFO:     datasette-litestream: Litestream has ended\.
                \Z
                """));
    }

    [TestMethod]
    [DataRow(null, 1)]
    [DataRow("warning", 1)]
    [DataRow("error", 0)]
    public async Task By_default_an_operator_is_told_what_is_wrong_and_when_it_is_well_again(string? level, int lines)
    {
        if (level is not null)
        {
            _datasette.Settings["log-level"] = level;
        }

        await CrashAndStopAsync();
        Assert.HasCount(lines, _datasette.OperatorLines, string.Concat(_datasette.OperatorLines));
        Assert.IsTrue(_datasette.OperatorLines.All(line => line.StartsWith("WARNING:  ", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task A_refresh_that_fails_is_told_where_it_is_lived_with()
    {
        var keys = _datasette.Folder.Write("keys.json", """{"access-key-id": "AKIAFAKE", "secret-access-key": "first-secret"}""");
        _datasette.Settings["credentials-command"] = $"cat {keys}";
        // Nothing else waits that long.
        _datasette.Settings["credentials-refresh-interval"] = 61;
        _datasette.Settings["on-refresh-failure"] = "keep";
        var replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        File.WriteAllText(keys, "{");
        await _clock.PassAsync(seconds: 61);
        await Eventually.HoldsAsync(() => !_datasette.OperatorLines.IsEmpty);

        var told = string.Concat(_datasette.OperatorLines);
        await _clock.PassUntilAsync(replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10))));
        Assert.HasCount(1, told.Split('\n', StringSplitOptions.RemoveEmptyEntries), told);
        StringAssert.StartsWith(told, "WARNING:  datasette-litestream: credentials-command: ");
        StringAssert.EndsWith(told, " The previous credentials stay in use.\n");
    }

    [TestMethod]
    public void A_line_holds_no_line_break()
    {
        var lines = new List<string>();
        var notified = new List<(LogLevel, string)>();
        var log = new OperatorLog(
            LogLevel.Error, lines.Add, (level, text) => notified.Add((level, text)));
        log.Write(LogLevel.Error, "first\nsecond");
        Assert.AreEqual("ERROR:    datasette-litestream: first second\n", lines.Single());
        Assert.AreEqual((LogLevel.Error, "first second"), notified.Single());
        log.WriteOnly(LogLevel.Error, "for here");
        log.Write(LogLevel.Info, "for nobody");
        log.Write(LogLevel.Warning, "for others");
        Assert.HasCount(2, lines);
        Assert.AreEqual((LogLevel.Warning, "for others"), notified[^1]);
        Assert.HasCount(2, notified);
    }

    private async Task CrashAndStopAsync()
    {
        var replicator = await _datasette.StartReplicatorAsync(_clock).InTimeAsync();
        var looks = 0;
        using var reporter = new StatusReporter(() => replicator.Snapshot, _clock, (replication, observed) =>
        {
            replicator.Announcer.Look(replication, observed);
            Interlocked.Increment(ref looks);
        });
        _ = await reporter.ReportHealthAsync().InTimeAsync();
        _ = LibC.kill(replicator.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => replicator.Snapshot.Daemon!.NextStartAt is not null);
        var next = replicator.Snapshot.Daemon!.NextStartAt!.Value - _clock.Now;
        await _clock.PassAsync(next);
        await Eventually.HoldsAsync(() => replicator.Snapshot.Daemon!.State == DaemonState.Running);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.HoldsAsync(() => Volatile.Read(ref looks) == 2);
        reporter.Dispose();
        await _clock.PassUntilAsync(replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10))));
    }
}
