using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Datasette.Litestream.Processes.LibC;

namespace Datasette.Litestream.Locking;

/// <summary>
/// An exclusive lock of the operating system on a file: flock(2) (https://man7.org/linux/man-pages/man2/flock.2.html). .NET's
/// FileShare.None makes the same call, but an environment variable (DOTNET_SYSTEM_IO_DISABLEFILELOCKING) can turn it off, and
/// it ignores the error of a file system without locks.
/// </summary>
internal sealed partial class FileLock : IDisposable
{
    private const int LockExclusive = 2, LockNonBlocking = 4, Unlock = 8;

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, and creates the file if there is none.</summary>
    /// <returns>Null if another process holds it.</returns>
    /// <exception cref="IOException">The file cannot be created or opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be created or opened.</exception>
    /// <exception cref="Win32Exception">The file system does not support locks.</exception>
    public static FileLock? TryTake(string path)
    {
        SafeFileHandle file;
        try
        {
            // .NET opens every file with the close-on-exec flag.
            file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException ex) when (IsTaken(ex.HResult))
        {
            return null;
        }

        var error = Call(file, LockExclusive | LockNonBlocking);
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

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);
}
