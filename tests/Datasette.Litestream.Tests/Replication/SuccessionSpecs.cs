using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Processes;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Tests.Replication;

/// <summary>Several Datasettes that serve the same files: one replicates each, and the next takes over.</summary>
[TestClass]
public sealed class SuccessionSpecs : IDisposable
{
    private readonly TestDatasette _datasette = new();

    public void Dispose() => _datasette.Dispose();

    private static string Self => $"this process ({Environment.ProcessId}), for another Datasette in it, replicates";

    [TestMethod]
    public async Task A_second_one_stands_by_and_takes_over_when_the_first_has_stopped()
    {
        _datasette.Settings["log-level"] = "info";
        var (first, _) = _datasette.Start();
        var (second, told) = _datasette.StartAtOnce();
        StringAssert.Contains(told, $"This Datasette stands by; {Self} parks. It takes over when that one ends.");
        Assert.IsNull(second.Snapshot);
        Assert.HasCount(1, _datasette.Started);
        Assert.HasCount(1, _datasette.SocketFolders);

        // It shows what the first one sees.
        await Eventually.HoldsAsync(() => HealthOf(second).Body.EndsWith($"(stands by; {Self})\n", StringComparison.Ordinal));
        Assert.AreEqual(HealthOf(first).Status, HealthOf(second).Status);
        await Eventually.HoldsAsync(() => ((string?)TestDatasette.Status(second)["summary"])!.Contains("is being copied", StringComparison.Ordinal));
        var status = TestDatasette.Status(second);
        Assert.AreEqual("standby", (string?)status["state"]);
        StringAssert.StartsWith((string?)status["summary"], $"This Datasette stands by; {Self}. The database parks is being copied for the first time, ");
        Assert.AreEqual(_datasette.Started.Single(), (int?)status["litestream"]!["process_id"]);
        Assert.AreEqual("starting", (string?)status["databases"]![0]!["state"]);
        Assert.AreEqual(7, (int?)status["databases"]![0]!["txid"]);
        StringAssert.Contains(second.Page(), Self);
        StringAssert.Contains(second.Page("database=parks"), Self);
        StringAssert.Contains(second.DatabaseState("parks"), Self);
        var metrics = second.Answer("metrics", "");
        StringAssert.Contains(metrics, "datasette_litestream_standby_databases 1");
        StringAssert.Contains(metrics, "datasette_litestream_database_txid{database=\\u0022parks\\u0022} 7");
        Assert.AreEqual("null", second.DatabaseState("trees"));

        var before = _datasette.Started.Single();
        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => second.Snapshot?.Daemon?.State == DaemonState.Running);
        Assert.IsNull(ProcessIdentity.Of(before));
        Assert.AreEqual("running", (string?)TestDatasette.Status(second)["state"]);
        Assert.AreEqual(_datasette.Started[1], LockRecord.Read(_datasette.RecordPath())!.Litestream!.ProcessId);
        Assert.DoesNotContain("stands by", HealthOf(second).Body);
        TestDatasette.Stop(second);
        Assert.IsFalse(File.Exists(_datasette.RecordPath()));
    }

    /// <summary>Another machine would have to wait for half a minute.</summary>
    [TestMethod]
    public async Task Who_takes_over_need_not_be_told_by_the_destination_that_it_may_write()
    {
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        var writers = _datasette.Folder["replica/parks/.datasette-litestream-writers.json"];
        await Eventually.HoldsAsync(() => File.Exists(writers));
        File.Move(writers, $"{writers}.away");
        Directory.CreateDirectory(writers);
        var ended = Stopwatch.StartNew();
        TestDatasette.Stop(first);
        Directory.Delete(writers);
        File.Move($"{writers}.away", writers);
        await Eventually.HoldsAsync(() => second.Snapshot is { Daemon.State: DaemonState.Running, Forbidden.IsEmpty: true });
        Assert.IsLessThan(ClaimRules.Patience, ended.Elapsed);
    }

    [TestMethod]
    public async Task What_nobody_else_replicates_is_replicated_at_once()
    {
        var (first, _) = _datasette.Start();
        _datasette.Databases = ["alone", "parks"];
        var (second, _) = _datasette.Start();
        Assert.AreEqual("alone", second.Snapshot!.Plan.Databases.Single().Name);
        Assert.HasCount(2, _datasette.Processes.Running);
        var status = TestDatasette.Status(second);
        Assert.AreEqual("running", (string?)status["state"]);
        Assert.AreEqual("parks", (string?)status["skipped"]![0]!["name"]);
        StringAssert.StartsWith((string?)status["skipped"]![0]!["reason"], $"stands by; {Self}.");
        StringAssert.Contains(second.DatabaseState("parks"), Self);

        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => second.Snapshot is { Daemon.State: DaemonState.Running, Plan.Databases.Length: 2 });
        Assert.HasCount(1, _datasette.Processes.Running);
        Assert.IsEmpty(TestDatasette.Status(second)["skipped"]!.AsArray());
    }

    [TestMethod]
    public async Task Two_that_each_want_what_the_other_has_replicate_what_they_have()
    {
        _datasette.Databases = ["parks", "roads"];
        using (DatabaseLock.TryTake("parks", _datasette.Folder["parks.db"]))
        {
            var (other, _) = _datasette.Start();
            Assert.AreEqual("roads", other.Snapshot!.Plan.Databases.Single().Name);
            var (third, _) = _datasette.StartAtOnce();
            Assert.IsNull(third.Snapshot);
            TestDatasette.Stop(third);
        }

        await Eventually.HoldsAsync(() => _datasette.Processes.Running.Count == 1 && LockRecord.Read(_datasette.RecordPath()) is not null);
    }

    [TestMethod]
    public async Task Of_many_that_wait_one_gets_everything()
    {
        _datasette.Databases = ["alps", "parks", "roads"];
        var (first, _) = _datasette.Start();
        var waiting = Enumerable.Range(0, 4).Select(_ => _datasette.StartAtOnce().Bridge).ToList();
        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => waiting.Any(bridge => bridge.Snapshot?.Daemon?.State == DaemonState.Running));
        Assert.AreEqual(3, waiting.Single(bridge => bridge.Snapshot is not null).Snapshot!.Plan.Databases.Length);
        Assert.HasCount(1, _datasette.Processes.Running);
        Assert.HasCount(2, _datasette.Started);
    }

    [TestMethod]
    public async Task One_that_stops_while_it_stands_by_leaves_the_other_alone()
    {
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        TestDatasette.Stop(second);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => HealthOf(second)))).InTimeAsync();
        Assert.AreEqual("running", (string?)TestDatasette.Status(first)["state"]);
        Assert.HasCount(1, _datasette.Processes.Running);
    }

    [TestMethod]
    public async Task One_that_cannot_take_over_says_so_and_lets_go()
    {
        _datasette.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+2"}""");
        _datasette.Settings["credentials-file"] = _datasette.Folder["keys.json"];
        _datasette.Settings["credentials-refresh-interval"] = 3600;
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        File.Delete(_datasette.Folder["keys.json"]);
        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => TestDatasette.Status(second)["warnings"]!.AsArray().Any(warning => $"{warning}".StartsWith("This Datasette could not take over: ", StringComparison.Ordinal)));
        await Eventually.HoldsAsync(() =>
        {
            using var free = DatabaseLock.TryTake("parks", _datasette.Folder["parks.db"]);
            return free is not null;
        });
        _datasette.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+2"}""");
        await Eventually.HoldsAsync(() => second.Snapshot?.Daemon?.State == DaemonState.Running);
        Assert.IsEmpty(TestDatasette.Status(second)["warnings"]!.AsArray());
    }

    [TestMethod]
    public async Task What_is_attached_while_another_one_replicates_it_is_stood_by_for_too()
    {
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        _datasette.Databases = ["parks", "trees"];
        Serve(first);
        await Eventually.HoldsAsync(() => File.Exists(_datasette.RecordPath("trees")));
        Serve(second);
        await Eventually.HoldsAsync(() => TestDatasette.Status(second)["databases"]!.AsArray().Count == 2);
        Assert.IsNull(second.Snapshot);
        StringAssert.Contains(second.DatabaseState("trees"), Self);

        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => second.Snapshot is { Daemon.State: DaemonState.Running, Plan.Databases.Length: 2 });
        Assert.HasCount(1, _datasette.Processes.Running);
    }

    [TestMethod]
    public async Task What_is_attached_and_nobody_else_replicates_is_replicated_by_one_that_stands_by_for_the_rest()
    {
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        _datasette.Databases = ["parks", "trees"];
        Serve(second);
        await Eventually.HoldsAsync(() => second.Snapshot?.Daemon?.State == DaemonState.Running);
        Assert.AreEqual("trees", second.Snapshot!.Plan.Databases.Single().Name);
        Assert.AreEqual("parks", (string?)TestDatasette.Status(second)["skipped"]![0]!["name"]);

        // The first one finds it taken, and stands by for it.
        Serve(first);
        await Eventually.HoldsAsync(() => TestDatasette.Status(first)["skipped"]!.AsArray().Any(skipped => (string?)skipped!["name"] == "trees"));
        Assert.AreEqual("parks", first.Snapshot!.Plan.Databases.Single().Name);

        var kept = _datasette.Started[1];
        TestDatasette.Stop(first);
        await Eventually.HoldsAsync(() => second.Snapshot!.Plan.Databases.Length == 2 && second.Snapshot.Attaching.IsEmpty);
        Assert.AreEqual(kept, _datasette.Processes.Running.Single(), "its Litestream was told, and not restarted");
        Assert.IsEmpty(TestDatasette.Status(second)["skipped"]!.AsArray());

        // What is detached is let go of, and stood by for no more.
        _datasette.Databases = ["trees"];
        Serve(second);
        await Eventually.HoldsAsync(() => !File.Exists(_datasette.RecordPath()) && second.Snapshot!.Plan.Databases.Length == 1);
    }

    [TestMethod]
    public async Task Reports_move_when_the_database_beside_which_they_lay_is_detached()
    {
        _datasette.Databases = ["alps", "parks"];
        var (first, _) = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        await Eventually.HoldsAsync(() => HealthOf(second).Body.EndsWith($"(stands by; {Self})\n", StringComparison.Ordinal));
        _datasette.Databases = ["parks"];
        Serve(first);
        await Eventually.HoldsAsync(() => !File.Exists(_datasette.RecordPath("alps")));
        Assert.AreEqual(Path.GetDirectoryName(_datasette.RecordPath()), LockRecord.Read(_datasette.RecordPath())!.ReportFolder);
        await Eventually.HoldsAsync(() => File.Exists(Path.Combine(Path.GetDirectoryName(_datasette.RecordPath())!, "datasette-litestream-report.json.gz")));
    }

    [TestMethod]
    public void Who_stands_by_does_nothing_by_hand_and_says_who_can()
    {
        _ = _datasette.Start();
        var (second, _) = _datasette.StartAtOnce();
        foreach (var (action, body) in new[] { ("sync", """{"database": "parks"}"""), ("pause", """{"database": "parks"}"""), ("restart", "{}") })
        {
            var answer = JsonSerializer.Deserialize(second.Act("POST", action, "application/json", body, "root"), StatusJson.Default.MachineAnswer)!;
            Assert.AreEqual(409, answer.Status, answer.Body);
            Assert.AreEqual($"This Datasette stands by; {Self} parks. Ask that one.", answer.Message);
        }

        var download = JsonSerializer.Deserialize(second.Download("a", "POST", "database=parks", "root"), StatusJson.Default.MachineAnswer)!;
        Assert.AreEqual((409, $"This Datasette stands by; {Self} parks. Ask that one."), (download.Status, download.Message));
        Assert.IsFalse(second.HandOutDownload("a"));
        second.EndDownload("a");
        Assert.AreEqual(405, JsonSerializer.Deserialize(second.Download("b", "GET", "database=parks", "root"), StatusJson.Default.MachineAnswer)!.Status);
    }

    [TestMethod]
    public void One_beside_which_nothing_can_be_written_keeps_nobody_from_replicating_or_standing_by()
    {
        _datasette.Databases = ["parks", "trees"];
        File.WriteAllText(_datasette.Folder[".parks.db-litestream"], "a file where Litestream's folder belongs");
        var (first, _) = _datasette.Start();
        Assert.AreEqual("parks", first.Snapshot!.Unusable.Single().Key);
        var (second, _) = _datasette.StartAtOnce();
        Assert.AreEqual("parks", second.Snapshot!.Unusable.Single().Key);
        Assert.AreEqual("trees", (string?)TestDatasette.Status(second)["skipped"]![0]!["name"]);
        Assert.HasCount(1, _datasette.Started);
    }

    private void Serve(Bridge bridge) => bridge.Serve(JsonNode.Parse(_datasette.Request())!["databases"]!.ToJsonString());

    private static MachineAnswer HealthOf(Bridge bridge) => JsonSerializer.Deserialize(bridge.Answer("health", ""), StatusJson.Default.MachineAnswer)!;
}
