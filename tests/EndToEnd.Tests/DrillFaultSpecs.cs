using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Each fault of a file that a restore of the newest state reads is found by the next drill. Another file is no fault of the backup, and no
/// drill looks for it.
/// </summary>
[TestClass]
public sealed class DrillFaultSpecs
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    [Timeout(20 * 60 * 1000)]
    public async Task Each_fault_of_a_file_that_a_restore_reads_is_found_by_the_next_drill(string line)
    {
        var (litestream, kinds) = line == "0.5" ? (RealParts.Litestream05, new[] { "9", "2", "1", "0" }) : (RealParts.Litestream03, ["snapshots", "wal"]);
        using var workspace = new Workspace();
        var cases = (
            from kind in kinds
            from fault in BackupFault.Others.Prepend(BackupFault.Flip)
            where Scale.IsFull || fault == BackupFault.Flip || (fault.Name == "missing" && kind == kinds[1])

            // There is only one snapshot.
            where !(fault.Name == "older" && kind == kinds[0])
            select (Database: $"{fault.Name}-{kind}", fault, kind)).ToList();

        // What was put back as it was some time ago lacks the newest.
        const string behind = "behind", healthy = "healthy";
        string[] names = [.. cases.Select(one => one.Database), behind, healthy];
        await ReplicateAsync(workspace, litestream, names, kinds);
        Verification.Settle(workspace, names);
        Verification.AssertOutcomes("proven", names, (await Verification.OfAsync(workspace, litestream, names)).Drills);

        foreach (var (database, fault, kind) in cases)
        {
            var (file, before) = Find(workspace, database, kind);
            fault.Make(file, before, Find(workspace, healthy, kind).File);
        }

        File.Delete(BackupChain.Of(workspace.Backup(behind))[^1]);
        var (exitCode, drills) = await Verification.OfAsync(workspace, litestream, names);
        Assert.AreEqual(1, exitCode);
        Verification.AssertOutcomes("failed", names.Except([healthy]), drills);
        Verification.AssertOutcomes("proven", [healthy], drills);
        Figures.Record($"faults of a file that a drill found, Litestream {line}: {names.Length - 1} of {names.Length - 1}");
    }

    /// <summary>Replicates new databases until a restore of each would read a file of each kind.</summary>
    private static async Task ReplicateAsync(Workspace workspace, string litestream, string[] names, string[] kinds)
    {
        // A snapshot is followed by some files that were merged twice, then by some that were merged once, then by some that were not yet.
        var settings = new JsonObject
        {
            ["snapshot"] = new JsonObject { ["interval"] = "24s" },
            ["levels"] = new JsonArray(new JsonObject { ["interval"] = "3s" }, new JsonObject { ["interval"] = "6s" }),
        };
        foreach (var name in names)
        {
            workspace.Create(name);
            Insert(name);
            Insert(name);
        }

        do
        {
            await using var running = await BareLitestream.StartAsync(workspace, litestream, names, settings);
            await Wait.UntilAsync(
                () =>
                {
                    foreach (var name in names)
                    {
                        Insert(name);
                    }

                    return Task.FromResult(HasAllKinds());
                },
                "there is a file of each kind",
                Patience,
                TimeSpan.FromSeconds(0.5));
            await running.StopAsync();
        }
        while (!HasAllKinds());

        // Such a row takes a page, so that no file is without effect since later ones have all of its pages.
        void Insert(string name)
        {
            using var database = workspace.Open($"{name}.db");
            database.Insert($"{name} {new string('x', 3000)}");
        }

        // The first snapshot is of the first transaction, and then whatever follows has all pages, too.
        bool HasAllKinds() => names.All(name => BackupChain.Of(workspace.Backup(name)) is { Count: > 3 } chain
            && kinds.All(chain.Select(BackupChain.KindOf).Contains)
            && !Path.GetFileName(chain[1]).StartsWith("0000000000000001-", StringComparison.Ordinal));
    }

    /// <summary>The last file of a kind that a restore reads, and the one that it reads before; of the first, itself.</summary>
    private static (string File, string Before) Find(Workspace workspace, string database, string kind)
    {
        var chain = BackupChain.Of(workspace.Backup(database)).ToList();
        var index = chain.FindLastIndex(file => BackupChain.KindOf(file) == kind);
        return (chain[index], chain[Math.Max(index - 1, 0)]);
    }
}
