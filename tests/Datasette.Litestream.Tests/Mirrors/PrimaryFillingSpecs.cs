using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Processes;
using static Datasette.Litestream.Tests.Mirrors.MirrorBench;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>The first destination, before Litestream starts on it.</summary>
[TestClass]
public sealed class PrimaryFillingSpecs
{
    [TestMethod]
    public async Task An_empty_first_destination_is_filled_from_the_fullest_and_Litestream_goes_on_above_it()
    {
        using var bench = new MirrorBench("first", "less", "mirror");
        MakeFull(bench, "mirror");
        bench.MakeAt("less", Snapshot(80));
        bench.MakeAt("less", 81, 90);
        await FillsAsync(bench);
        bench.AssertRestores(120, "first");
        AssertHasAll(bench, "mirror");
        Assert.AreEqual(L0(120).ToString(), bench.Faults("first").Written[^1]);
    }

    [TestMethod]
    public async Task What_this_machine_has_beyond_that_is_added_and_kept()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.MakeLocal(115, 125);
        await FillsAsync(bench);
        bench.AssertRestores(125, "first");
        Assert.IsTrue(File.Exists(Path.Combine(bench.Local, L0(125).ToString())));
    }

    [TestMethod]
    public async Task Files_of_this_machine_that_do_not_continue_it_go()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.MakeLocal(140, 150);
        await FillsAsync(bench);
        bench.AssertRestores(120, "first");
        Assert.IsFalse(Directory.Exists(Path.Combine(bench.Local, "ltx")));
    }

    [TestMethod]
    public async Task A_first_destination_that_is_behind_gets_what_it_lacks()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        MakeFull(bench, "first", upTo: 115);
        await FillsAsync(bench);
        bench.AssertRestores(120, "first");
        Assert.IsEmpty(bench.Aside("first"));
    }

    [TestMethod]
    public async Task Where_others_are_merged_together_there_Litestream_can_still_merge()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        MakeFull(bench, "first", upTo: 115);
        bench.MakeAt("first", new LtxName(1, 101, 104));
        bench.MakeAt("first", new LtxName(1, 105, 108));
        bench.MakeAt("mirror", new LtxName(1, 101, 110));
        await FillsAsync(bench);
        bench.AssertRestores(120, "first");
        Assert.IsEmpty(bench.Files("first").FindNested());
        CollectionAssert.IsSubsetOf(new LtxName[] { new(1, 101, 104), new(1, 101, 110) }, bench.Files("first").Level(1).ToArray());
    }

    [TestMethod]
    public async Task A_young_first_destination_is_moved_aside_and_everything_that_could_be_restored_still_can()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.MakeAt("first", 1, 9, history: 2);
        await FillsAsync(bench);
        bench.AssertRestores(120, "first");
        AssertHasAll(bench, "mirror");
        bench.AssertRestores(9, Path.GetFileName(bench.Aside("first").Single()));
    }

    [TestMethod]
    public async Task A_first_destination_that_Litestream_goes_on_with_is_left_alone_whatever_a_mirror_has()
    {
        using var bench = new MirrorBench();
        bench.MakeAt("first", 1, 9, history: 2);
        bench.MakeLocal(1, 9, history: 2);
        MakeFull(bench, "mirror");
        Assert.IsEmpty(await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync());
    }

    [TestMethod]
    public async Task Nothing_is_filled_where_nothing_is_fuller()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "first");
        MakeFull(bench, "mirror");
        Assert.IsEmpty(await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync());
    }

    [TestMethod]
    public async Task A_stop_that_comes_first_leaves_nothing_uncompared()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "first");
        bench.Mirroring.StopFilling();
        Assert.IsEmpty(await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync());
    }

    [TestMethod]
    public async Task A_mirror_that_answers_late_holds_up_the_others_for_a_few_seconds_and_its_own_database_until_it_is_known()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.Faults("mirror").Freeze();
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.AreEqual("parks", (await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync()).Single());
        Assert.IsLessThan(10, System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds);
        var filling = bench.Mirroring.FillAsync("parks");
        bench.Faults("mirror").Thaw();
        await filling.InTimeAsync();
        bench.AssertRestores(120, "first");
        AssertHasAll(bench, "mirror");
    }

    [TestMethod]
    public async Task A_mirror_that_fails_at_first_is_asked_again()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.Faults("mirror").Error = "connection refused";
        Assert.AreEqual("parks", (await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync()).Single());
        var filling = bench.Mirroring.FillAsync("parks");
        bench.Faults("mirror").Error = null;
        await filling.InTimeAsync();
        bench.AssertRestores(120, "first");
    }

    [TestMethod]
    public async Task A_mirror_that_does_not_answer_at_all_does_not_count()
    {
        using var bench = new MirrorBench();
        bench.Faults("mirror").Freeze();
        Assert.AreEqual("parks", (await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync()).Single());
        await bench.Mirroring.FillAsync("parks").WaitAsync(TimeSpan.FromMinutes(1));
        Assert.IsEmpty(bench.Files("first").Files);
        bench.Faults("mirror").Thaw();
    }

    [TestMethod]
    public async Task A_fill_that_fails_is_told_and_goes_on_where_it_was()
    {
        using var bench = new MirrorBench();
        MakeFull(bench, "mirror");
        bench.Faults("first").BeforeWrite = name =>
        {
            if (name.Contains("/0/", StringComparison.Ordinal) && bench.Faults("mirror").Error is null && bench.Faults("first").Written.Count == 3)
            {
                bench.Faults("mirror").Error = "connection refused";
            }
        };
        Assert.AreEqual("parks", (await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync()).Single());
        var filling = bench.Mirroring.FillAsync("parks");
        await Eventually.HoldsAsync(() => bench.Mirroring.Fills.GetValueOrDefault("parks")?.Error == "connection refused");
        bench.Faults("first").BeforeWrite = null;
        bench.Faults("mirror").Error = null;
        await filling.InTimeAsync();
        bench.AssertRestores(120, "first");
        Assert.AreEqual(1, bench.Faults("first").Written.Count(name => name == Snapshot(80).ToString()));
        Assert.IsEmpty(bench.Mirroring.Fills);
        Assert.IsEmpty(bench.Aside("first"));
    }

    private static void MakeFull(MirrorBench bench, string destination, ulong upTo = 120)
    {
        bench.MakeAt(destination, Snapshot(40));
        bench.MakeAt(destination, Snapshot(80));
        bench.MakeAt(destination, new LtxName(1, 41, 80));
        bench.MakeAt(destination, new LtxName(1, 81, 100));
        bench.MakeAt(destination, 101, upTo);
    }

    private static async Task FillsAsync(MirrorBench bench)
    {
        Assert.AreEqual("parks", (await bench.Mirroring.PrepareAsync(bench.Plan.Databases, CancellationToken.None).InTimeAsync()).Single());
        await bench.Mirroring.FillAsync("parks").InTimeAsync();
    }

    private static void AssertHasAll(MirrorBench bench, string of) =>
        CollectionAssert.IsSubsetOf(bench.Files(of).Files.Keys.Where(name => name.Level > 0).ToList(), bench.Files("first").Files.Keys.ToList());
}
