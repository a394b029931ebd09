using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>Whose a file is, which .NET does not tell.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100, DoNotFollowLinks = 0x100;
    private const int UserIdMask = 8;

    /// <summary>The user that a file, folder or symbolic link belongs to; null where that cannot be told, as on macOS.</summary>
    public static unsafe uint? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        // statx(2), whose structure is the same everywhere; glibc before 2.33 has no lstat to call.
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
