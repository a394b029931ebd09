using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>
/// The C library's process calls. <see cref="System.Diagnostics.Process"/> cannot put a child into a process group of its
/// own, without which Ctrl-C in a terminal ends Litestream before Datasette has written its last rows; and its use takes
/// over signal handlers that belong to Python.
/// </summary>
internal static partial class LibC
{
    /// <summary>Numbers that Linux and macOS share.</summary>
    public const int SIGKILL = 9, SIGTERM = 15, EPERM = 1, ESRCH = 3, EINTR = 4;

    /// <summary>Flags of <c>posix_spawnattr_setflags</c>, the same on Linux (glibc and musl) and macOS.</summary>
    public const short SpawnSetProcessGroup = 0x02, SpawnSetSignalDefaults = 0x04, SpawnSetSignalMask = 0x08;

    /// <summary>At least the size of posix_spawn's opaque structures and of sigset_t and siginfo_t everywhere (glibc's largest has 336).</summary>
    public const int OpaqueSize = 1024;

    private const int WaitForExit = 4, IdIsProcess = 1;

    /// <summary><c>waitid</c>'s flag to leave the child waitable: the numbers differ.</summary>
    private static readonly int LeaveWaitable = OperatingSystem.IsMacOS() ? 0x20 : 0x01000000;

    /// <summary>Waits until a child has ended, and leaves it waitable, so that its number is not given away yet.</summary>
    /// <returns>False where it is no child, or somebody else has reaped it: this process, or the kernel; see <see cref="ProcessExit.IsUnknown"/>.</returns>
    public static bool WaitUntilEnded(int processId)
    {
        Span<byte> information = stackalloc byte[OpaqueSize];
        while (waitid(IdIsProcess, processId, ref MemoryMarshal.GetReference(information), WaitForExit | LeaveWaitable) != 0)
        {
            // Python's signal handlers interrupt whatever thread they happen to run on, and that is no end.
            if (Marshal.GetLastPInvokeError() != EINTR)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>An error of the system; 0 for none.</returns>
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

    /// <summary>Ends this process at once, without its exit handlers.</summary>
    [LibraryImport("libc")]
    public static partial void _exit(int status);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int kill(int processId, int signal);

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc")]
    public static partial nint write(int descriptor, byte[] bytes, nint count);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int waitpid(int processId, out int status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int idType, int id, ref byte information, int options);
}
