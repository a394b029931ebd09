using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>
/// The C library's process functions. <see cref="System.Diagnostics.Process"/> cannot start a child in its own process group;
/// in a shared group, Ctrl-C in a terminal would end Litestream before Datasette has written its last rows. It also installs
/// signal handlers in place of Python's.
/// </summary>
internal static partial class LibC
{
    /// <summary>Numbers that are the same on Linux and macOS.</summary>
    public const int SIGKILL = 9, SIGTERM = 15, EPERM = 1, ESRCH = 3, EINTR = 4;

    /// <summary>Flags of <c>posix_spawnattr_setflags</c>, the same on Linux (glibc and musl) and macOS.</summary>
    public const short SpawnSetProcessGroup = 0x02, SpawnSetSignalDefaults = 0x04, SpawnSetSignalMask = 0x08;

    /// <summary>
    /// An upper bound for the size of posix_spawn's opaque structures, sigset_t and siginfo_t (the largest in glibc has 336
    /// bytes).
    /// </summary>
    public const int OpaqueSize = 1024;

    private const int WaitForExit = 4, IdIsProcess = 1;

    /// <summary><c>waitid</c>'s flag to leave the child waitable, which differs between systems.</summary>
    private static readonly int LeaveWaitable = OperatingSystem.IsMacOS() ? 0x20 : 0x01000000;

    /// <summary>Waits until a child has ended, and leaves it waitable, so that its process id is not reused yet.</summary>
    /// <returns>False if it is not a child, or has already been reaped by other code in this process or by the kernel; see <see
    /// cref="ProcessExit.IsUnknown"/>.</returns>
    public static bool WaitUntilEnded(int processId)
    {
        Span<byte> information = stackalloc byte[OpaqueSize];
        while (waitid(IdIsProcess, processId, ref MemoryMarshal.GetReference(information), WaitForExit | LeaveWaitable) != 0)
        {
            // Python's signal handlers can interrupt any thread; the child has not ended then.
            if (Marshal.GetLastPInvokeError() != EINTR)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes all of a text to a descriptor, unless that fails.</summary>
    public static void WriteAll(int descriptor, byte[] text)
    {
        for (nint written = 0; written < text.Length;)
        {
            var count = write(descriptor, ref text[written], text.Length - written);
            if (count < 0 && Marshal.GetLastPInvokeError() != EINTR)
            {
                return;
            }

            written += nint.Max(count, 0);
        }
    }

    /// <summary>Puts the names in a folder on disk, as far as its file system has that.</summary>
    public static void FlushFolder(string folder)
    {
        var descriptor = open(folder, 0);
        if (descriptor >= 0)
        {
            _ = fsync(descriptor);
            _ = close(descriptor);
        }
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>The system's error code; 0 on success.</returns>
    public static int Kill(int processId, int signal) => kill(processId, signal) == 0 ? 0 : Marshal.GetLastPInvokeError();

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn(
        out int processId, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, byte* fileActions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_init(byte* fileActions);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_adddup2(byte* fileActions, int from, int to);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_destroy(byte* fileActions);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_setpgroup(byte* attributes, int group);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_setsigmask(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    public static unsafe partial int sigemptyset(byte* signals);

    [LibraryImport("libc")]
    public static unsafe partial int sigfillset(byte* signals);

    /// <summary>Ends this process immediately, without running its exit handlers.</summary>
    [LibraryImport("libc")]
    public static partial void _exit(int status);

    /// <summary>
    /// Gives a process group the lowest priority for the processor and, on Linux, for disks (ioprio_set(2), whose numbers for x86-64 and
    /// arm64 differ). Where that fails, it keeps what it has.
    /// </summary>
    public static void LowerPriorityOfGroup(int group)
    {
        const int ofGroup = 1, lowest = 19, ofGroupForDisks = 2, idle = 3 << 13;
        _ = setpriority(ofGroup, group, lowest);
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64)
        {
            _ = syscall(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 251 : 30, ofGroupForDisks, group, idle);
        }
    }

    [LibraryImport("libc")]
    private static partial int setpriority(int which, int who, int priority);

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint first, nint second, nint third);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int kill(int processId, int signal);

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    public static partial int waitpid(int processId, out int status, int options);

    /// <summary>Whether this process's user may write to a file, or into a folder.</summary>
    public static bool MayWrite(string path)
    {
        const int write = 2;
        return access(path, write) == 0;
    }

    /// <summary>Whether a descriptor is a terminal.</summary>
    public static bool IsTerminal(int descriptor) => isatty(descriptor) == 1;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc")]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial int isatty(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, ref byte bytes, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int idType, int id, ref byte information, int options);
}
