using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Datasette.Litestream.Processes.LibC;

namespace Datasette.Litestream.Locking;

/// <summary>
/// An exclusive lock of the operating system on a file: flock(2) (https://man7.org/linux/man-pages/man2/flock.2.html). .NET's
/// own, FileShare.None, is the same call, but one that an environment variable (DOTNET_SYSTEM_IO_DISABLEFILELOCKING) turns off,
/// and whose failure on a file system without locks is passed over in silence.
/// </summary>
internal sealed partial class FileLock : IDisposable
{
    private const int LockExclusive = 2, LockNonBlocking = 4, Unlock = 8;

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, and makes the file where there is none.</summary>
    /// <returns>Null where somebody else has it.</returns>
    /// <exception cref="IOException">The file cannot be made or opened.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    /// <exception cref="Win32Exception">The file system does not lock.</exception>
    public static FileLock? TryTake(string path)
    {
        SafeFileHandle file;
        try
        {
            // .NET opens every file so that it is closed on exec.
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
    /// Gives it back. A copy of this process that Python forked has the same open file, and would keep the lock if that were
    /// only closed here.
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
            // A signal handler of Python's may run on this very thread.
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
