using System.Globalization;
using Datasette.Litestream.Healing;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Tests.Observation;
using Microsoft.Extensions.Time.Testing;

namespace Datasette.Litestream.Tests.Healing;

/// <summary>What could not be merged is merged soon, and what can never be merged costs few restarts.</summary>
[TestClass]
public sealed class CompactionRetrySpecs
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<(double At, string Message)> _restarts = [];
    private readonly CompactionRetry _retry;
    private readonly DateTimeOffset _start;
    private LogStatistics _statistics = LogStatistics.Empty;

    public CompactionRetrySpecs()
    {
        _start = _time.GetUtcNow();
        _retry = new CompactionRetry(message => _restarts.Add(((_time.GetUtcNow() - _start).TotalSeconds, message)), _time);
    }

    [TestMethod]
    public void One_that_failed_is_tried_again_after_some_seconds()
    {
        LogFailure(level: 2);
        LookFor(8, StateReason.CompactionFailed);
        LookFor(600, StateReason.AllReplicated);
        var (at, message) = _restarts.Single();
        Assert.AreEqual(4, at);
        StringAssert.StartsWith(message, "The files of parks could not be merged at the destination.");
    }

    [TestMethod]
    public void One_that_fails_for_ever_is_tried_less_and_less_often()
    {
        LogFailure(level: 3);
        LookFor(3600, StateReason.CompactionFailed);
        CollectionAssert.AreEqual((double[])[4, 12, 28, 60, 124, 252, 508, 1020, 1620, 2220, 2820, 3420], _restarts.ConvertAll(restart => restart.At));
    }

    [TestMethod]
    public void A_restart_in_between_does_not_make_it_a_new_one()
    {
        LogFailure(level: 2);
        for (var i = 0; i < 20; i++)
        {
            LookFor(10, StateReason.CompactionFailed);
            LookFor(2, StateReason.Starting);
        }

        Assert.HasCount(5, _restarts);
    }

    [TestMethod]
    public void Another_one_much_later_is_tried_soon()
    {
        LogFailure(level: 2);
        LookFor(100, StateReason.CompactionFailed);
        LookFor(700, StateReason.AllReplicated);
        LookFor(6, StateReason.CompactionFailed);
        Assert.AreEqual(804, _restarts[^1].At);
    }

    [TestMethod]
    public void What_Litestream_tries_again_soon_by_itself_is_left_to_it()
    {
        LogFailure(level: 1);
        LookFor(60, StateReason.CompactionFailed);
        Assert.IsEmpty(_restarts);
    }

    [TestMethod]
    public void A_destination_that_cannot_be_written_to_is_waited_for()
    {
        LogFailure(level: 2);
        LookFor(60, StateReason.UploadFailed);
        Assert.IsEmpty(_restarts);
    }

    private void LogFailure(int level) => _statistics = _statistics.With(LogEntry.Parse(
        string.Create(CultureInfo.InvariantCulture, $$"""{"level":"ERROR","msg":"compaction failed","db":"parks.db","level":{{level}},"error":"no space left"}"""), _start));

    private void LookFor(double seconds, StateReason reason)
    {
        for (var until = _time.GetUtcNow().AddSeconds(seconds); _time.GetUtcNow() < until; _time.Advance(TimeSpan.FromSeconds(2)))
        {
            _retry.Look(new ObservedDatabases(_time.GetUtcNow(), [Observations.Database("parks") with { Reason = reason }]), _statistics);
        }
    }
}
