using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The end of Datasette while what was written last cannot be replicated.</summary>
[TestClass]
[DoNotParallelize]
public sealed class EndSpecs
{
    public const string Announcement = "Press Ctrl-C again";
    private const string NotReplicated = "ERROR:    datasette-litestream: What was written to parks since ";

    [TestMethod]
    public Task With_a_frozen_server_it_ends_within_what_a_container_has_and_says_what_is_lost() => WithEachSignalAsync(async signal =>
    {
        await using var s3 = await S3Replication.StartAsync();
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        s3.Server.Freeze();
        await s3.Datasette.InsertAsync("parks", "lost");
        var took = await s3.Datasette.StopAsync(signal);
        Figures.Record("exit with a frozen S3 server", [took]);
        Assert.IsLessThan(TimeSpan.FromSeconds(10), took);
        StringAssert.Contains(s3.Datasette.Output, Announcement);
        StringAssert.Contains(s3.Datasette.Output, NotReplicated);
        Assert.IsEmpty(s3.Workspace.Litestreams);
    });

    [TestMethod]
    public Task A_second_signal_ends_it_at_once_and_it_still_says_what_is_lost() => WithEachSignalAsync(async signal =>
    {
        await using var s3 = await S3Replication.StartAsync(settings: Settings.Set("shutdown-timeout", "50"));
        await s3.Datasette.WaitForDatabaseAsync("replicating");
        s3.Server.Freeze();
        await s3.Datasette.InsertAsync("parks", "lost");
        s3.Datasette.Send(signal);
        await Wait.UntilAsync(() => s3.Datasette.Output.Contains(Announcement, StringComparison.Ordinal), "it says that it takes longer");
        var again = Stopwatch.GetTimestamp();
        s3.Datasette.Send(signal);
        await s3.Datasette.WaitForExitAsync();
        var took = Stopwatch.GetElapsedTime(again);
        Figures.Record("exit after a second signal", [took]);
        Assert.IsLessThan(TimeSpan.FromSeconds(5), took);
        StringAssert.Contains(s3.Datasette.Output, NotReplicated);
        Assert.IsEmpty(s3.Workspace.Litestreams);
    });

    [TestMethod]
    public async Task Where_all_is_well_nothing_is_said()
    {
        using var workspace = new Workspace();
        await using var datasette = await DatasetteProcess.ReplicateAsync(workspace, "parks");
        await datasette.InsertAsync("parks", "safe");
        await datasette.StopAsync();
        Assert.DoesNotContain("datasette-litestream:", datasette.Output);
        await workspace.AssertRestoredAsync("parks");
    }

    /// <summary>Both at once: they wait most of the time, for a server that does not answer.</summary>
    private static Task WithEachSignalAsync(Func<int, Task> end) => Task.WhenAll(end(Signals.SIGTERM), end(Signals.SIGINT));
}
