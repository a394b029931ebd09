using System.Text.RegularExpressions;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Mirrors;

/// <summary>Mirrors of a database whose files are made by the tests.</summary>
[TestClass]
public sealed class MirrorSpecs
{
    [TestMethod]
    public async Task Each_transaction_is_copied_from_this_machine_in_order_and_with_its_time()
    {
        using var bench = new MirrorBench();
        bench.MakeLocal(1, 3);
        bench.Mirroring.Start();
        await bench.ReachesAsync(3);
        bench.MakeLocal(4, 12);
        await bench.ReachesAsync(12);
        CollectionAssert.AreEqual(Enumerable.Range(1, 12).Select(txid => MirrorBench.L0((ulong)txid).ToString()).ToArray(), bench.Faults("mirror").Written.ToArray());
        foreach (var name in bench.Files().Files.Keys.Select(name => name.ToString()))
        {
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(bench.Local, name)), File.ReadAllBytes(Path.Combine(bench.Folder["mirror"], name)));
            Assert.AreEqual(File.GetLastWriteTimeUtc(Path.Combine(bench.Local, name)), File.GetLastWriteTimeUtc(Path.Combine(bench.Folder["mirror"], name)));
        }

        Assert.AreEqual((MirrorPhase.Following, 12, 12 * 300L, null), (bench.Status()!.Phase, bench.Status()!.Files!.Value, bench.Status()!.Bytes!.Value, bench.Status()!.Error));
    }

    [TestMethod]
    public async Task A_new_mirror_of_an_old_database_begins_with_the_primarys_snapshot_and_goes_on_from_there()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        var reached = new List<ulong>();
        bench.Faults("mirror").BeforeWrite = _ => reached.Add(bench.Files().Reach);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        await Eventually.HoldsAsync(() => HasAllMerged(bench));
        Assert.AreEqual(MirrorBench.Snapshot(80).ToString(), bench.Faults("mirror").Written[0]);
        bench.AssertRestores(120);
        CollectionAssert.AreEqual(reached.Order().ToList(), reached);
        Assert.IsNull(bench.Status()!.Notice);
    }

    [TestMethod]
    public async Task A_mirror_that_was_away_for_long_gets_merged_files()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        bench.Faults("mirror").Error = "connection refused";
        bench.MakeLocal(121, 121);
        await Eventually.HoldsAsync(() => bench.Status()!.Error == "connection refused" && bench.Status()!.FailingSince is not null && bench.Status()!.BehindSince is not null);
        bench.MakeLocal(122, 160);
        bench.MakeAt("first", 121, 160);
        bench.MakeAt("first", new LtxName(1, 121, 155));
        bench.DeleteLocal(110, 150);
        bench.Faults("mirror").Error = null;
        await bench.ReachesAsync(160);
        bench.AssertRestores(160);
        CollectionAssert.Contains(bench.Faults("mirror").Written.ToArray(), new LtxName(1, 121, 155).ToString());
        Assert.AreEqual((null, null), (bench.Status()!.Error, bench.Status()!.FailingSince));
    }

    /// <summary>
    /// The mirror was Litestream's own destination before. Litestream never merges a level again in which a file lies within an earlier one,
    /// and the backup would be begun anew where it is Litestream's again.
    /// </summary>
    [TestMethod]
    public async Task Where_others_are_merged_together_than_at_the_primary_Litestream_can_still_merge()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.MakeAt("mirror", MirrorBench.Snapshot(40));
        foreach (var (from, to) in new[] { (41UL, 60UL), (61UL, 70UL), (71UL, 110UL) })
        {
            bench.MakeAt("mirror", new LtxName(1, from, to));
        }

        bench.MakeAt("mirror", 105, 120);
        bench.Mirroring.Start();
        LtxName[] expected = [new(1, 41, 60), new(1, 41, 80), new(1, 71, 110)];
        await Eventually.HoldsAsync(() => bench.Files().Level(1).SequenceEqual(expected) && bench.Files().Files.ContainsKey(MirrorBench.Snapshot(80)));
        await bench.ReachesAsync(120);
        bench.AssertRestores(120);
        CollectionAssert.DoesNotContain(bench.Faults("mirror").Written.ToArray(), new LtxName(1, 81, 110).ToString());
        Assert.IsEmpty(bench.Aside());
    }

    /// <summary>What is missing before the last file of a level Litestream never merges, if it goes on there.</summary>
    [TestMethod]
    public async Task Merged_files_are_copied_in_the_order_in_which_Litestream_merges()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.MakeAt("first", new LtxName(1, 41, 60));
        bench.MakeAt("first", new LtxName(2, 41, 80));
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        await Eventually.HoldsAsync(() => HasAllMerged(bench));
        string[] expected = [.. new LtxName[] { new(1, 41, 60), new(1, 41, 80), new(2, 41, 80) }.Select(name => name.ToString())];
        CollectionAssert.AreEqual(expected, bench.Faults("mirror").Written.Where(expected.Contains).ToArray());
    }

    [TestMethod]
    public async Task A_mirror_that_fails_or_freezes_holds_up_no_other()
    {
        using var bench = new MirrorBench("first", "broken", "frozen", "mirror");
        bench.MakeLocal(1, 3);
        bench.Faults("broken").Error = "no space left on device";
        bench.Faults("frozen").Freeze();
        bench.Mirroring.Start();
        await bench.ReachesAsync(3);
        bench.MakeLocal(4, 9);
        await bench.ReachesAsync(9);
        await Eventually.HoldsAsync(() => bench.Status("broken")?.Error == "no space left on device");
        bench.Faults("broken").Error = null;
        bench.Faults("frozen").Thaw();
        await bench.ReachesAsync(9, "broken");
        await bench.ReachesAsync(9, "frozen");
    }

    [TestMethod]
    public async Task A_primary_that_does_not_answer_keeps_nothing_from_the_mirror()
    {
        using var bench = new MirrorBench();
        bench.Faults("first").Freeze();
        bench.MakeLocal(1, 3);
        bench.Mirroring.Start();
        await bench.ReachesAsync(3);
        bench.MakeLocal(4, 5);
        await bench.ReachesAsync(5);
    }

    [TestMethod]
    public async Task A_third_destination_gives_what_this_machine_and_the_primary_do_not_have()
    {
        using var bench = new MirrorBench("first", "other", "mirror");
        MakeOld(bench, "other");
        bench.Faults("first").Error = "connection refused";
        bench.Mirroring.Start();
        await bench.ReachesAsync(120, "other");
        await bench.ReachesAsync(120);
        bench.AssertRestores(120);
    }

    [TestMethod]
    public async Task A_new_mirror_waits_for_a_snapshot_where_nobody_has_one_and_says_so()
    {
        using var bench = new MirrorBench();
        bench.Faults("first").Error = "connection refused";
        bench.MakeLocal(50, 60);
        bench.Mirroring.Start();
        await Eventually.HoldsAsync(() => bench.Status() is { Phase: MirrorPhase.HeldBack });
        StringAssert.EndsWith(bench.Status()!.Error, "first: connection refused");
        Assert.AreEqual(0, bench.Files().Count);
        bench.MakeAt("first", MirrorBench.Snapshot(55));
        bench.Faults("first").Error = null;
        await bench.ReachesAsync(60);
        bench.AssertRestores(60);
    }

    [TestMethod]
    public async Task A_mirror_that_is_deleted_is_filled_again()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);

        // At once: what is being written into it meanwhile must not keep a folder from being deleted.
        Directory.Move(bench.Folder["mirror"], bench.Folder["deleted"]);
        bench.MakeLocal(121, 121);
        await Eventually.HoldsAsync(() => bench.Files().Reach == 121 && HasAllMerged(bench));
        bench.AssertRestores(121);
    }

    [TestMethod]
    public async Task What_a_mirror_lost_is_copied_again_on_a_recheck()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        await Eventually.HoldsAsync(() => HasAllMerged(bench));
        File.Delete(Path.Combine(bench.Folder["mirror"], new LtxName(1, 81, 110).ToString()));
        for (var txid = 81UL; txid < 120; txid++)
        {
            File.Delete(Path.Combine(bench.Folder["mirror"], MirrorBench.L0(txid).ToString()));
        }

        Cut(Path.Combine(bench.Folder["mirror"], MirrorBench.Snapshot(80).ToString()));
        bench.Mirroring.Recheck(bench.Database, bench.Database.Mirrors[0]);
        await Eventually.HoldsAsync(() => bench.Files().Reach == 120 && bench.Status()?.Txid == 120);
        bench.AssertRestores(120);
        StringAssert.Contains(bench.Status()!.Notice, "was not complete");
    }

    [TestMethod]
    public async Task A_snapshot_that_was_written_again_is_copied_again_in_silence()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        bench.MakeAt("first", MirrorBench.Snapshot(80), MirrorBench.Now);
        bench.Mirroring.Recheck(bench.Database, bench.Database.Mirrors[0]);
        await Eventually.HoldsAsync(() => IsSame(bench, MirrorBench.Snapshot(80)));
        Assert.IsNull(bench.Status()!.Notice);
    }

    [TestMethod]
    public async Task A_merged_file_of_the_same_name_with_another_content_is_copied_again_and_told()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        var merged = new LtxName(1, 81, 110);
        bench.MakeAt("mirror", merged, history: 2);
        bench.Mirroring.Recheck(bench.Database, bench.Database.Mirrors[0]);
        await Eventually.HoldsAsync(() => IsSame(bench, merged) && bench.Status()!.Notice is not null);
        StringAssert.Contains(bench.Status()!.Notice, $"{merged} was another one than at");
    }

    [TestMethod]
    public async Task A_mirror_of_another_history_is_moved_aside_and_begun_anew()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.MakeAt("mirror", MirrorBench.Snapshot(90), history: 2);
        bench.MakeAt("mirror", 91, 115, history: 2);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        bench.AssertRestores(120);
        AssertIsAside(bench, 115);
    }

    [TestMethod]
    public async Task Nothing_is_copied_to_a_mirror_before_it_is_known_whose_history_it_has()
    {
        using var bench = new MirrorBench();
        bench.MakeAt("first", MirrorBench.Snapshot(90));
        bench.MakeAt("first", 91, 120);
        bench.MakeAt("mirror", MirrorBench.Snapshot(90), history: 2);
        bench.MakeAt("mirror", 91, 115, history: 2);

        // The kernel refuses to follow this, so that what is here cannot be looked at.
        File.CreateSymbolicLink(bench.Local, bench.Local);
        bench.Mirroring.Start();
        await Eventually.HoldsAsync(() => bench.Status()?.ListedAt is not null);
        File.Delete(bench.Local);
        bench.MakeLocal(91, 120);
        await bench.ReachesAsync(120);
        bench.AssertRestores(120);
        AssertIsAside(bench, 115);
    }

    [TestMethod]
    public async Task A_mirror_that_went_farther_than_what_is_replicated_now_is_moved_aside()
    {
        using var bench = new MirrorBench();
        bench.MakeAt("mirror", MirrorBench.Snapshot(500));
        bench.MakeAt("mirror", 501, 510);
        bench.MakeLocal(1, 7);
        bench.MakeAt("first", 1, 7);
        bench.Mirroring.Start();
        await bench.ReachesAsync(7);
        bench.AssertRestores(7);
        AssertIsAside(bench, 510);
    }

    [TestMethod]
    public async Task Transactions_that_begin_anew_while_it_runs_are_never_mixed_with_the_old_ones()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        Directory.Delete(bench.Local, recursive: true);
        bench.MakeLocal(1, 130, history: 2);
        await bench.ReachesAsync(130);
        await Eventually.HoldsAsync(() => bench.Aside().Count == 1);
        AssertIsAside(bench, 120);
        var mine = await new LtxStore(new Datasette.Litestream.Stores.FolderStore(bench.Folder["mirror"], Datasette.Litestream.Stores.FileRights.Private, TimeProvider.System), TimeProvider.System)
            .ReadSealAsync(MirrorBench.L0(115), 300, CancellationToken.None);
        Assert.AreEqual(LtxSeal.Read(Path.Combine(bench.Local, MirrorBench.L0(115).ToString()), MirrorBench.L0(115)), mine);
    }

    [TestMethod]
    public async Task Nothing_is_deleted_because_the_primary_lacks_it()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await Eventually.HoldsAsync(() => bench.Status()?.Txid == 120 && HasAllMerged(bench));
        var before = bench.Files().Files.Keys.ToList();
        Directory.Delete(bench.Folder["first"], recursive: true);
        bench.Mirroring.Recheck(bench.Database, bench.Database.Mirrors[0]);
        bench.MakeLocal(121, 125);
        await bench.ReachesAsync(125);
        CollectionAssert.IsSubsetOf(before, bench.Files().Files.Keys.ToList());
    }

    [TestMethod]
    [DataRow(true, DisplayName = "the same history")]
    [DataRow(false, DisplayName = "transactions that began anew meanwhile")]
    public async Task A_mirror_that_was_away_for_long_across_restarts_goes_on_where_it_was_if_the_history_does(bool isSame)
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        bench.Mirroring.Start();
        await bench.ReachesAsync(120);
        await Eventually.HoldsAsync(() => HasAllMerged(bench));
        bench.Faults("mirror").Error = "connection refused";
        bench.MakeLocal(121, 125);
        await Eventually.HoldsAsync(() => bench.Status()!.BehindSince is not null);
        await bench.RestartAsync();

        // It is still away at the first restart, and back at the second. Meanwhile what it ended with was merged and deleted everywhere.
        bench.Mirroring.Start();
        await Eventually.HoldsAsync(() => bench.Status()?.Error == "connection refused");
        await bench.RestartAsync();
        bench.MakeAt("first", 121, 160);
        bench.MakeAt("first", new LtxName(1, 111, 155));
        bench.MakeLocal(126, 160);
        bench.DeleteLocal(111, isSame ? 124UL : 159UL);
        foreach (var txid in Enumerable.Range(105, 46))
        {
            File.Delete(Path.Combine(bench.Folder["first"], MirrorBench.L0((ulong)txid).ToString()));
        }

        bench.Faults("mirror").Error = null;
        bench.Mirroring.Start();
        await bench.ReachesAsync(160);
        bench.AssertRestores(160);
        Assert.HasCount(isSame ? 0 : 1, bench.Aside());
    }

    [TestMethod]
    public async Task It_tells_how_far_back_and_how_finely_a_mirror_can_be_restored_by_the_files_that_are_there()
    {
        using var bench = new MirrorBench();
        MakeOld(bench);
        MakeOld(bench, "mirror");
        bench.Mirroring.Start();
        await Eventually.HoldsAsync(() => bench.Status()?.Points is not null);
        var (points, start) = (bench.Status()!.Points!, (DateTimeOffset)bench.Files().Files[MirrorBench.Snapshot(40)].At);
        Assert.AreEqual((start, start.AddSeconds(40)), (points.Oldest, points.NewestSnapshot));
        CollectionAssert.AreEqual(new RestoreStep[] { new(0, start.AddSeconds(105 - 40)), new(1, start) }, points.Steps.ToArray());
    }

    [TestMethod]
    public async Task The_end_waits_for_the_last_files_and_names_the_mirrors_that_lack_them()
    {
        using var bench = new MirrorBench("first", "broken", "mirror");
        bench.MakeLocal(1, 3);
        bench.Mirroring.Start();
        await bench.ReachesAsync(3);
        await bench.ReachesAsync(3, "broken");
        bench.Faults("broken").Error = "connection refused";
        bench.MakeLocal(4, 9);
        var lack = (await bench.FinishAsync(3)).Single();
        Assert.AreEqual((bench.Database, "broken", "connection refused"), (lack.Database, Path.GetFileName(lack.Replica.Place), lack.Error));
        bench.AssertRestores(9);
        bench.AssertRestores(3, "broken");
    }

    [TestMethod]
    public async Task The_end_does_not_wait_longer_than_it_may_for_one_that_is_frozen()
    {
        using var bench = new MirrorBench();
        bench.MakeLocal(1, 3);
        bench.Mirroring.Start();
        await bench.ReachesAsync(3);
        bench.Faults("mirror").Freeze();
        bench.MakeLocal(4, 4);
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.AreEqual(1, (await bench.FinishAsync(1)).Count);
        Assert.IsLessThan(10, System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    /// <summary>A database that is old: 1 to 120, of which this machine has the last ten.</summary>
    private static void MakeOld(MirrorBench bench, string destination = "first")
    {
        bench.MakeAt(destination, MirrorBench.Snapshot(40));
        bench.MakeAt(destination, MirrorBench.Snapshot(80), size: 200_000);
        bench.MakeAt(destination, new LtxName(1, 41, 80));
        bench.MakeAt(destination, new LtxName(1, 81, 110));
        bench.MakeAt(destination, 105, 120);
        bench.MakeLocal(111, 120);
    }

    private static bool HasAllMerged(MirrorBench bench) =>
        bench.Files("first").Files.Keys.Where(name => name.Level > 0).All(bench.Files().Files.ContainsKey);

    private static bool IsSame(MirrorBench bench, LtxName name) =>
        File.ReadAllBytes(Path.Combine(bench.Folder["first"], name.ToString())).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(bench.Folder["mirror"], name.ToString())));

    private static void AssertIsAside(MirrorBench bench, ulong txid)
    {
        var aside = bench.Aside().Single();
        bench.AssertRestores(txid, Path.GetFileName(aside));
        StringAssert.Matches(bench.Status()!.Notice, new Regex($"It is kept at {Regex.Escape(aside)}, and a new backup was begun\\.$"));
    }

    private static void Cut(string file)
    {
        using var stream = File.OpenWrite(file);
        stream.SetLength(stream.Length - 50);
    }
}
