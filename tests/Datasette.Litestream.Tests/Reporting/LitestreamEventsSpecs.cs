using Datasette.Litestream.Daemon;
using Datasette.Litestream.Logging;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Observation;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Reporting;

/// <summary>What an operator is told of Litestream's failures, look by look.</summary>
[TestClass]
public sealed class LitestreamEventsSpecs
{
    private readonly TestClock _clock = new();
    private readonly LitestreamEvents _events;
    private int _failures;
    private DateTimeOffset? _downSince;

    public LitestreamEventsSpecs()
    {
        _clock.SetUtcNow(Observations.Now);
        _events = new LitestreamEvents(_clock);
    }

    [TestMethod]
    public void Planned_restarts_and_nothing_at_all_are_no_failures()
    {
        Assert.IsEmpty(_events.Look(null));
        Assert.IsNull(Look(Running()));
        Assert.IsNull(Look(Running() with { State = DaemonState.Stopping, DownSince = _clock.Now }));
        Assert.IsNull(Look(Running() with { State = DaemonState.Starting, DownSince = _clock.Now }));
        Assert.IsNull(Look(Running()));
    }

    [TestMethod]
    public void A_failure_and_its_end_are_a_sentence_each()
    {
        Assert.AreEqual(
            "Litestream ended by itself with signal 9. It is started again in 5.0 s. Until then, nothing is replicated.", Look(Down()));
        Pass(30);
        Assert.IsNull(Look(Down(failures: 0)));
        Pass(35);
        Assert.AreEqual("Litestream runs again since 2026-05-01 12:01:05 UTC, after 1 min (process 7).", Look(Running()));
        Assert.IsNull(Look(Running()));
    }

    [TestMethod]
    public void Failed_starts_are_no_news_and_are_counted()
    {
        Look(Down());
        for (var i = 0; i < 5; i++)
        {
            Pass(60);
            Assert.IsNull(Look(Down()));
            Assert.IsNull(Look(Down(failures: 0) with { State = DaemonState.Starting, NextStartAt = null }));
        }

        Assert.AreEqual("Litestream runs again since 2026-05-01 12:05:00 UTC, after 5 min (process 7). (5 more failures since the last message.)", Look(Running()));
    }

    [TestMethod]
    public void A_restart_between_two_looks_is_one_sentence()
    {
        Look(Running());
        _ = Down();
        Pass(1);
        Assert.AreEqual("Litestream ended by itself with signal 9. It runs again since 2026-05-01 12:00:01 UTC (process 7).", Look(Running()));
        Assert.IsNull(Look(Running()));
    }

    [TestMethod]
    public void A_crash_loop_is_told_once_a_minute()
    {
        var told = new List<string?>();
        for (var second = 0; second < 180; second += 2)
        {
            told.Add(Look(Down()));
            Pass(1);
            told.Add(Look(Running()));
            Pass(1);
        }

        told.RemoveAll(sentence => sentence is null);
        Assert.HasCount(3, told, string.Join('\n', told));
        StringAssert.EndsWith(told[1], " (29 more failures since the last message.)");
    }

    [TestMethod]
    public void That_it_runs_again_is_told_when_the_minute_is_over_if_it_still_does()
    {
        Look(Down());
        Pass(5);
        Assert.IsNull(Look(Running()));
        Pass(10);
        Assert.IsNull(Look(Down()));
        Pass(5);
        var running = Running();
        Assert.IsNull(Look(running));
        Pass(40);
        Assert.AreEqual("Litestream runs again since 2026-05-01 12:00:20 UTC, after 5.0 s (process 7). (1 more failure since the last message.)", Look(running));
    }

    private DaemonStatus Running()
    {
        _downSince = null;
        return new(DaemonState.Running, 7, _clock.Now, _failures, _failures > 0 ? "Litestream ended by itself with signal 9." : null);
    }

    private DaemonStatus Down(int failures = 1)
    {
        _failures += failures;
        _downSince ??= _clock.Now;
        return new(DaemonState.Waiting, Failures: _failures, LastFailure: "Litestream ended by itself with signal 9.", NextStartAt: _clock.Now.AddSeconds(5)) { DownSince = _downSince };
    }

    private string? Look(DaemonStatus status)
    {
        var told = _events.Look(status).ToList();
        Assert.IsTrue(told.All(each => each.Level == LogLevel.Warning));
        return told.SingleOrDefault().Sentence;
    }

    private void Pass(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));
}
