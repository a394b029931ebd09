using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Several destinations of one database with Litestream 0.5, under a write load.</summary>
[TestClass]
public sealed class MirrorSpecs
{
    /// <summary>In full these take longer than other tests may, in milliseconds.</summary>
    private const int LongTime = 30 * 60_000;

    private static readonly string[] Combinations = ["first second", "first s3", "s3-first s3-second", "first second s3"];

    private static readonly TimeSpan EqualWithin = TimeSpan.FromSeconds(30);

    /// <summary>How long restores are made before and after each fault.</summary>
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(Scale.IsFull ? 60 : 2);

    [TestMethod]
    [DoNotParallelize]
    [Timeout(LongTime)]
    [DynamicData(nameof(Steady))]
    public async Task Each_restore_of_each_destination_is_the_database_of_the_last_seconds(string destinations)
    {
        await using var parks = new MirroredDatabase(destinations.Split(' '));
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.RestoreForAsync(TimeSpan.FromSeconds(Scale.IsFull ? 600 : 5));
        await parks.StopAsync();
        Record(destinations, parks);
        parks.AssertAllWell();
    }

    [TestMethod]
    [Timeout(2 * LongTime)]
    public async Task Every_destination_has_the_last_row_after_a_stop()
    {
        for (var i = 0; i < (Scale.IsFull ? 100 : 2); i++)
        {
            await using var parks = new MirroredDatabase(Combinations[i % Combinations.Length].Split(' '));
            await parks.StartAsync();
            await parks.AllCatchUpAsync();
            await parks.StopWritingAsync();
            await parks.StopAsync();
            await parks.AssertAllHaveEverythingAsync();
        }
    }

    [TestMethod]
    [DoNotParallelize]
    [Timeout(LongTime)]
    [DynamicData(nameof(Faulty))]
    public async Task After_each_fault_all_are_equal_again_soon(string destinations)
    {
        // What is deleted at a bucket is found by the check.
        await using var parks = new MirroredDatabase(destinations.Split(' ')) { Settings = new JsonObject { ["check-interval"] = "10s" } };
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.RestoreForAsync(Between);

        Assert.AreEqual(0, Signals.Send(parks.Workspace.Litestreams.Single(), Signals.SIGKILL));
        await EqualAgainAsync("Litestream was killed");

        await parks.StopAsync(Signals.SIGKILL);
        await parks.StartAsync();
        await EqualAgainAsync("Datasette was killed");

        foreach (var bucket in parks.Destinations.Where(MirroredDatabase.IsBucket))
        {
            parks.ProxyOf(bucket).Freeze();
            await parks.RestoreForAsync(TimeSpan.FromSeconds(Scale.IsFull ? 60 : 10), [.. parks.Destinations.Where(other => other != bucket)]);
            parks.ProxyOf(bucket).Forward();
            await EqualAgainAsync($"{bucket} was frozen");
        }

        foreach (var destination in parks.Destinations.Reverse())
        {
            await parks.DeleteAsync(destination);
            await EqualAgainAsync($"{destination} was deleted");
        }

        await parks.StopWritingAsync();
        await parks.StopAsync();
        Record(destinations, parks);
        await parks.AssertAllHaveEverythingAsync();
        parks.AssertAllWell();

        async Task EqualAgainAsync(string what)
        {
            Figures.Record($"{destinations}: {what}, until all are equal again", [await parks.AllCatchUpAsync(EqualWithin)]);
            await parks.RestoreForAsync(Between);
        }
    }

    /// <summary>With and without what is remembered beside the database, as in a new container.</summary>
    [TestMethod]
    [Timeout(LongTime)]
    [DynamicData(nameof(Changed))]
    public async Task A_first_destination_that_is_deleted_costs_no_moment(string names)
    {
        var (first, second, _) = Three(names);
        await using var parks = await ChangedDestinations.OfAsync(first, second);
        await parks.DeleteAsync(first);
        await parks.RunAsync("the first is deleted");
        await parks.DeleteAsync(first);
        parks.ForgetBesideDatabase();
        await parks.RunAsync("the first is deleted in a new container");

        if (!MirroredDatabase.IsBucket(first))
        {
            await parks.DeleteAsync(first);
            Directory.CreateDirectory(parks.Folder(first));
            await parks.RunAsync("the first is emptied");
        }

        await parks.EndAsync();
    }

