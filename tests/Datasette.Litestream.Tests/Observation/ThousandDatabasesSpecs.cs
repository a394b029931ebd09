using System.Text.Json;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Observation;

[TestClass]
public sealed class ThousandDatabasesSpecs
{
    [TestMethod]
    public async Task A_page_of_a_thousand_databases_is_small()
    {
        using var datasette = new TestDatasette { Databases = [.. Enumerable.Range(0, 1000).Select(i => $"db{i}")] };
        foreach (var name in datasette.Databases)
        {
            datasette.Folder.Write($"{name}.db", "");
        }

        var clock = new TestClock();
        var replicator = await datasette.StartReplicatorAsync(clock).InTimeAsync();
        var reporter = new StatusReporter(() => replicator.Snapshot, clock);
        try
        {
            await PassLooksAsync(2);
            var report = await reporter.ReportAsync(new StatusQuery(Sort: "lag"));
            Assert.AreEqual((1000, 50, 20), (report.Counts.Total, report.Databases.Count, report.Pages));
            Assert.IsLessThan(200_000, JsonSerializer.SerializeToUtf8Bytes(report, StatusJson.Default.StatusReport).Length);
        }
        finally
        {
            reporter.Dispose();
            await clock.PassUntilAsync(replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10))));
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
