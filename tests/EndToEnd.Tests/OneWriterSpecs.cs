namespace Datasette.Litestream.EndToEnd;

/// <summary>Two writers at one destination destroy a backup, so each database has only one.</summary>
[TestClass]
public sealed class OneWriterSpecs
{
    [TestMethod]
    public async Task A_second_Datasette_stands_by_though_dotnet_is_told_to_lock_no_files()
    {
        using var workspace = new Workspace();
        var environment = new Dictionary<string, string?> { ["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] = "1" };
        string[] arguments = [workspace.Create("parks"), .. Settings.ReplicateAll()];
        await using var first = await DatasetteProcess.StartAsync(workspace, arguments, environment);
        var litestream = await workspace.WaitForLitestreamAsync();
        await using var second = await DatasetteProcess.StartAsync(workspace, arguments, environment);
        var status = await second.StatusAsync();
        Assert.AreEqual("standby", (string?)status["state"]);
        StringAssert.Contains((string?)status["summary"], $"This Datasette stands by; process {first.Id} replicates.");
        Assert.AreEqual(litestream, workspace.Litestreams.Single());
    }

    [TestMethod]
    public async Task A_file_system_that_does_not_lock_is_refused()
    {
        using var workspace = new Workspace();
        var file = workspace.Create("parks");
        Directory.CreateDirectory(workspace.Path("plugins"));

        // The kernel itself answers every flock(2) of this process as it does on NFS without a lock manager: seccomp(2).
        workspace.Write(
            "plugins/no_locks.py",
            """
            import ctypes, errno, platform, struct

            PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
            flock = {"x86_64": 73, "aarch64": 32}[platform.machine()]
            instructions = b"".join(
                struct.pack("HBBI", *instruction)
                for instruction in [
                    (0x20, 0, 0, 0),  # the number of the call
                    (0x15, 0, 1, flock),
                    (0x06, 0, 0, 0x00050000 | errno.ENOLCK),
                    (0x06, 0, 0, 0x7FFF0000),
                ]
            )
            code = ctypes.create_string_buffer(instructions, len(instructions))
            program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)), 16)
            libc = ctypes.CDLL(None)
            assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            assert libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) == 0
            """);
        var (exitCode, output) = await DatasetteProcess.RunAsync(workspace, [file, "--plugins-dir", "plugins", .. Settings.ReplicateAll()]);
        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(
            output, $"parks: the file system of {workspace.Path(".parks.db-litestream")} does not lock files (No locks available), and nothing else keeps");
        Assert.IsEmpty(workspace.Litestreams);
    }

    [TestMethod]
    public async Task Two_Datasettes_with_different_files_are_both_fine()
    {
        using var workspace = new Workspace();
        string[] names = ["parks", "trees"];
        var both = await Task.WhenAll(names.Select(name => DatasetteProcess.ReplicateAsync(workspace, name)));
        await Task.WhenAll(both.Zip(names, (datasette, name) => datasette.InsertAsync(name, "through Datasette")));
        await Wait.UntilAsync(() => workspace.Litestreams.Count == 2, "each has its Litestream");
        await Task.WhenAll(both.Select(datasette => datasette.StopAsync()));
        foreach (var (datasette, name) in both.Zip(names))
        {
            await datasette.DisposeAsync();
            await workspace.AssertRestoredAsync(name);
        }
    }
}
