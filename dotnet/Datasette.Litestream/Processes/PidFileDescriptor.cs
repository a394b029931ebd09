using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Datasette.Litestream.Processes;

/// <summary>
/// A process by a descriptor instead of its number, which is given away again as soon as the process is reaped: Linux 5.3 and
/// later (https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
/// </summary>
internal sealed partial class PidFileDescriptor : SafeHandleMinusOneIsInvalid
{
    // The same on every architecture (https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html).
    private const int OpenCall = 434, SendSignalCall = 424;

    private PidFileDescriptor(nint descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>The process that has a number now; null where there is none, or no such descriptors.</summary>
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
    /// <returns>An error of the system; 0 for none.</returns>
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
