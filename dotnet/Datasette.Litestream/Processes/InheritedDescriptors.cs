using System.Globalization;
using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>
/// Keeps this process's open files from its children. Python and .NET mark theirs to be closed on exec, but what this process
/// was itself started with, and what a library in it opens, mostly is not: a Litestream that is left over would keep a
/// service manager's lock, or somebody's listening socket, for good.
/// </summary>
internal static partial class InheritedDescriptors
{
    private const int FirstBeyondStandard = 3, GetDescriptorFlags = 1, CloseOnExec = 1;

    /// <summary>macOS: whatever the file actions do not name is closed (https://keith.github.io/xcode-man-pages/posix_spawnattr_setflags.3.html).</summary>
    public const short SpawnClosesAll = 0x4000;

    /// <summary>Has a child close all but its standard input, output and error; on macOS, <see cref="SpawnClosesAll"/> does.</summary>
    /// <returns>An error of the C library; 0 for none.</returns>
    public static unsafe int Close(byte* fileActions)
    {
        if (OperatingSystem.IsMacOS())
        {
            return 0;
        }

        // glibc 2.34 and later (https://man7.org/linux/man-pages/man3/posix_spawn.3.html), and no musl.
        if (NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), nameof(posix_spawn_file_actions_addclosefrom_np), out _))
        {
            return posix_spawn_file_actions_addclosefrom_np(fileActions, FirstBeyondStandard);
        }

        return Inheritable().Select(descriptor => posix_spawn_file_actions_addclose(fileActions, descriptor)).FirstOrDefault(error => error != 0);
    }

    /// <summary>
    /// Those that a child would inherit now. What another thread opens between this look and the start it gets all the same:
    /// where there is no better way, that gap is a matter of microseconds.
    /// </summary>
    public static IEnumerable<int> Inheritable() => Directory.GetFiles("/proc/self/fd")
        .Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))
        // One that is closed by now, such as that of the listing itself, has no flags but an error: -1.
        .Where(descriptor => descriptor >= FirstBeyondStandard && (fcntl(descriptor, GetDescriptorFlags) & CloseOnExec) == 0);

    [LibraryImport("libc")]
    private static unsafe partial int posix_spawn_file_actions_addclosefrom_np(byte* fileActions, int first);

    [LibraryImport("libc")]
    private static unsafe partial int posix_spawn_file_actions_addclose(byte* fileActions, int descriptor);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command);
}
