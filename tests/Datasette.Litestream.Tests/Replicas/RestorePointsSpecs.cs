using System.Globalization;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>How far back and how finely one can go, by the names and times of files.</summary>
[TestClass]
public sealed class RestorePointsSpecs
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    // Level:first-last@minute, as Litestream leaves them; what is expected are the oldest point, the newest snapshot and the steps.
    [TestMethod]
    [DataRow("", null, DisplayName = "nothing")]
    [DataRow("0:2-2@1 0:3-3@2", null, DisplayName = "the beginning is missing")]
    [DataRow("0:1-1@1 0:2-2@2", "1 - 0@1", DisplayName = "before the first snapshot")]
    [DataRow("9:1-1@1 0:1-1@1 0:2-2@2", "1 1 0@1", DisplayName = "just begun")]
    [DataRow("9:1-1@1 1:1-4@2 1:5-8@3 0:7-7@4 0:8-8@4 0:9-9@5", "1 1 0@4 1@1", DisplayName = "merged files as far back as the snapshot")]
    [DataRow("9:1-4@9 1:5-8@10 1:9-12@20 2:5-12@10 0:12-12@21", "9 9 0@21 1@9", DisplayName = "coarser files that reach no farther")]
    [DataRow("9:1-4@9 9:1-20@30 1:13-16@25 1:17-20@28 2:5-16@10 0:20-20@31", "9 30 0@31 1@25 2@9", DisplayName = "coarser files that reach farther")]
    [DataRow("9:1-4@9 9:1-20@30 1:15-20@28 0:20-20@31", "30 30 0@30", DisplayName = "a gap: what is before it leads nowhere")]
    [DataRow("9:1-4@9 9:1-20@30", "30 30 9@30", DisplayName = "snapshots alone")]
    [DataRow("9:1-4@9 9:1-20@30 0:21-21@31", "30 30 0@30", DisplayName = "a snapshot and what follows")]
    public void They_are_found_by_names_and_times(string files, string? expected)
    {
        var points = Find(files);
        Assert.AreEqual(expected, points is null ? null
            : $"{Minute(points.Oldest)} {(points.NewestSnapshot is { } snapshot ? Minute(snapshot) : "-")} {string.Join(' ', points.Steps.Select(step => $"{step.Level}@{Minute(step.Since)}"))}");
    }

    [TestMethod]
    public void Later_the_uploaded_files_that_are_kept_no_more_are_merged_ones()
    {
        var young = Find("9:1-1@1 0:1-1@1 0:2-2@2")!;
        Assert.AreEqual("0@1", StepsAt(young, 4));
        Assert.AreEqual("0@15 1@1", StepsAt(young, 20));
        Assert.AreEqual("0@15 1@1", StepsAt(Find("9:1-1@1 1:1-4@2 0:4-4@4")!, 20));
        Assert.AreEqual("0@15 1@4 2@1", StepsAt(Find("9:1-1@1 2:1-4@2 0:4-4@4")!, 20));
        Assert.AreEqual("9@1", StepsAt(Find("9:1-1@1")!, 20));
    }

    // What is expected is the last transaction of the state, and between which minutes it was the newest one.
    [TestMethod]
    [DataRow(8, null, DisplayName = "before everything")]
    [DataRow(9, "4 9-9", DisplayName = "a snapshot has its own time")]
    [DataRow(24, "4 9-9", DisplayName = "a merged file may have changes up to the next one")]
    [DataRow(27, "12 10-25", DisplayName = "the finer file tells")]
    [DataRow(28, "17 28-28", DisplayName = "a file of one transaction has its own time")]
    [DataRow(30, "19 30-30", DisplayName = "and one of a sync")]
    [DataRow(60, "20 31-31", DisplayName = "the newest")]
    public void The_state_of_a_time_is_the_newest_that_is_not_after_it(int minute, string? expected)
    {
        var points = Find("9:1-4@9 1:5-12@10 1:13-16@25 2:5-16@10 0:17-17@28 0:18-19@30 0:20-20@31")!;
        Assert.AreEqual(expected, points.At(Start.AddMinutes(minute).AddSeconds(1)) is { } point ? $"{point.Txid} {Minute(point.Since)}-{Minute(point.Until - TimeSpan.FromMilliseconds(999))}" : null);
    }

    [TestMethod]
    public void A_time_in_whole_seconds_may_be_of_almost_a_second_later()
    {
        var points = Find("9:1-4@9 0:5-5@10")!;
        Assert.AreEqual(4UL, points.At(Start.AddMinutes(10))!.Value.Txid);
        Assert.AreEqual(5UL, points.At(Start.AddMinutes(10).AddSeconds(1))!.Value.Txid);
    }

    private static string StepsAt(RestorePoints points, int minute) =>
        string.Join(' ', points.StepsAt(Start.AddMinutes(minute), TimeSpan.FromMinutes(5)).Select(step => $"{step.Level}@{Minute(step.Since)}"));

    private static string Minute(DateTimeOffset time) => (time - Start).TotalMinutes.ToString(CultureInfo.InvariantCulture);

    private static RestorePoints? Find(string files)
    {
        var times = files.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(file => file.Split(':', '-', '@')).ToDictionary(
            parts => new LtxName(int.Parse(parts[0], CultureInfo.InvariantCulture), ulong.Parse(parts[1], CultureInfo.InvariantCulture), ulong.Parse(parts[2], CultureInfo.InvariantCulture)),
            parts => Start.AddMinutes(int.Parse(parts[3], CultureInfo.InvariantCulture)));
        IReadOnlyList<LtxName>[] levels = [.. Enumerable.Range(0, LtxName.LevelCount).Select(level => times.Keys.Where(name => name.Level == level).OrderBy(name => name.Min).ToList())];
        var chain = new RestoreChain();
        chain.Find(levels);
        return RestorePoints.Find(levels, chain.Reach, name => times[name], Start);
    }
}
