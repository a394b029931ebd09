using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Datasette.Litestream.Processes;

/// <summary>
/// A descriptor that refers to a process. Unlike a process id, it is never reused for another process. Linux 5.3 and later
/// (https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
/// </summary>
internal sealed partial class PidFileDescriptor : SafeHandleMinusOneIsInvalid
{
    // The same on every architecture (https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html).
    private const int OpenCall = 434, SendSignalCall = 424;

    private PidFileDescriptor(nint descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>Opens the process that has an id now; null if there is none, or the system has no such descriptors.</summary>
    public static PidFileDescriptor? Of(int processId)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var descriptor = syscall(OpenCall, processId, 0, 0, 0);
        return descriptor < 0 ? null : new PidFileDescriptor(descriptor);
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>The system's error code; 0 on success.</returns>
    public int Send(int signal)
    {
        var isHeld = false;
        try
        {
            DangerousAddRef(ref isHeld);
            return syscall(SendSignalCall, handle, signal, 0, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        finally
        {
            if (isHeld)
            {
                DangerousRelease();
            }
        }
    }

    protected override bool ReleaseHandle() => close((int)handle) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
