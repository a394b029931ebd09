using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class HistorySpecs
{
    private static readonly DateTimeOffset Noon = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly History _history = new();

    [TestMethod]
    [DoNotParallelize]
    public void It_takes_at_most_16_KiB_a_database_to_which_something_happens_all_the_time()
    {
        // So many that what the tests before this one still let go of does not matter.
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var histories = Enumerable.Range(0, 200).Select(_ => new History()).ToList();
        foreach (var history in histories)
        {
            for (var i = 1; i <= 24 * 360; i++)
            {
                history.Add(Noon.AddSeconds(10 * i), Of((ulong)i));
            }
        }

        var bytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / histories.Count;
        Assert.IsInRange(8 * 1024, 16 * 1024 + 512, bytes);
        Assert.AreEqual(360, histories[^1].Read(HistoryRange.Hour, Noon.AddDays(1)).Count(sample => sample != Sample.None));
    }

    [TestMethod]
    public void A_quiet_database_takes_next_to_nothing()
    {
        _history.Add(Noon, Of(7));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 1; i <= 1000; i++)
        {
            _history.Add(Noon.AddSeconds(10 * i), Of(7));
        }

        Assert.IsLessThan(1024, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.IsTrue(_history.Read(HistoryRange.Hour, Noon.AddSeconds(10_000)).All(sample => sample == Of(7)));
    }

    [TestMethod]
    public void It_spans_an_hour_and_a_day()
    {
        Assert.AreEqual(TimeSpan.FromHours(1), HistoryRange.Hour.Interval * HistoryRange.Hour.Length);
        Assert.AreEqual(TimeSpan.FromDays(1), HistoryRange.Day.Interval * HistoryRange.Day.Length);
    }

    [TestMethod]
    public void Before_anybody_looked_there_is_nothing()
    {
        CollectionAssert.AreEqual(Enumerable.Repeat(Sample.None, 360).ToArray(), _history.Read(HistoryRange.Hour, Noon));
        CollectionAssert.AreEqual(Enumerable.Repeat(Sample.None, 144).ToArray(), _history.Read(HistoryRange.Day, Noon));
    }

    [TestMethod]
    public void The_last_sample_is_the_one_of_the_moment()
    {
        _history.Add(Noon, Of(1));
        CollectionAssert.AreEqual(new[] { 1UL }, Txids(Noon.AddSeconds(9.9)));
        Assert.AreEqual(1UL, _history.Read(HistoryRange.Hour, Noon.AddSeconds(9.9))[^1].Txid);
        Assert.AreEqual(1UL, _history.Read(HistoryRange.Hour, Noon.AddSeconds(10))[^2].Txid);
        Assert.AreEqual(1UL, _history.Read(HistoryRange.Hour, Noon.AddMinutes(59.9))[0].Txid);
        Assert.IsEmpty(Txids(Noon.AddHours(1)));
        Assert.AreEqual(Noon.AddSeconds(10), HistoryRange.Hour.EndOf(HistoryRange.Hour.IndexOf(Noon)));
    }

    [TestMethod]
    public void The_oldest_make_room_for_the_newest()
    {
        for (var i = 0; i < 1000; i++)
        {
            _history.Add(Noon.AddSeconds(10 * i), Of((ulong)i + 1));
        }

        CollectionAssert.AreEqual(
            Enumerable.Range(641, 360).Select(i => (ulong)i).ToArray(), Txids(Noon.AddSeconds(9990)));
    }

    [TestMethod]
    [DataRow(30)]
    [DataRow(3590)]
    [DataRow(3600)]
    [DataRow(100_000_000)]
    public void A_gap_is_a_gap(int seconds)
    {
        _history.Add(Noon, Of(1));
        _history.Add(Noon.AddSeconds(seconds), Of(2));
        var samples = _history.Read(HistoryRange.Hour, Noon.AddSeconds(seconds));
        Assert.AreEqual(2UL, samples[^1].Txid);
        Assert.AreEqual(seconds < 3600 ? 2 : 1, samples.Count(sample => sample != Sample.None));
        Assert.AreEqual(seconds < 3600, samples[^(Math.Min(seconds / 10, 359) + 1)].Txid == 1);
    }

    [TestMethod]
    public void A_clock_that_is_set_back_does_not_undo_what_was_seen()
    {
        _history.Add(Noon, Of(1));
        _history.Add(Noon.AddMinutes(-5), Of(2));
        CollectionAssert.AreEqual(new[] { 1UL }, Txids(Noon));
        _history.Add(Noon.AddSeconds(10), Of(3));
        CollectionAssert.AreEqual(new[] { 1UL, 3UL }, Txids(Noon.AddSeconds(10)));
    }

    [TestMethod]
    public void A_clock_that_was_years_ahead_does_not_stop_the_history_for_years()
    {
        _history.Add(Noon.AddYears(10), Of(1));
        _history.Add(Noon, Of(2));
        _history.Add(Noon.AddSeconds(10), Of(3));
        CollectionAssert.AreEqual(new[] { 2UL, 3UL }, Txids(Noon.AddSeconds(10)));
    }

    [TestMethod]
    [DataRow(5.0)]
    [DataRow(-5.0)]
    [DataRow(-1e6)]
    public void A_clock_near_1970_is_a_clock(double seconds)
    {
        var moment = DateTimeOffset.UnixEpoch.AddSeconds(seconds);
        _history.Add(moment, Of(1));
        _history.Add(moment.AddSeconds(10), Of(2));
        CollectionAssert.AreEqual(new[] { 1UL, 2UL }, Txids(moment.AddSeconds(10)));
        Assert.IsLessThanOrEqualTo(moment, HistoryRange.Hour.EndOf(HistoryRange.Hour.IndexOf(moment) - 1));
        Assert.IsGreaterThan(moment, HistoryRange.Hour.EndOf(HistoryRange.Hour.IndexOf(moment)));
    }

    [TestMethod]
    public void Ten_minutes_keep_the_last_state_the_largest_lag_and_the_sums()
    {
        for (var i = 1; i <= 60; i++)
        {
            _history.Add(Noon.AddSeconds(10 * (i - 1)), new Sample((ulong)i, (uint)i, i == 30 ? 99 : 1, i, 2 * i, 100, (Half)1));
        }

        _history.Add(Noon.AddMinutes(10), Of(61));
        var day = _history.Read(HistoryRange.Day, Noon.AddMinutes(10));
        Assert.AreEqual(new Sample(60, 60, 99, 60, 120, 6000, (Half)60), day[^2]);
        Assert.AreEqual(Of(61), day[^1]);
    }

    [TestMethod]
    public void What_nobody_knows_does_not_hide_what_was_known()
    {
        var known = new Sample(5, 0, 3, 1, 1, 100, (Half)1);
        Assert.AreEqual(known, Sample.None.MergeWith(known));
        Assert.AreEqual(known, known.MergeWith(Sample.None));
        Assert.AreEqual(Sample.None, Sample.None.MergeWith(Sample.None));
        var withoutLag = known with { Lag = float.NaN };
        Assert.AreEqual((3f, 200f), (known.MergeWith(withoutLag).Lag, known.MergeWith(withoutLag).UploadedBytes));
        Assert.AreEqual(3f, withoutLag.MergeWith(known).Lag);
    }

    private static Sample Of(ulong txid) => new(txid, 0, 0, 0, 0, 0, Half.Zero);

    private ulong[] Txids(DateTimeOffset until) =>
        [.. _history.Read(HistoryRange.Hour, until).Where(sample => sample != Sample.None).Select(sample => sample.Txid)];
}
