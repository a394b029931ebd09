using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>Two machines with one configuration, each with its own copy of a database: only one of them writes to the bucket.</summary>
[TestClass]
public sealed class TwoMachineSpecs
{
    [TestMethod]
    public Task A_deploy_to_a_new_machine_takes_over_and_the_old_file_takes_it_back_only_if_it_is_accepted() => RunAsync(async (a, startAsync) =>
    {
        await a.IsAsync("replicating");
        var taking = Stopwatch.StartNew();
        var b = await startAsync("b");
        await b.IsAsync("replicating");
        Console.WriteLine($"b took over after {taking.Elapsed.TotalSeconds:0.0} s.");
        Assert.IsLessThan(60, taking.Elapsed.TotalSeconds);

        var lost = await a.IsAsync("taken_over");
        StringAssert.Contains((string)lost["error"]!, $"host b (process {b.Datasette.Id}) took over");
        StringAssert.Contains(await a.Datasette.Http.GetStringAsync("/-/litestream-status"), "host b");
        using (var health = await a.Datasette.Http.GetAsync("/-/litestream/health"))
        {
            Assert.AreEqual(503, (int)health.StatusCode);
        }

        await AssertLastRowsAsync(b);
        Assert.IsFalse(a.IsWriting, "who was replaced does not take over again by itself");

        // Its file is older than the backup by now, so the other one is not even asked to let go.
        await a.RestartAsync();
        await a.IsAsync("file_older");
        await b.IsAsync("replicating");
        await AssertLastRowsAsync(b);

        await a.AcceptAsync();
        await a.IsAsync("replicating");
        await b.IsAsync("taken_over");
        await AssertLastRowsAsync(a);
    });

    [TestMethod]
    public Task A_machine_that_lost_its_power_is_replaced_within_a_minute() => RunAsync(async (a, startAsync) =>
    {
        await a.IsAsync("replicating");
        await a.LosePowerAsync();
        var taking = Stopwatch.StartNew();
        var b = await startAsync("b");
        var waiting = await b.IsAsync("waiting_for_writer");
        StringAssert.Contains((string)waiting["error"]!, "host a");
        await b.IsAsync("replicating");
        Console.WriteLine($"b took over after {taking.Elapsed.TotalSeconds:0.0} s.");
        Assert.IsLessThan(60, taking.Elapsed.TotalSeconds);
        StringAssert.Contains(b.Datasette.Output, "in place of host a");
        StringAssert.Contains(b.Datasette.Output, "which has not answered for 30 s");

        // What the other one sent last may come later than anything else. That takes minutes.
        if (Scale.IsFull)
        {
            await b.ReceiveLateFileAsync();
            await b.IsAsync("failing");
            await b.IsAsync("replicating");
        }

        await AssertLastRowsAsync(b);
    });

    [TestMethod]
    public Task A_machine_that_lost_its_network_stops_before_it_can_be_replaced() => RunAsync(async (a, startAsync) =>
    {
        await a.IsAsync("replicating");
        a.Network.Freeze();
        var cutOff = Stopwatch.StartNew();
        var starting = startAsync("b");
        await Wait.UntilAsync(() => !a.IsWriting, "a stops");
        Console.WriteLine($"a stopped after {cutOff.Elapsed.TotalSeconds:0.0} s.");
        Assert.IsLessThan(30, cutOff.Elapsed.TotalSeconds);
        await a.IsAsync("writer_unknown");
        var b = await starting;
        await b.IsAsync("replicating");
        Console.WriteLine($"b took over after {cutOff.Elapsed.TotalSeconds:0.0} s.");

        a.Network.Forward();
        await a.IsAsync("taken_over");
        if (!Scale.IsFull)
        {
            await AssertLastRowsAsync(b);
            Assert.IsFalse(a.IsWriting);
            return;
        }

        // Then the other one loses it, and nobody comes; and once more, and the first one, whose file is accepted, is started again.
        b.Network.Freeze();
        await Wait.UntilAsync(() => !b.IsWriting, "b stops");
        await b.IsAsync("writer_unknown");
        b.Network.Forward();
        await b.IsAsync("replicating");
        Assert.IsFalse(a.IsWriting);
        b.Network.Freeze();
        await a.RestartAsync();
        await a.AcceptAsync();
        await a.IsAsync("replicating");
        b.Network.Forward();
        await b.IsAsync("taken_over");
        await AssertLastRowsAsync(a);
        Assert.IsFalse(b.IsWriting);
    });

    /// <summary>Ends one, whose rows must all be in the restore then.</summary>
    private static async Task AssertLastRowsAsync(OtherMachine machine)
    {
        await machine.Database.StopAsync();
        var until = DateTimeOffset.UtcNow;
        await machine.IsAsync("replicating");
        await Wait.UntilAsync(
            async () => await machine.RestoreAsync() is { Damage: null } restored && machine.Database.MissingFrom(restored.Rows, until, until).Count == 0,
            $"every row of {machine.Host} is in the restore");
    }

    private static async Task RunAsync(Func<OtherMachine, Func<string, Task<OtherMachine>>, Task> scenario, [CallerMemberName] string name = "")
    {
        _ = RealParts.Find("unshare") ?? throw Skip.Because("there is no unshare on PATH");
        using var server = await S3Server.StartAsync();
        var key = await server.CreateKeyAsync();
        using var workspace = new Workspace();
        var log = new TwoMachineLog(server, workspace.Path("copies"));
        var machines = new List<OtherMachine>();
        using var watching = new CancellationTokenSource();
        var watch = Task.Run(() => CountBothAsync(machines, watching.Token));
        var logging = Task.Run(() => log.RunAsync(watching.Token));
        try
        {
            await scenario(await StartAsync("a"), StartAsync);
            await watching.CancelAsync();
            Assert.AreEqual(0, await watch, "times that both wrote");
            await logging;
            await log.AssertSafeRowsAreKeptAsync(key);
        }
        finally
        {
            await watching.CancelAsync();
            await logging;
            log.Record(name);
            foreach (var machine in machines)
            {
                await machine.DisposeAsync();
            }
        }

        async Task<OtherMachine> StartAsync(string host)
        {
            var machine = await OtherMachine.StartAsync(host, server, key);
            lock (machines)
            {
                machines.Add(machine);
            }

            log.Add(machine);

            return machine;
        }
    }

    /// <summary>Counts how often more than one machine was seen to write.</summary>
    private static async Task<int> CountBothAsync(List<OtherMachine> machines, CancellationToken cancellationToken)
    {
        var count = 0;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                lock (machines)
                {
                    count += machines.Count(machine => machine.IsWriting) > 1 ? 1 : 0;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The scenario is over.
        }

        return count;
    }
}
