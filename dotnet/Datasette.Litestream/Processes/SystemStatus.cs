using System.Runtime.InteropServices;

namespace Datasette.Litestream.Processes;

/// <summary>The system calls behind <see cref="FileStatus"/>: .NET's own look has no device, inode or owner.</summary>
internal static partial class SystemStatus
{
    /// <summary>Numbers that are the same on Linux and macOS.</summary>
    public const int ENOENT = 2, ENOTDIR = 20;

    private const int CurrentFolder = -100, DoNotFollowLinks = 0x100;

    /// <summary>STATX_NLINK, STATX_UID, STATX_GID, STATX_MTIME, STATX_INO, STATX_SIZE and STATX_BTIME.</summary>
    private const int Wanted = 0x4 | 0x8 | 0x10 | 0x40 | 0x100 | 0x200 | Birth;

    private const int Birth = 0x800;

    private static readonly DateTimeOffset Earliest = DateTimeOffset.MinValue, Latest = DateTimeOffset.MaxValue;

    /// <summary>Looks at a path.</summary>
    /// <param name="path">The path as UTF-8, ended by a zero.</param>
    /// <param name="followLinks">Whether to follow symbolic links.</param>
    /// <param name="status">What was seen, if there was no error.</param>
    /// <returns>The system's error code; 0 on success.</returns>
    public static unsafe int Read(byte* path, bool followLinks, out FileStatus status)
    {
        int error;
        do
        {
            // One of Python's signal handlers may run on this thread while a network's file system answers.
            error = OperatingSystem.IsMacOS() ? ReadMac(path, followLinks, out status) : ReadLinux(path, followLinks, out status);
        }
        while (error == LibC.EINTR);
        return error;
    }

    private static unsafe int ReadLinux(byte* path, bool followLinks, out FileStatus status)
    {
        // statx(2) has the same structure on every architecture; musl before 1.2.5 exports no statx.
        var number = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 291 : 332;
        var seen = default(LinuxStatus);
        var result = syscall(number, CurrentFolder, path, followLinks ? 0 : DoNotFollowLinks, Wanted, &seen);
        status = new FileStatus(
            ((ulong)seen.DeviceMajor << 32) | seen.DeviceMinor,
            seen.Inode,
            seen.Links,
            (long)seen.Size,
            Time(seen.ModifiedSeconds, seen.ModifiedNanoseconds),
            seen.UserId)
        {
            GroupId = seen.GroupId,
            BornAt = (seen.Known & Birth) == 0 ? null : Time(seen.BornSeconds, seen.BornNanoseconds),
        };
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    private static unsafe int ReadMac(byte* path, bool followLinks, out FileStatus status)
    {
        // On x64, the names without this suffix are those of an older structure with inodes of 32 bits.
        var isX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        var seen = default(MacStatus);
        var result = (isX64, followLinks) switch
        {
            (true, true) => stat64(path, &seen),
            (true, false) => lstat64(path, &seen),
            (false, true) => stat(path, &seen),
            (false, false) => lstat(path, &seen),
        };
        status = new FileStatus(
            seen.Device, seen.Inode, seen.Links, seen.Size, Time(seen.ModifiedSeconds, seen.ModifiedNanoseconds), seen.UserId)
        {
            GroupId = seen.GroupId,
            BornAt = Time(seen.BornSeconds, seen.BornNanoseconds),
        };
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>A file may have any time, also one that .NET has no date for.</summary>
    private static DateTimeOffset Time(long seconds, long nanoseconds) =>
        seconds <= Earliest.ToUnixTimeSeconds() ? Earliest
        : seconds >= Latest.ToUnixTimeSeconds() ? Latest
        : DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanoseconds / TimeSpan.NanosecondsPerTick);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint syscall(nint number, nint folder, byte* path, nint flags, nint mask, LinuxStatus* status);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int stat(byte* path, MacStatus* status);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int lstat(byte* path, MacStatus* status);

    [LibraryImport("libc", EntryPoint = "stat$INODE64", SetLastError = true)]
    private static unsafe partial int stat64(byte* path, MacStatus* status);

    [LibraryImport("libc", EntryPoint = "lstat$INODE64", SetLastError = true)]
    private static unsafe partial int lstat64(byte* path, MacStatus* status);

    /// <summary>struct statx: https://man7.org/linux/man-pages/man2/statx.2.html.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct LinuxStatus
    {
        [FieldOffset(0)]
        public uint Known;

        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(20)]
        public uint UserId;

        [FieldOffset(24)]
        public uint GroupId;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(80)]
        public long BornSeconds;

        [FieldOffset(88)]
        public uint BornNanoseconds;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }

    /// <summary>
    /// struct stat with inodes of 64 bits, the same on x64 and arm64:
    /// https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/stat.2.html.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 144)]
    private struct MacStatus
    {
        [FieldOffset(0)]
        public uint Device;

        [FieldOffset(6)]
        public ushort Links;

        [FieldOffset(8)]
        public ulong Inode;

        [FieldOffset(16)]
        public uint UserId;

        [FieldOffset(20)]
        public uint GroupId;

        [FieldOffset(48)]
        public long ModifiedSeconds;

        [FieldOffset(56)]
        public long ModifiedNanoseconds;

        [FieldOffset(80)]
        public long BornSeconds;

        [FieldOffset(88)]
        public long BornNanoseconds;

        [FieldOffset(96)]
        public long Size;
    }
}
