using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>Reads the owner of a file, for which .NET has no API.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100, DoNotFollowLinks = 0x100;
    private const int UserIdMask = 8;

    /// <summary>The user id of the owner of a file, folder or symbolic link; null if it cannot be read, as on macOS.</summary>
    public static unsafe uint? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        // statx(2) has the same structure on every architecture; glibc before 2.33 exports no lstat.
        var number = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 291 : 332;
        var information = default(Information);
        return syscall(number, CurrentFolder, path, DoNotFollowLinks, UserIdMask, &information) == 0 ? information.UserId : null;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial nint syscall(nint number, nint folder, string path, nint flags, nint mask, Information* information);

    /// <summary>struct statx: https://man7.org/linux/man-pages/man2/statx.2.html.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Information
    {
        [FieldOffset(20)]
        public uint UserId;
    }
}
