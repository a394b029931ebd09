using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Datasette.Litestream.Processes.LibC;

namespace Datasette.Litestream.Locking;

/// <summary>
/// A lock of the operating system on a file: flock(2) (https://man7.org/linux/man-pages/man2/flock.2.html). .NET's FileShare makes
/// the same call, but an environment variable (DOTNET_SYSTEM_IO_DISABLEFILELOCKING) can turn it off, it ignores the error of a file
/// system without locks, and a lock that is taken is an exception: those that stand by try often.
/// </summary>
internal sealed partial class FileLock : IDisposable
{
    private const int LockShared = 1, LockExclusive = 2, LockNonBlocking = 4, Unlock = 8;
    private const int NoSuchFile = 2, AccessDenied = 13;

    /// <summary>O_RDWR | O_CLOEXEC; the latter differs between systems.</summary>
    private static readonly int ReadWrite = OperatingSystem.IsMacOS() ? 0x1000002 : 0x80002;

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, and creates the file if there is none.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isShared">Whether others may have it too, if theirs is shared.</param>
    /// <returns>Null if another process holds it.</returns>
    /// <exception cref="IOException">The file cannot be created or opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be created or opened.</exception>
    /// <exception cref="Win32Exception">The file system does not support locks.</exception>
    public static FileLock? TryTake(string path, bool isShared = false)
    {
        var file = TryOpen(path) ?? Create(path);
        if (file is null)
        {
            return null;
        }

        var error = Call(file, (isShared ? LockShared : LockExclusive) | LockNonBlocking);
        if (error == 0)
        {
            return new FileLock(file);
        }

        file.Dispose();
        return IsTaken(error) ? null : throw new Win32Exception(error, Marshal.GetPInvokeErrorMessage(error));
    }

    /// <summary>
    /// Releases the lock explicitly: a process that Python forked has the same open file, and would keep the lock if the file
    /// were only closed here.
    /// </summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
        {
            _ = Call(_file, Unlock);
            _file.Dispose();
        }
    }

    /// <returns>Null if there is no such file.</returns>
    private static SafeFileHandle? TryOpen(string path)
    {
        while (true)
        {
            var descriptor = open(path, ReadWrite);
            if (descriptor >= 0)
            {
                return new SafeFileHandle(descriptor, ownsHandle: true);
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case EINTR:
                    continue;
                case NoSuchFile:
                    return null;
                case AccessDenied:
                    throw new UnauthorizedAccessException($"Access to the path '{path}' is denied.");
                case var error:
                    throw new IOException($"{Marshal.GetPInvokeErrorMessage(error)}: '{path}'.");
            }
        }
    }

    /// <returns>Null if another process has created and locked it meanwhile.</returns>
    private static SafeFileHandle? Create(string path)
    {
        try
        {
            // .NET opens every file with the close-on-exec flag.
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (IOException ex) when (IsTaken(ex.HResult))
        {
            return null;
        }
    }

    // EWOULDBLOCK; 11 on Linux, 35 on macOS.
    private static bool IsTaken(int error) => error is 11 or 35;

    private static int Call(SafeFileHandle file, int operation)
    {
        while (flock(file, operation) != 0)
        {
            // One of Python's signal handlers may have run on this thread.
            if (Marshal.GetLastPInvokeError() is var error && error != EINTR)
            {
                return error;
            }
        }

        return 0;
    }

    // Without O_CREAT there is no third argument, which some systems pass in another way.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);
}
