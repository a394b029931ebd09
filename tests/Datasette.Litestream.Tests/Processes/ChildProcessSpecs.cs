using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Tests.Processes;

[TestClass]
[DoNotParallelize]
public sealed class ChildProcessSpecs
{
    private const int SIGCHLD = 17, SIGWINCH = 28, RLIMIT_NOFILE = 7, SizeOfSignalAction = 256;

    private const byte SIG_IGN = 1;

    [TestMethod]
    [DataRow("exit 0", 0, null, "exit code 0")]
    [DataRow("exit 7", 7, null, "exit code 7")]
    [DataRow("exit 255", 255, null, "exit code 255")]
    [DataRow("kill -TERM $$", null, 15, "signal 15")]
    [DataRow("kill -KILL $$", null, 9, "signal 9")]
    public async Task Its_exit_code_or_signal_is_told(string script, int? code, int? signal, string words)
    {
        using var child = StartedChild.Shell(script);
        var exit = await child.EndsAsync();
        Assert.AreEqual(new ProcessExit(code, signal), exit);
        Assert.AreEqual(words, exit.ToString());
    }

    [TestMethod]
    public async Task It_and_what_it_has_started_can_have_the_lowest_priority()
    {
        using var child = StartedChild.Shell("sleep 60 & echo $!; wait");
        await Eventually.HoldsAsync(() => child.Output.EndsWith('\n'));
        child.Process.LowerPriority();
        foreach (var id in new[] { child.Process.Id, int.Parse(child.Output, CultureInfo.InvariantCulture) })
        {
            // The 19th value, behind the name, which is in parentheses (proc(5)).
            var values = (await File.ReadAllTextAsync($"/proc/{id}/stat")).Split(") ")[1].Split(' ');
            Assert.AreEqual("19", values[16]);
        }

        child.Process.SendToGroup(LibC.SIGKILL);
        await child.EndsAsync();
    }

    [TestMethod]
    public async Task Its_outputs_arrive_whole_and_apart()
    {
        using var child = StartedChild.Shell("seq 1 40000; seq 1 3 >&2");
        await child.EndsAsync();
        Assert.AreEqual(string.Concat(Enumerable.Range(1, 40000).Select(i => $"{i}\n")), child.Output);
        Assert.AreEqual("1\n2\n3\n", child.Errors);
    }

    [TestMethod]
    public async Task Input_larger_than_a_pipe_arrives_whole()
    {
        var input = string.Concat(Enumerable.Range(0, 1 << 20).Select(i => (char)('a' + (i % 26))));
        using var child = new StartedChild("/bin/cat", [], input: input);
        await child.EndsAsync();
        Assert.AreEqual(input, child.Output);
    }

    [TestMethod]
    public async Task A_child_that_does_not_read_its_input_ends_as_it_likes()
    {
        using var child = new StartedChild("/bin/sh", ["-c", "exit 3"], input: new string('x', 1 << 20));
        Assert.AreEqual(3, (await child.EndsAsync()).Code);
    }

    [TestMethod]
    public async Task Its_environment_is_the_one_given_and_nothing_else()
    {
        using var child = new StartedChild("/usr/bin/env", [], new Dictionary<string, string> { ["ONE"] = "1 é=2", ["EMPTY"] = "" });
        await child.EndsAsync();
        CollectionAssert.AreEquivalent(new[] { "ONE=1 é=2", "EMPTY=" }, child.Output.TrimEnd('\n').Split('\n'));
    }

    [TestMethod]
    public async Task Its_arguments_arrive_as_they_are()
    {
        using var child = new StartedChild("/usr/bin/printf", ["%s|", "a b", "", "$HOME", "é😀"]);
        await child.EndsAsync();
        Assert.AreEqual("a b||$HOME|é😀|", child.Output);
    }

    [TestMethod]
    public async Task It_leads_a_process_group_of_its_own()
    {
        using var child = StartedChild.Shell("cat /proc/$$/stat");
        await child.EndsAsync();
        Assert.AreEqual(child.Process.Id, int.Parse(child.Output[(child.Output.LastIndexOf(')') + 2)..].Split(' ')[2], CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public async Task No_signal_is_ignored_or_blocked_though_this_process_ignores_SIGPIPE()
    {
        const ulong sigpipe = 1 << 12, standard = (1UL << 31) - 1;
        Assert.AreEqual(sigpipe, Signals(File.ReadAllText("/proc/self/status"), "SigIgn") & sigpipe);
        using var child = new StartedChild("/bin/cat", ["/proc/self/status"]);
        await child.EndsAsync();
        Assert.AreEqual(0UL, Signals(child.Output, "SigIgn") & standard);
        Assert.AreEqual(0UL, Signals(child.Output, "SigBlk"));

        static ulong Signals(string status, string name) => ulong.Parse(
            status.Split('\n').Single(line => line.StartsWith(name, StringComparison.Ordinal)).Split('\t')[1], NumberStyles.HexNumber);
    }

    [TestMethod]
    public async Task Children_started_at_once_inherit_nothing_of_each_other()
    {
        var children = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => new StartedChild("/bin/ls", ["/proc/self/fd"]))));
        foreach (var child in children)
        {
            await child.EndsAsync();
            child.Dispose();
            AssertInheritsNothing(child);
        }
    }

