using System.Diagnostics;
using System.Text.Json;
using Datasette.Litestream.Status;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Status;

[TestClass]
[DoNotParallelize]
public sealed class ThousandDatabasesSpecs
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public async Task A_thousand_databases_take_little_time()
    {
        using var site = new Site { Databases = [.. Enumerable.Range(0, 1000).Select(i => $"db{i}")] };
        foreach (var name in site.Databases)
        {
            site.Folder.Write($"{name}.db", "");
        }

        var clock = new TestClock();
        var replicator = await site.StartReplicatorAsync(clock).InTimeAsync();
        var reporter = new StatusReporter(replicator, clock);
        try
        {
            // Until every transaction id is known, and what is made once is made.
            await PassLooksAsync(15);
            const int looks = 10;
            var before = Environment.CpuUsage.TotalTime;
            await PassLooksAsync(looks);
            var share = (Environment.CpuUsage.TotalTime - before) / (looks * TimeSpan.FromSeconds(2));

            var quickest = TimeSpan.MaxValue;
            var bytes = 0;
            for (var i = 0; i < 30; i++)
            {
                var started = Stopwatch.GetTimestamp();
                bytes = JsonSerializer.SerializeToUtf8Bytes(await reporter.ReportAsync(new StatusQuery(Sort: "lag")), StatusJson.Default.StatusReport).Length;
                quickest = Stopwatch.GetElapsedTime(started) < quickest ? Stopwatch.GetElapsedTime(started) : quickest;
            }

            TestContext.WriteLine($"sampling 1,000: {share:P2} of a core; JSON of 50 of them: {quickest.TotalMilliseconds:0.00} ms, {bytes} bytes");
            Assert.IsLessThan(0.02, share);
            Assert.IsLessThan(10, quickest.TotalMilliseconds);
        }
        finally
        {
            reporter.Dispose();
            await clock.PassUntilAsync(replicator.StopAsync(TimeSpan.FromSeconds(10)));
        }

        async Task PassLooksAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await reporter.ReportHealthAsync().InTimeAsync();
                await clock.PassAsync(seconds: 2);
                await Eventually.HoldsAsync(() => reporter.UpdatedAt == clock.Now, "the next look");
            }
        }
    }
}
