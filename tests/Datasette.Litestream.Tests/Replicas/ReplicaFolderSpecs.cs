using System.Diagnostics;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replicas;

/// <summary>Looks at a folder to which the real Litestream replicates.</summary>
[TestClass]
public sealed class ReplicaFolderSpecs
{
    private static DateTimeOffset Now => DateTimeOffset.UtcNow;

    [TestMethod]
    public async Task A_replicated_database_is_whole_up_to_its_last_transaction()
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();

        // Litestream may have made its first snapshot by now.
        Assert.AreEqual(new ReplicaFinding(ReplicaCondition.Whole, txid), replication.Look().Look(Now, txid) with { Snapshot = 0 });
    }

    [TestMethod]
    public void A_folder_that_does_not_exist_has_no_backup()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual(ReplicaCondition.Missing, new ReplicaFolder(folder["backup"], LitestreamFolder.Of(folder["a.db"]), 10).Look(Now, 1).Condition);
    }

    [TestMethod]
    public async Task A_file_in_the_place_of_a_level_is_told_as_long_as_it_is_there()
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();
        var look = replication.Look();
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
        var level = Path.Combine(replication.Backup, "ltx", "5");
        File.WriteAllText(level, "");
        for (var i = 0; i < 10; i++)
        {
            Assert.AreEqual(new ReplicaFinding(ReplicaCondition.Damaged, 0, $"{level} is a file, and should be a folder"), look.Look(Now, txid));
        }

        File.Delete(level);
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
    }

    [TestMethod]
    public void A_folder_that_cannot_be_looked_at_is_told()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder["backup"], folder["backup"]);
        var finding = new ReplicaFolder(folder["backup"], LitestreamFolder.Of(folder["a.db"]), 10).Look(Now, 1);
        Assert.AreEqual(ReplicaCondition.Unreadable, finding.Condition);
        StringAssert.Contains(finding.Problem, "Too many levels of symbolic links");
    }

    /// <summary>
    /// Litestream merges, makes snapshots and deletes all the time. The rows come faster than it syncs, and the looks faster than
    /// in a Datasette, so that many of them meet it in the midst of something.
    /// </summary>
    [TestMethod]
    public async Task What_Litestream_does_is_no_fault()
    {
        using var replication = await RealReplication.StartAsync();
        using var writer = replication.WriteAllTheTime();
        ReplicaFolder[] looks = [replication.Look(), replication.Look(maxFiles: 3)];
        var started = Stopwatch.GetTimestamp();
        var count = 0;
        while (Stopwatch.GetElapsedTime(started) < LoadTime)
        {
            var txid = await replication.AskAsync();
            for (var i = 0; i < 20; i++)
            {
                foreach (var finding in looks.Append(replication.Look()).Select(look => look.Look(Now, txid)))
                {
                    count++;
                    Assert.AreEqual(ReplicaCondition.Whole, finding.Condition, $"look {count} at {Now:O}: {finding}\n{replication.Log}");
                    Assert.IsGreaterThanOrEqualTo(txid, finding.UpTo);
                }
            }
        }

        Console.WriteLine($"{count} looks, up to transaction {await replication.AskAsync()}.");
        StringAssert.Contains(replication.Log, "snapshot complete");
        StringAssert.Contains(replication.Log, "l0 retention enforced");
    }

    [TestMethod]
    public async Task What_is_deleted_is_missing()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var txid = await WholeAsync(replication, look);
        Directory.Delete(replication.Backup, recursive: true);
        Assert.AreEqual(ReplicaCondition.Missing, look.Look(Now, txid).Condition);
    }

    [TestMethod]
    public async Task Each_needed_file_that_is_deleted_or_changed_is_told_and_no_other()
    {
        using var replication = await RealReplication.StartAsync();
        using (replication.WriteAllTheTime())
        {
            await Eventually.HoldsAsync(() => Directory.Exists(Path.Combine(replication.Backup, "ltx", "2")) && Files(replication).Any(file => file.Contains("/9/", StringComparison.Ordinal)), "levels");
        }

        var txid = await replication.SyncAsync();
        replication.Stop();
        var check = await replication.Probe.CheckAsync(replication.Database, txid, listsAll: false, CancellationToken.None).InTimeAsync();
        Assert.AreEqual(ReplicaCondition.Whole, check.Finding.Condition, check.ToString());

        var chain = new HashSet<string>(Chain(replication));
        foreach (var file in Files(replication))
        {
            foreach (var (fault, words) in Faults)
            {
                var look = replication.Look();
                Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
                var content = await File.ReadAllBytesAsync(file);
                var time = File.GetLastWriteTimeUtc(file);
                fault(file);
                var finding = look.Look(Now, txid);
                var dryRun = await replication.Probe.CheckAsync(replication.Database, txid, listsAll: false, CancellationToken.None).InTimeAsync();
                var name = Path.GetRelativePath(replication.Backup, file);
                if (chain.Contains(file) && (words != "missing" || !dryRun.IsWhole))
                {
                    Assert.AreEqual(ReplicaCondition.Damaged, finding.Condition, $"{name} {words}: {finding}, {dryRun}");
                    StringAssert.Contains(finding.Problem, name);
                    StringAssert.Contains(finding.Problem, words);
                }
                else
                {
                    Assert.AreEqual(ReplicaCondition.Whole, finding.Condition, $"{name} {words}: {finding}");
                }

                File.Delete(file);
                await File.WriteAllBytesAsync(file, content);
                File.SetLastWriteTimeUtc(file, time);
            }
        }
    }

    [TestMethod]
    public async Task A_file_that_was_cut_before_the_first_look_is_told()
    {
        using var replication = await RealReplication.StartAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();
        var file = Chain(replication)[^1];
        Cut(file);
        var finding = replication.Look().Look(Now, txid);
        AssertIsDamaged(finding, "is not complete");
    }

    [TestMethod]
    public async Task A_file_that_was_changed_before_it_was_seen_is_told()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var (file, txid) = await NewFileAsync(replication, after: await WholeAsync(replication, look));
        ChangeInside(file);
        var finding = look.Look(Now, txid);
        AssertIsDamaged(finding, "was changed");
    }

    [TestMethod]
    public async Task A_merged_file_that_was_changed_before_it_was_seen_is_told_when_Litestream_must_be_done_with_it()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var (file, txid) = await NewMergedFileAsync(replication, after: await WholeAsync(replication, look));
        ChangeInside(file);
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition, "Litestream may be about to set its time");
        var finding = look.Look(Now.AddSeconds(3), txid);
        AssertIsDamaged(finding, "was changed");
    }

    [TestMethod]
    public async Task Another_machine_that_writes_there_is_told()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var txid = await WholeAsync(replication, look);
        replication.Stop();

        // The other one's file has the name that this one's next would have.
        var last = Path.Combine(replication.Backup, "ltx", "0", new LtxName(0, txid, txid).FileName);
        var next = new LtxName(0, txid + 1, txid + 1);
        WriteAs(next, from: last, to: Path.Combine(replication.Backup, next.ToString()));
        var finding = look.Look(Now, txid);
        Assert.AreEqual(ReplicaCondition.OtherWriter, finding.Condition);
        StringAssert.Contains(finding.Problem, next.ToString());

        // This one overwrites it, or the other one deletes it: what was there stays known.
        File.Delete(Path.Combine(replication.Backup, next.ToString()));
        Assert.AreEqual(ReplicaCondition.OtherWriter, look.Look(Now, txid).Condition);
    }

    [TestMethod]
    public async Task Two_machines_that_write_to_one_folder_find_each_other()
    {
        using var one = await RealReplication.StartAsync();
        using var other = await RealReplication.StartAsync($"file://{one.Backup}");
        var look = one.Look();
        var theOtherLook = new ReplicaFolder(one.Backup, LitestreamFolder.Of(other.Database), int.MaxValue);
        using (one.WriteAllTheTime())
        using (other.WriteAllTheTime())
        {
            await FindsOtherWriterAsync(look);
            await FindsOtherWriterAsync(theOtherLook);
        }

        static Task FindsOtherWriterAsync(ReplicaFolder look) =>
            Eventually.HoldsAsync(() => look.Look(Now, 1).Condition == ReplicaCondition.OtherWriter, "the other writer is found");
    }

    [TestMethod]
    public async Task What_was_there_before_this_machines_files_is_no_other_machines()
    {
        using var replication = await RealReplication.StartAsync();
        await replication.WriteAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();
        File.Delete(Path.Combine(LocalFiles.FolderOf(LitestreamFolder.Of(replication.Database)), new LtxName(0, txid, txid).FileName));
        await File.WriteAllTextAsync(Path.Combine(LocalFiles.FolderOf(LitestreamFolder.Of(replication.Database)), new LtxName(0, 1, 1).FileName), "");
        var look = replication.Look();
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
    }

    [TestMethod]
    public async Task Another_file_under_the_name_of_one_that_was_sent_is_told()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var (last, txid) = await NewFileAsync(replication, after: await WholeAsync(replication, look));
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
        WriteAs(new LtxName(0, txid, txid), from: last, to: last);
        Assert.AreEqual(ReplicaCondition.OtherWriter, look.Look(Now, txid).Condition);
        Assert.AreEqual(ReplicaCondition.OtherWriter, replication.Look().Look(Now, txid).Condition, "by one that looks for the first time");
    }

    [TestMethod]
    public async Task A_file_that_is_being_written_shows_how_much_was_copied()
    {
        using var replication = await RealReplication.StartAsync();
        var look = replication.Look();
        var txid = await WholeAsync(replication, look);
        Assert.IsNull(look.CopiedBytes);
        var file = Path.Combine(replication.Backup, "ltx", "0", new LtxName(0, txid + 1, txid + 1).FileName + ".tmp");
        await File.WriteAllTextAsync(file, "1234");
        look.Look(Now, txid);
        Assert.AreEqual(4L, look.CopiedBytes);
        await File.AppendAllTextAsync(file, "5678");
        look.Look(Now, txid);
        Assert.AreEqual(8L, look.CopiedBytes);
    }

    [TestMethod]
    public async Task A_look_at_a_folder_where_nothing_changed_costs_microseconds_and_no_garbage()
    {
        const int looks = 20_000;
        using var replication = await RealReplication.StartAsync();
        using (replication.WriteAllTheTime())
        {
            await Eventually.HoldsAsync(() => Files(replication).Any(file => file.Contains("/9/", StringComparison.Ordinal)), "a snapshot");
        }

        var txid = await replication.SyncAsync();
        replication.Stop();
        var look = replication.Look(maxFiles: 8);
        var later = Now.AddMinutes(1);
        look.Look(later, txid);
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var started = Environment.CpuUsage.TotalTime;
        for (var i = 0; i < looks; i++)
        {
            Assert.AreEqual(ReplicaCondition.Whole, look.Look(later, txid).Condition);
        }

        var each = (Environment.CpuUsage.TotalTime - started) / looks;
        var garbage = (GC.GetAllocatedBytesForCurrentThread() - bytes) / looks;
        Console.WriteLine($"{each.TotalMicroseconds:0.0} µs and {garbage} bytes a look; the chain has {Chain(replication).Count} of {Files(replication).Count} files.");
        Assert.IsLessThan(100, garbage);
        Assert.IsLessThan(200, each.TotalMicroseconds);
    }

    /// <summary>How long the looks go on while Litestream works.</summary>
    private static TimeSpan LoadTime =>
        TimeSpan.FromSeconds(double.Parse(Environment.GetEnvironmentVariable("LOOK_SECONDS") ?? "15", System.Globalization.CultureInfo.InvariantCulture));

    private static readonly (Action<string> Fault, string Words)[] Faults =
    [
        (File.Delete, "missing"),
        (Cut, "was changed"),
        (ChangeInside, "was changed"),
    ];

    private static async Task<ulong> WholeAsync(RealReplication replication, ReplicaFolder look)
    {
        var txid = await replication.SyncAsync();
        Assert.AreEqual(ReplicaCondition.Whole, look.Look(Now, txid).Condition);
        return txid;
    }

    /// <summary>Replicates a transaction, and stops Litestream. What it merged is deleted, so that a restore needs the file of the transaction.</summary>
    /// <returns>That file, and the transaction.</returns>
    private static async Task<(string File, ulong Txid)> NewFileAsync(RealReplication replication, ulong after)
    {
        await replication.WriteAsync();
        var txid = await replication.SyncAsync();
        replication.Stop();
        Files(replication).Where(file => NameOf(file) is { Level: > 0 } name && name.Max > after).ToList().ForEach(File.Delete);
        return (Files(replication).Single(file => NameOf(file) is { Level: 0 } name && name.Max == txid), txid);
    }

    /// <summary>Writes until a restore needs a merged file with later transactions, and stops Litestream.</summary>
    /// <returns>The file, and the last transaction.</returns>
    private static async Task<(string File, ulong Txid)> NewMergedFileAsync(RealReplication replication, ulong after)
    {
        string? file = null;
        var txid = after;
        await Eventually.HoldsAsync(async () =>
        {
            await replication.WriteAsync();
            txid = await replication.SyncAsync();
            file = Chain(replication).Find(one => NameOf(one) is { Level: > 0 } name && name.Max > after);
            return file is not null;
        });
        replication.Stop();
        return (file!, txid);
    }

    private static List<string> Files(RealReplication replication) =>
        [.. Directory.EnumerateFiles(replication.Backup, "*.ltx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>The files that a restore needs, by Litestream's own plan.</summary>
    private static List<string> Chain(RealReplication replication)
    {
        var plan = replication.Command.RunAsync(replication.Database, ["restore", "-dry-run", "-json"], null, CancellationToken.None).GetAwaiter().GetResult();
        Assert.IsNull(plan.Error);
        using var document = System.Text.Json.JsonDocument.Parse(plan.Output);
        return [.. LtxInventory.Parse(document.RootElement.GetProperty("files")).Files.Select(file => Path.Combine(replication.Backup, file.Name.ToString()))];
    }

    private static void AssertIsDamaged(ReplicaFinding finding, string words)
    {
        Assert.AreEqual(ReplicaCondition.Damaged, finding.Condition);
        StringAssert.Contains(finding.Problem, words);
    }

    private static LtxName NameOf(string file)
    {
        var level = int.Parse(Path.GetFileName(Path.GetDirectoryName(file)!), System.Globalization.CultureInfo.InvariantCulture);
        Assert.IsTrue(LtxName.TryParse(level, Path.GetFileName(file), out var name));
        return name;
    }

    private static void Cut(string file)
    {
        using var stream = File.OpenWrite(file);
        stream.SetLength(stream.Length - 100);
    }

    private static void ChangeInside(string file)
    {
        using var stream = File.OpenWrite(file);
        stream.Position = 150;
        stream.WriteByte(0xff);
    }

    /// <summary>Writes a file as Litestream does, with another content.</summary>
    private static void WriteAs(LtxName name, string from, string to)
    {
        var content = File.ReadAllBytes(from);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(16), name.Min);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(24), name.Max);
        content[^1] ^= 1;
        File.WriteAllBytes($"{to}.tmp", content);
        File.Move($"{to}.tmp", to, overwrite: true);
    }
}