    [TestMethod]
    public async Task It_inherits_nothing_that_this_process_left_open_for_children()
    {
        using var folder = new TemporaryFolder();
        using var file = File.OpenHandle(folder.Write("file", ""));
        var inheritable = dup(file);
        try
        {
            CollectionAssert.Contains(InheritedDescriptors.Inheritable().ToList(), inheritable);
            CollectionAssert.DoesNotContain(InheritedDescriptors.Inheritable().ToList(), (int)file.DangerousGetHandle());
            using var child = new StartedChild("/bin/ls", ["/proc/self/fd"]);
            await child.EndsAsync();
            AssertInheritsNothing(child);
        }
        finally
        {
            _ = close(inheritable);
        }
    }

    [TestMethod]
    public async Task A_lock_of_this_process_does_not_stay_with_a_child_that_is_left_over()
    {
        const int exclusive = 2, exclusiveOrFail = 6;
        using var folder = new TemporaryFolder();
        var path = folder.Write("lock", "");
        int held;
        using (var file = File.OpenHandle(path))
        {
            held = dup(file);
        }

        Assert.AreEqual(0, flock(held, exclusive));
        using var child = StartedChild.Shell("echo runs; exec sleep 1000");
        await child.SaysAsync("runs");
        _ = close(held);
        using var next = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Assert.AreEqual(0, flock((int)next.DangerousGetHandle(), exclusiveOrFail), "another can take it");
    }

