using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Litestream;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Tests.Replication;

namespace Datasette.Litestream.Tests.Reporting;

[TestClass]
public sealed class StatusSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();
    private readonly TestClock _clock = new();
    private Replicator? _replicator;

    public void Dispose()
    {
        if (_replicator is not null)
        {
            _clock.PassUntilAsync(_replicator.StopAsync(new StopOrder(TimeSpan.FromSeconds(10)))).GetAwaiter().GetResult();
        }

        _datasette.Dispose();
    }

    [TestMethod]
    public async Task One_database_that_is_replicated_is_all_there_is_to_say()
    {
        var report = await ReportAsync();
        Assert.AreEqual(("running", true), (report.State, report.Healthy));
        StringAssert.Matches(report.Summary, new(@"^The database is replicated; (everything written is safe|what was written since \S+ UTC is not safe yet)\.$"));
        Assert.AreEqual(("replicating", 7UL, (string?)null), (Parks(report).State, Parks(report).Txid!.Value, Parks(report).Error));
        Assert.AreEqual(0, report.Litestream.UptimeSeconds);
        Assert.IsNull(report.Metrics);
    }

    [TestMethod]
    public async Task A_database_without_a_first_sync_is_starting()
    {
        _datasette.Words = "never-synced";
        var report = await ReportAsync();
        Assert.AreEqual("The database parks is being copied for the first time, since 0 s; nothing of it is safe yet.", report.Summary);
        Assert.AreEqual(("starting", (bool?)null), (Parks(report).State, report.Healthy));
    }

    [TestMethod]
    public async Task A_database_whose_sync_failed_shows_the_error()
    {
        _datasette.Words = "never-synced db-error=access-denied";
        var report = await ReportAsync();
        Assert.AreEqual(("failing", $"ERROR access-denied path={_datasette.Folder["parks.db"]}"), (Parks(report).State, Parks(report).Error));
    }

    [TestMethod]
    public async Task An_error_from_before_the_last_sync_is_history()
    {
        _datasette.Words = "db-error=access-denied";
        var report = await ReportAsync();
        Assert.AreEqual(("replicating", (string?)null), (Parks(report).State, Parks(report).Error));
    }

    [TestMethod]
    public async Task A_Litestream_without_a_control_socket_cannot_tell_of_syncs()
    {
        _datasette.Words = "version=0.3.13";
        var report = await ReportAsync();
        Assert.AreEqual(("unverified", (ulong?)null, (DateTimeOffset?)null), (Parks(report).State, Parks(report).Txid, Parks(report).LastSyncAt));
    }

    [TestMethod]
    public async Task A_control_socket_that_does_not_answer_holds_the_page_up_for_two_seconds()
    {
        _datasette.Words = "mute-after=0";
        await StartAsync();
        using var reporter = new StatusReporter(() => _replicator!.Snapshot, _clock);
        var reporting = reporter.ReportAsync(new StatusQuery());

        // The answer, the next sample, and the supervisor's heartbeat.
        await _clock.IsAwaitedAsync(TimeSpan.FromSeconds(2), by: 3);
        _clock.Advance(TimeSpan.FromSeconds(1.9));
        Assert.IsFalse(reporting.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        var report = await reporting.InTimeAsync();
        Assert.AreEqual(("running", "starting"), (report.State, Parks(report).State));
    }

    [TestMethod]
    public async Task While_Litestream_is_down_the_page_says_so_and_when_it_is_back()
    {
        await StartAsync();
        _ = LibC.kill(_replicator!.Snapshot.Daemon!.ProcessId!.Value, LibC.SIGKILL);
        await Eventually.HoldsAsync(() => _replicator.Snapshot.Daemon!.State == DaemonState.Waiting);
        var report = await ReportAsync();
        Assert.AreEqual("waiting", report.State);
        StringAssert.Matches(report.Summary, new(@"^Litestream has been down since .* UTC, and nothing is replicated; .*safe.*\. It is started again in 0\.[56] s\.$"));
        Assert.AreEqual((1, "Litestream ended by itself with signal 9."), (report.Litestream.Failures, report.Litestream.LastFailure));
        Assert.IsNull(report.Litestream.UptimeSeconds);
        Assert.AreEqual("stopped", Parks(report).State);
    }

    [TestMethod]
    public async Task Metrics_are_told_by_database_and_by_operation()
    {
        using var listener = await StartWithMetricsAsync();
        var answering = listener.AnswerAsync($$"""
            litestream_db_size{db="{{_datasette.Folder["parks.db"]}}"} 4096
            litestream_checkpoint_count{db="{{_datasette.Folder["parks.db"]}}",mode="PASSIVE"} 2
            litestream_checkpoint_count{db="{{_datasette.Folder["parks.db"]}}",mode="TRUNCATE"} 3
            litestream_db_size{db="/not/ours.db"} 1
            litestream_replica_operation_total{operation="PUT",replica_type="file"} 5
            litestream_replica_operation_total{operation="GET",replica_type="file"} 1
            litestream_replica_operation_bytes{operation="PUT",replica_type="file"} 512
            go_goroutines 12

            """);
        var metrics = (await ReportAsync()).Metrics!;
        await answering.InTimeAsync();
        Assert.IsNull(metrics.Error);
        CollectionAssert.AreEqual(new[] { "parks" }, metrics.Databases.Keys.ToArray());
        CollectionAssert.AreEquivalent(
            new Dictionary<string, double> { ["db_size"] = 4096, ["checkpoint_count"] = 5 }, metrics.Databases["parks"].ToDictionary());
        CollectionAssert.AreEqual(
            new[] { new OperationReport("file", "PUT", 5, 512), new OperationReport("file", "GET", 1, null) }, metrics.Operations.ToArray());
    }

    [TestMethod]
    public async Task Metrics_that_cannot_be_read_are_told_also_when_all_is_stopped()
    {
        using (await StartWithMetricsAsync())
        {
            // From here on no connection is accepted.
        }

        using var reporter = new StatusReporter(() => _replicator!.Snapshot, _clock);
        Assert.AreEqual("Litestream does not answer there.", (await reporter.ReportAsync(new StatusQuery()).InTimeAsync()).Metrics!.Error);
        reporter.Dispose();
        Assert.AreEqual("Litestream does not answer there.", (await reporter.ReportAsync(new StatusQuery()).InTimeAsync()).Metrics!.Error);
    }

    [TestMethod]
    public async Task No_report_has_a_secret()
    {
        string[] secrets = ["fake/secret+key", "fake-session-token"];
        _datasette.Settings["access-key-id"] = "AKIAFAKE";
        _datasette.Settings["secret-access-key"] = secrets[0];
        _datasette.Settings["session-token"] = secrets[1];
        _datasette.Words = $"never-synced db-error={secrets[0]}&{secrets[1]}";
        await StartAsync();
        using var reporter = new StatusReporter(() => _replicator!.Snapshot, _clock);
        var status = JsonSerializer.Serialize(await reporter.ReportAsync(new StatusQuery()).InTimeAsync(), StatusJson.Default.StatusReport);
        Assert.Contains("***\\u0026***", status);
        StringAssert.Contains((await reporter.ReportAsync(new StatusQuery()).InTimeAsync()).Text.Databases![0].Problem!.Words, "***&***");
        string[] reports =
        [
            status,
            JsonSerializer.Serialize((await reporter.ReportDatabaseAsync("parks", HistoryRange.Day).InTimeAsync())!, StatusJson.Default.DatabaseDetailReport),
            JsonSerializer.Serialize((await reporter.ReportDatabaseStateAsync("parks").InTimeAsync())!, StatusJson.Default.DatabaseStateReport),
            (await reporter.ReportHealthAsync().InTimeAsync()).Line,
            await reporter.WriteMetricsAsync().InTimeAsync(),
        ];
        foreach (var secret in secrets.SelectMany(secret => new[] { secret, JsonEncodedText.Encode(secret).Value, Uri.EscapeDataString(secret) }))
        {
            Assert.IsEmpty(reports.Where(report => report.Contains(secret, StringComparison.Ordinal)));
        }
    }

    [TestMethod]
    [DataRow(1, 1, "a")]
    [DataRow(2, 2, "c")]
    [DataRow(int.MaxValue, 2, "c")]
    [DataRow(-5, 1, "a")]
    public async Task A_page_out_of_range_is_the_nearest_that_is_not(int asked, int shown, string firstName)
    {
        _datasette.Databases = ["a", "b", "c"];
        await StartAsync();
        using var reporter = new StatusReporter(() => _replicator!.Snapshot, _clock);
        var report = await reporter.ReportAsync(new StatusQuery(Page: asked, Size: 2)).InTimeAsync();
        Assert.AreEqual((shown, 2, 3, firstName), (report.Page, report.Pages, report.Matching, report.Databases[0].Name));
        report = await reporter.ReportAsync(new StatusQuery("no such", Page: asked)).InTimeAsync();
        Assert.AreEqual((1, 1, 0, 3), (report.Page, report.Pages, report.Matching, report.Counts.Total));
        Assert.IsEmpty(report.Databases);
        Assert.IsNull(await reporter.ReportDatabaseAsync("no such", HistoryRange.Hour).InTimeAsync());
        Assert.IsNull(await reporter.ReportDatabaseStateAsync("no such").InTimeAsync());
    }

    private static DatabaseReport Parks(StatusReport report) => report.Databases.Single();

    private async Task StartAsync() => _replicator ??= await _datasette.StartReplicatorAsync(_clock).InTimeAsync();

    private async Task<StatusReport> ReportAsync()
    {
        await StartAsync();
        using var reporter = new StatusReporter(() => _replicator!.Snapshot, _clock);
        return await reporter.ReportAsync(new StatusQuery()).InTimeAsync();
    }

    /// <summary>Starts a server in place of Litestream's metrics.</summary>
    private async Task<TcpListener> StartWithMetricsAsync()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        listener.Stop();
        _datasette.Settings["metrics-addr"] = address.ToString();
        await StartAsync();
        listener = new TcpListener(address);
        listener.Start();
        return listener;
    }
}