    /// <summary>It knows nothing of what was before, from a Datasette with nothing beside its database.</summary>
    [TestMethod]
    [Timeout(LongTime)]
    [DynamicData(nameof(Changed))]
    public async Task A_first_destination_that_is_young_costs_no_moment(string names)
    {
        var (first, second, _) = Three(names);
        await using var parks = await ChangedDestinations.OfAsync(first, second);
        foreach (var isContainer in new[] { false, true })
        {
            await parks.DeleteAsync(first);
            parks.ForgetBesideDatabase();
            parks.Destinations = [first];
            await parks.StartAsync();
            await parks.AllCatchUpAsync();
            await parks.StopAsync();
            parks.Destinations = [first, second];
            if (isContainer)
            {
                parks.ForgetBesideDatabase();
            }

            await parks.RunAsync($"the first is young{(isContainer ? " in a new container" : "")}", mayMoveAside: true);
        }

        await parks.EndAsync();
    }

    [TestMethod]
    [Timeout(LongTime)]
    [DynamicData(nameof(Changed))]
    public async Task Destinations_that_are_added_removed_and_reordered_cost_no_moment(string names)
    {
        var (first, second, third) = Three(names);
        await using var parks = await ChangedDestinations.OfAsync(first, second);
        parks.Destinations = [second, first];
        await parks.RunAsync("the first is the second");
        parks.Destinations = [second, first, third];
        await parks.RunAsync("a third is added");
        parks.Destinations = [third, second, first];
        await parks.RunAsync("all have another order");
        parks.Destinations = [third, second];
        await parks.RunAsync("the last is removed");

        // It is behind, and this machine has no files for it.
        parks.ForgetBesideDatabase();
        parks.Destinations = [first, second, third];
        await parks.RunAsync("the removed one is the first again", mayMoveAside: true);
        parks.Destinations = [second];
        await parks.RunAsync("one is left");
        await parks.EndAsync();
    }

    /// <summary>Datasette's own memory, while a mirror is filled with a large file.</summary>
    [TestMethod]
    [Timeout(LongTime)]
    [DynamicData(nameof(Large))]
    public async Task The_size_of_a_database_needs_no_memory(string destinations)
    {
        await using var parks = new MirroredDatabase("first");
        await parks.StopWritingAsync();
        await parks.StartAsync();
        await parks.Datasette!.WaitForDatabaseAsync("replicating");
        var before = parks.Datasette!.PeakMemory;
        await parks.StopAsync();

        using (var database = parks.Workspace.Open("parks.db"))
        {
            WrittenDatabase.Fill(database, Scale.IsFull ? 2_000_000_000 : 100_000_000);
        }

        parks.Destinations = destinations.Split(' ');
        await parks.StartAsync();
        await parks.Datasette!.WaitForStatusAsync(status => (string?)status["databases"]?[0]?["state"] == "replicating", "all is replicated", TimeSpan.FromMinutes(15));
        var grown = parks.Datasette.PeakMemory - before;
        Figures.Record(string.Create(CultureInfo.InvariantCulture, $"{destinations}: peak memory of Datasette with a mirror and a large file over one destination and a small one: {grown / 1048576.0:0.0} MiB over {before / 1048576.0:0.0}"));
        Assert.IsLessThan(64 << 20, grown);
    }

    private static IEnumerable<object[]> Steady => Rows(Combinations, "first second s3", "s3-first s3-second");

    private static IEnumerable<object[]> Faulty => Rows(Combinations, "first s3");

    private static IEnumerable<object[]> Changed => Rows(["first second third", "s3-first s3-second s3-third"], "first second third");

    private static IEnumerable<object[]> Large => Rows(["first second", "first s3"], "first s3");

    private static (string First, string Second, string Third) Three(string names) => names.Split(' ') is [var first, var second, var third] ? (first, second, third) : default;

    private static IEnumerable<object[]> Rows(string[] full, params string[] otherwise) => (Scale.IsFull ? full : otherwise).Select(row => new object[] { row });

    private static void Record(string destinations, MirroredDatabase parks) => Figures.Record(
        string.Create(CultureInfo.InvariantCulture, $"{destinations}: {parks.Restores} restores, at most {parks.Oldest.TotalSeconds:0.0} s old"));
}
