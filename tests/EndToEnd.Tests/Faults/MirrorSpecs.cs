using System.Globalization;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Several destinations of one database with Litestream 0.5, under a write load.</summary>
[TestClass]
[DoNotParallelize]
public sealed class MirrorSpecs
{
    /// <summary>How long restores are made in a test that is not about one fault.</summary>
    private static TimeSpan RestoreTime => TimeSpan.FromSeconds(Scale.IsFull ? 600 : 15);

    [TestMethod]
    public async Task Each_restore_of_each_destination_is_the_database_of_the_last_seconds()
    {
        await using var parks = new MirroredDatabase("first", "second", "third");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.RestoreForAsync(RestoreTime);
        await parks.StopAsync();
        parks.AssertAllWell();
        Figures.Record(string.Create(CultureInfo.InvariantCulture, $"mirrors: {parks.Restores} restores, at most {parks.Oldest.TotalSeconds:0.0} s old"));
    }

    [TestMethod]
    public async Task Every_destination_has_the_last_row_after_a_stop()
    {
        for (var i = 0; i < Scale.Of(20); i++)
        {
            await using var parks = new MirroredDatabase("first", "second");
            await parks.StartAsync();
            await parks.AllCatchUpAsync();
            await parks.StopWritingAsync();
            await parks.StopAsync();
            await parks.AssertAllHaveEverythingAsync();
        }
    }

    [TestMethod]
    public async Task A_Litestream_and_a_Datasette_that_are_killed_do_no_harm()
    {
        await using var parks = new MirroredDatabase("first", "second");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        Assert.AreEqual(0, Signals.Send(parks.Workspace.Litestreams.Single(), Signals.SIGKILL));
        await parks.AllCatchUpAsync();
        await parks.StopAsync(Signals.SIGKILL);
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.RestoreForAsync(TimeSpan.FromSeconds(5));
        parks.AssertAllWell();
        Assert.IsEmpty(Directory.GetDirectories(parks.Workspace.Folder, "*.replaced-*"));
    }

    [TestMethod]
    public async Task A_bucket_that_freezes_holds_up_no_folder_and_catches_up()
    {
        await using var parks = new MirroredDatabase("first", "second", "s3");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.RestoreForAsync(TimeSpan.FromSeconds(Scale.IsFull ? 600 : 4));
        parks.Proxy!.Freeze();
        await parks.RestoreForAsync(TimeSpan.FromSeconds(Scale.IsFull ? 60 : 10), "first", "second");
        parks.Proxy.Forward();
        Figures.Record("a bucket that was frozen is equal again", [await parks.AllCatchUpAsync(TimeSpan.FromSeconds(30))]);
        await parks.RestoreForAsync(TimeSpan.FromSeconds(4));
        await parks.StopWritingAsync();
        await parks.StopAsync();
        await parks.AssertAllHaveEverythingAsync();
        parks.AssertAllWell();
    }

    [TestMethod]
    public async Task A_mirror_that_is_deleted_is_equal_again_soon()
    {
        await using var parks = new MirroredDatabase("first", "second");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        Directory.Delete(parks.Folder("second"), recursive: true);
        var time = await parks.AllCatchUpAsync(TimeSpan.FromSeconds(30));
        Figures.Record($"a deleted mirror is equal again", [time]);
        await parks.RestoreForAsync(TimeSpan.FromSeconds(5));
        parks.AssertAllWell();
    }

    /// <summary>While Datasette is down, its destinations are changed; everything that could be restored still can.</summary>
    [TestMethod]
    public async Task A_first_destination_that_is_deleted_young_or_moved_to_second_place_costs_nothing()
    {
        await using var parks = new MirroredDatabase("first", "second");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.StopAsync();
        var before = await parks.RestoreAsync("second");

        // Deleted, with and without what Litestream remembers beside the database, as in a new container.
        foreach (var isContainer in new[] { false, true })
        {
            Directory.Delete(parks.Folder("first"), recursive: true);
            if (isContainer)
            {
                Directory.Delete(parks.Workspace.Path(".parks.db-litestream"), recursive: true);
            }

            await parks.StartAsync();
            await parks.AllCatchUpAsync();
            await parks.StopAsync();
            await AssertCanStillBeRestoredAsync(parks, before);
        }

        // Moved to second place; a third one is new.
        parks.Destinations = ["second", "first", "third"];
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.StopAsync();
        await AssertCanStillBeRestoredAsync(parks, before);

        // Taken away, and then there again as it was: it is behind, and this machine has no files for it.
        parks.Destinations = ["second", "third"];
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.StopAsync();
        Directory.Delete(parks.Workspace.Path(".parks.db-litestream"), recursive: true);
        parks.Destinations = ["first", "second", "third"];
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        await parks.StopWritingAsync();
        await parks.StopAsync();
        await parks.AssertAllHaveEverythingAsync();
        await AssertCanStillBeRestoredAsync(parks, before);
        parks.AssertAllWell();
    }

    [TestMethod]
    public async Task A_first_destination_that_is_deleted_or_replaced_while_it_runs_is_made_good_from_its_mirror()
    {
        await using var parks = new MirroredDatabase("first", "second");
        await parks.StartAsync();
        await parks.AllCatchUpAsync();
        var before = await parks.RestoreAsync("second");
        Directory.Delete(parks.Folder("first"), recursive: true);
        await parks.RestoreForAsync(TimeSpan.FromSeconds(1), "second");
        await parks.AllCatchUpAsync();
        await AssertCanStillBeRestoredAsync(parks, before);
        await parks.StopWritingAsync();
        await parks.StopAsync();
        await parks.AssertAllHaveEverythingAsync();
    }

    /// <summary>Asserts that what a destination had can be restored from it, up to the very transaction.</summary>
    private static async Task AssertCanStillBeRestoredAsync(MirroredDatabase parks, RestoredBackup before)
    {
        var restored = await parks.RestoreAsync("second");
        Assert.IsNull(restored.Damage);
        Assert.IsTrue(before.Rows.IsSubsetOf(restored.Rows));
        Assert.IsEmpty(Directory.GetDirectories(parks.Workspace.Folder, "second.replaced-*"));
    }
}