    [TestMethod]
    public async Task A_receiver_that_throws_ends_neither_this_process_nor_the_reading()
    {
        // More than the capacity of a pipe.
        const int bytes = 1 << 20;
        var read = 0;
        var process = ChildProcess.Start(
            "/bin/sh",
            ["-c", $"head -c {bytes} /dev/zero; exit 4"],
            new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! },
            default,
            piece =>
            {
                read += piece.Length;
                throw new InvalidOperationException("no room");
            },
            _ => { },
            endsWithOutput: true);
        Assert.AreEqual(4, (await process.Exited.InTimeAsync()).Code);
        Assert.AreEqual(bytes, read);
        Assert.AreEqual("no room", (await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => process.OutputEnded.InTimeAsync())).Message);
    }

    [TestMethod]
    public async Task Where_SIGCHLD_is_ignored_its_end_is_noticed_and_how_it_ended_is_not_known()
    {
        using var ignored = new IgnoredChildSignal();
        using var child = StartedChild.Shell("echo runs; exec sleep 1000");
        await child.SaysAsync("runs");
        Assert.IsFalse(child.Process.Exited.IsCompleted);
        Assert.AreEqual(0, child.Process.Send(LibC.SIGTERM));
        var exit = await child.EndsAsync();
        Assert.IsTrue(exit.IsUnknown);
        Assert.AreEqual("no exit code", exit.ToString());
        Assert.AreEqual(0, child.Process.Send(LibC.SIGKILL));
    }

    [TestMethod]
    public async Task Output_ends_with_its_child_whatever_other_children_run()
    {
        using var first = new StartedChild("/bin/cat", [], input: "first");
        using var other = StartedChild.Shell("echo runs; exec sleep 1000");
        await other.SaysAsync("runs");
        Assert.AreEqual(0, (await first.EndsAsync()).Code);
        Assert.IsFalse(other.Process.Exited.IsCompleted);
    }

    [TestMethod]
    public void A_missing_program_is_named()
    {
        var error = Assert.ThrowsExactly<Win32Exception>(() => new StartedChild("/nowhere/litestream", []));
        StringAssert.Contains(error.Message, "/nowhere/litestream: No such file");
    }

    [TestMethod]
    public void A_file_that_is_not_executable_is_refused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("litestream", "#!/bin/sh\n");
        StringAssert.Contains(Assert.ThrowsExactly<Win32Exception>(() => new StartedChild(path, [])).Message, "Permission denied");
    }

    [TestMethod]
    public void An_executable_text_without_a_shebang_is_refused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteScript("litestream", "");
        File.WriteAllText(path, "exit 0\n");
        StringAssert.Contains(Assert.ThrowsExactly<Win32Exception>(() => new StartedChild(path, [])).Message, "Exec format error");
    }

    [TestMethod]
    public async Task Without_a_file_descriptor_left_it_fails_as_any_start_does()
    {
        // The libraries that the first start loads need descriptors too.
        using (var first = StartedChild.Shell("exit 0"))
        {
            await first.EndsAsync();
        }

        Assert.AreEqual(0, getrlimit(RLIMIT_NOFILE, out var limit));
        var none = limit with { Soft = 3 };
        Win32Exception? error = null;
        Assert.AreEqual(0, setrlimit(RLIMIT_NOFILE, ref none));
        try
        {
            StartedChild.Shell("exit 0").Dispose();
        }
        catch (Win32Exception ex)
        {
            error = ex;
        }
        finally
        {
            _ = setrlimit(RLIMIT_NOFILE, ref limit);
        }

        Assert.IsNotNull(error);
        StringAssert.StartsWith(error.Message, "/bin/sh: ");
    }

    [TestMethod]
    public async Task A_signal_that_interrupts_the_waiting_thread_is_not_its_end()
    {
        // Python installs its handlers like this: without SA_RESTART.
        var interruptions = 0;
        using var handler = PosixSignalRegistration.Create((PosixSignal)SIGWINCH, _ => Interlocked.Increment(ref interruptions));
        _ = siginterrupt(SIGWINCH, 1);
        using var child = StartedChild.Shell("echo runs; exec sleep 1000");
        await child.SaysAsync("runs");
        int? waitingThread = null;
        await Eventually.HoldsAsync(() => (waitingThread = WaitingThread(child.Process.Id)) is not null);
        for (var i = 1; i <= 20; i++)
        {
            Assert.AreEqual(0, tgkill(Environment.ProcessId, waitingThread!.Value, SIGWINCH));
            var expected = i;
            await Eventually.HoldsAsync(() => Volatile.Read(ref interruptions) >= expected);
        }

        Assert.IsFalse(child.Process.Exited.IsCompleted);
        child.Process.Send(LibC.SIGKILL);
        Assert.AreEqual(new ProcessExit(null, 9), await child.EndsAsync());
    }

    [TestMethod]
    public async Task A_child_that_somebody_else_reaped_has_ended_with_no_exit_code()
    {
        // If a process ignores SIGCHLD, the kernel reaps its children.
        using var child = StartedChild.Shell("echo runs; exec sleep 1000");
        await child.SaysAsync("runs");
        var (ignored, before) = (new byte[SizeOfSignalAction], new byte[SizeOfSignalAction]);
        ignored[0] = SIG_IGN;
        Assert.AreEqual(0, sigaction(SIGCHLD, ignored, before));
        try
        {
            child.Process.Send(LibC.SIGKILL);
            Assert.AreEqual(new ProcessExit(null, null), await child.EndsAsync());
        }
        finally
        {
            Assert.AreEqual(0, sigaction(SIGCHLD, before, ignored));
        }
    }

    [TestMethod]
    public async Task Signals_after_its_end_go_nowhere()
    {
        using var child = StartedChild.Shell("exit 0");
        await child.EndsAsync();
        child.Process.Send(LibC.SIGKILL);
        child.Process.SendToGroup(LibC.SIGKILL);
        Assert.AreEqual(0, (await child.Process.Exited).Code);
    }

    [TestMethod]
    public async Task A_signal_to_its_group_reaches_descendants_that_outlive_it_and_hold_its_output()
    {
        using var child = StartedChild.Shell("sleep 1000 & echo $!; exit 5", endsWithOutput: true);
        await Eventually.HoldsAsync(() => child.Output.EndsWith('\n'));
        var heir = int.Parse(child.Output, CultureInfo.InvariantCulture);
        await Eventually.HoldsAsync(() => ProcessIdentity.Of(child.Process.Id) is null);
        Assert.IsNotNull(ProcessIdentity.Of(heir));
        Assert.IsFalse(child.Process.Exited.IsCompleted);
        child.Process.SendToGroup(LibC.SIGKILL);
        Assert.AreEqual(5, (await child.EndsAsync()).Code);
        await Eventually.HoldsAsync(() => ProcessIdentity.Of(heir) is null);
    }

    private static void AssertInheritsNothing(StartedChild child) =>
        // The fourth one is the folder that ls lists.
        CollectionAssert.AreEquivalent(new[] { "0", "1", "2", "3" }, child.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), child.Output);

    private static int? WaitingThread(int processId)
    {
        // The kernel keeps 15 characters of a thread's name.
        var name = $"wait for {processId}";
        name = name[..Math.Min(name.Length, 15)];
        return Directory.GetDirectories("/proc/self/task")
            .Where(task => Path.Exists(task) && File.ReadAllText($"{task}/comm").TrimEnd() == name)
            .Select(task => (int?)int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture))
            .SingleOrDefault();
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int siginterrupt(int signal, int interrupts);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int sigaction(int signal, byte[] action, byte[] before);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int tgkill(int processId, int threadId, int signal);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int dup(SafeHandle descriptor);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int close(int descriptor);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int flock(int descriptor, int operation);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int getrlimit(int resource, out Limit limit);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int setrlimit(int resource, ref Limit limit);

    private record struct Limit(ulong Soft, ulong Hard);
}
