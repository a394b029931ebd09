using System.Diagnostics;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Standby;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Standby;

/// <summary>What is told by a process that stands by, from what another one has left.</summary>
[TestClass]
public sealed class StandbyReporterSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task A_report_that_is_older_than_15_s_is_not_believed()
    {
        var reporter = Stand("parks");
        LeaveRecord("parks");
        await AssertHealthAsync(reporter, true, "starting: stands by; process 1 of another container replicates, and has not reported yet");

        LeaveReport(new HealthReport(true, true, "ok: 1 database; everything written is safe"), "parks");
        await AssertHealthAsync(reporter, true, "ok: 1 database; everything written is safe (stands by; process 1 of another container replicates)");
        Assert.IsTrue((await reporter.ReportAsync(new StatusQuery())).Healthy);

        _clock.Advance(TimeSpan.FromSeconds(16));
        var since = Wording.Clock(_clock.Now.AddSeconds(-16), _clock.Now);
        await AssertHealthAsync(reporter, false, $"bad: stands by; process 1 of another container replicates, and has not reported since {since}");
        var status = await reporter.ReportAsync(new StatusQuery());
        Assert.IsFalse(status.Healthy);
        Assert.AreEqual("unknown", status.Databases.Single().State);
        Assert.AreEqual("no_report", status.Databases.Single().Reason.Code);
        Assert.AreEqual(1, status.Counts.Unknown);

        LeaveReport(new HealthReport(true, false, "bad: 1 database is not safe"), "parks");
        await AssertHealthAsync(reporter, false, "bad: 1 database is not safe (stands by; process 1 of another container replicates)");
    }

    [TestMethod]
    public async Task A_database_of_which_a_report_tells_nothing_is_not_green()
    {
        var reporter = Stand("parks", "roads");
        LeaveRecord("parks", "roads");
        LeaveReport(new HealthReport(true, true, "ok"), "parks");
        _clock.Advance(TimeSpan.FromSeconds(16));
        LeaveReport(new HealthReport(true, true, "ok"), "parks");
        await AssertHealthAsync(reporter, true, "starting: stands by; process 1 of another container replicates, and has not reported yet");
        var roads = (await reporter.ReportAsync(new StatusQuery())).Databases.Single(database => database.Name == "roads");
        Assert.AreNotEqual("replicating", roads.State);
    }

    [TestMethod]
    public async Task Who_may_not_see_the_internal_database_sees_nothing_of_it()
    {
        var reporter = Stand("parks", "secrets");
        LeaveRecord("parks", "secrets");
        LeaveReport(
            new HealthReport(true, true, "ok"),
            "secrets.db is not safe.",
            [new LogReport(_clock.Now, "INFO", "replica sync", "db=secrets.db"), new LogReport(_clock.Now, "INFO", "replica sync", "db=parks.db")],
            "txid{database=\"parks\"} 7\ntxid{database=\"__INTERNAL__\"} 7\n",
            "parks",
            "secrets");

        // A Datasette that has none may stand by for one that does.
        foreach (var one in new[] { reporter, Stand("parks") })
        {
            var report = await one.ReportAsync(new StatusQuery(), mayManage: false);
            var told = System.Text.Json.JsonSerializer.Serialize(report, StatusJson.Default.StatusReport) + await one.WriteMetricsAsync(mayManage: false);
            Assert.DoesNotContain("secrets", told);
            Assert.DoesNotContain(DatabasePlan.InternalName, told);
            StringAssert.Contains(told, "db=parks.db");
            StringAssert.Contains(told, "txid{database=\"parks\"} 7");
            Assert.AreEqual("parks", report.Databases.Single().Name);
            Assert.AreEqual(1, report.Counts.Total);
            Assert.IsNull(await one.ReportDatabaseAsync(DatabasePlan.InternalName, HistoryRange.Hour, mayManage: false));
            Assert.IsNull(await one.ReportDatabaseStateAsync(DatabasePlan.InternalName));
        }

        var all = await reporter.ReportAsync(new StatusQuery());
        Assert.HasCount(2, all.Databases);
        StringAssert.Contains(all.Summary, "secrets.db is not safe.");
        Assert.HasCount(2, all.Log);
        Assert.HasCount(1, all.Deeds);
        Assert.IsNotNull(await reporter.ReportDatabaseAsync(DatabasePlan.InternalName, HistoryRange.Hour));
    }

    [TestMethod]
    public async Task The_drills_are_read_beside_the_databases()
    {
        string[] names = ["parks", "secrets"];
        LeaveRecord(names);
        foreach (var database in Plan(names).Databases)
        {
            // One that is too old was not when the next one was added.
            DrillLog.Add(database, database.Primary, new DrillResult(_clock.Now.AddDays(-90).AddMinutes(-30), DrillOutcome.Failed, "It is too old to count."));
            DrillLog.Add(database, database.Primary, new DrillResult(_clock.Now.AddHours(-1), DrillOutcome.Proven, "It is equal."));
        }

        var reporter = Stand(names);
        var all = await reporter.ReportDrillsAsync();
        Assert.HasCount(2, all);
        Assert.AreEqual("It is equal.", all[0].Replicas.Single().Drills.Single().Sentence);
        Assert.AreEqual("parks", (await reporter.ReportDrillsAsync(mayManage: false)).Single().Listing.Name);
    }

    [TestMethod]
    public async Task A_thousand_databases_are_reported_cheaply()
    {
        string[] names = [.. Enumerable.Range(0, 1000).Select(i => $"db{i:0000}")];
        var reporter = Stand(names);
        LeaveRecord(names[0]);
        LeaveReport(new HealthReport(true, true, "ok"), names);
        var (read, _) = Measure(() => reporter.ReportHealthAsync());
        var (again, _) = Measure(() => reporter.ReportHealthAsync());
        var (wrote, _) = Measure(() =>
        {
            LeaveReport(new HealthReport(true, true, "ok"), names);
            return Task.FromResult(0);
        });
        var size = new FileInfo(_folder[$".{names[0]}.db-litestream/datasette-litestream-report.json.gz"]).Length;
        Console.WriteLine($"written in {wrote.TotalMilliseconds:0} ms, read in {read.TotalMilliseconds:0} ms, then {again.TotalMilliseconds:0} ms; {size} bytes");
        Assert.IsLessThan(500_000L, size);
        await AssertHealthAsync(reporter, true, "ok (stands by; process 1 of another container replicates)");
        var page = await reporter.ReportAsync(new StatusQuery(Search: "db0", Sort: "name", Page: 2));
        Assert.AreEqual((1000, 2, 20, "db0050"), (page.Matching, page.Page, page.Pages, page.Databases[0].Name));
    }

    private static (TimeSpan Time, T Result) Measure<T>(Func<Task<T>> act)
    {
        var started = Stopwatch.GetTimestamp();
        var result = act().GetAwaiter().GetResult();
        return (Stopwatch.GetElapsedTime(started), result);
    }

    private static async Task AssertHealthAsync(StandbyReporter reporter, bool isHealthy, string line)
    {
        var health = await reporter.ReportHealthAsync();
        Assert.AreEqual((isHealthy, line), (health.Healthy, health.Line));
    }

    private StandbyReporter Stand(params string[] names)
    {
        var plan = Plan(names);
        return new StandbyReporter(() => plan.Databases, () => plan, () => [], _clock);
    }

    private ReplicationPlan Plan(params string[] names)
    {
        var plan = Plans.From(
            """{"all-replicate": "file:///backup/$DB_NAME"}""",
            databases: [.. names.Select(name => new AttachedDatabase(name, _folder[$"{name}.db"], IsMutable: true))]).Plan;
        return plan with { Databases = [.. plan.Databases.Select(database => database with { Name = NameOf(database.Name) })] };
    }

    private static string NameOf(string file) => file == "secrets" ? DatabasePlan.InternalName : file;

    private string FolderOf(string name) => Directory.CreateDirectory(_folder[$".{name}.db-litestream"]).FullName;

    /// <summary>Another container of this machine, which sees the same folder at another place.</summary>
    private void LeaveRecord(params string[] names)
    {
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        var first = FolderOf(names[0]);
        var record = new LockRecord(self with { ProcessId = 1, Namespace = "pid:[1]" }, null, "/tmp/datasette-litestream-1")
        {
            ReportFolder = $"/data/{Path.GetFileName(first)}",
            ReportFolderInode = FileStatus.Look(first).Status!.Value.Inode,
        };
        foreach (var name in names)
        {
            AtomicFile.Write(Path.Combine(FolderOf(name), "datasette-litestream.json"), record.ToJson());
        }
    }

    private void LeaveReport(HealthReport health, params string[] names) => LeaveReport(health, "Everything is safe.", [], "", names);

    private void LeaveReport(HealthReport health, string summary, IReadOnlyList<LogReport> log, string metrics, params string[] names)
    {
        var sparkline = new float?[60];
        Array.Fill(sparkline, 1.5f);
        ReportFile.Write(FolderOf(names[0]), new HolderReport(
            _clock.Now,
            "/data",
            health,
            health.Healthy,
            summary,
            null,
            _clock.Now,
            new LitestreamReport("0.5.17", "/usr/bin/litestream", "found", 2, _clock.Now, 1, 0, null, null, null, []),
            null,
            [
                .. names.Select(name => new DatabaseReport(
                    NameOf(name), $"/data/{name}.db", [$"/backup/{name}"], [], "replicating", _clock.Now, null, 7, 7, 0, _clock.Now, 4096, 8192, 100, 0,
                    new ReasonReport("all_replicated", $"Everything written to {name} is safe.", null, null, _clock.Now, _clock.Now, 7, 7, _clock.Now, null, null),
                    [],
                    new SparklineReport(sparkline, sparkline)) { IsInternal = NameOf(name) != name }),
            ],
            [$"{names[^1]}.db: a warning"],
            log,
            null,
            [new DeedReport(_clock.Now, "root", "sync", NameOf(names[^1]), null, "synced")],
            metrics));
    }
}
