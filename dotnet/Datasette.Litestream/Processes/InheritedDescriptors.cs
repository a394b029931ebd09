using System.Globalization;
using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>
/// Keeps children from inheriting this process's open files. Python and .NET mark their files to be closed on exec, but files
/// that this process inherited, or that a native library opened, often are not. An orphaned Litestream would then keep a
/// service manager's lock or another program's listening socket.
/// </summary>
internal static partial class InheritedDescriptors
{
    private const int FirstBeyondStandard = 3, GetDescriptorFlags = 1, CloseOnExec = 1;

    /// <summary>
    /// On macOS: closes every file that the file actions do not name
    /// (https://keith.github.io/xcode-man-pages/posix_spawnattr_setflags.3.html).
    /// </summary>
    public const short SpawnClosesAll = 0x4000;

    /// <summary>
    /// Makes a child close all files except its standard input, output and error; on macOS, <see cref="SpawnClosesAll"/> does
    /// that.
    /// </summary>
    /// <returns>The C library's error code; 0 on success.</returns>
    public static unsafe int Close(byte* fileActions)
    {
        if (OperatingSystem.IsMacOS())
        {
            return 0;
        }

        // Only glibc 2.34 and later has this function, and musl does not
        // (https://man7.org/linux/man-pages/man3/posix_spawn.3.html).
        if (NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), nameof(posix_spawn_file_actions_addclosefrom_np), out _))
        {
            return posix_spawn_file_actions_addclosefrom_np(fileActions, FirstBeyondStandard);
        }

        return Inheritable().Select(descriptor => posix_spawn_file_actions_addclose(fileActions, descriptor)).FirstOrDefault(error => error != 0);
    }

    /// <summary>
    /// The files that a child would inherit now. A file that another thread opens between this call and the start is still
    /// inherited: on systems without a better way, that gap of microseconds remains.
    /// </summary>
    public static IEnumerable<int> Inheritable() => Directory.GetFiles("/proc/self/fd")
        .Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))
        // For a file that is closed by now, such as the listing's own, fcntl returns -1.
        .Where(descriptor => descriptor >= FirstBeyondStandard && (fcntl(descriptor, GetDescriptorFlags) & CloseOnExec) == 0);

    [LibraryImport("libc")]
    private static unsafe partial int posix_spawn_file_actions_addclosefrom_np(byte* fileActions, int first);

    [LibraryImport("libc")]
    private static unsafe partial int posix_spawn_file_actions_addclose(byte* fileActions, int descriptor);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command);
}
