using System.Runtime.InteropServices;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Stores;

/// <summary>
/// Who may read and write what is written to a folder: who may read and write the database and its folder, as with the files that
/// Litestream writes itself. Source: <c>CreateFile</c> and <c>MkdirAll</c> in internal/internal.go, v0.5.17.
/// </summary>
/// <param name="File">The mode of files; the process's umask takes from it.</param>
/// <param name="Folder">The mode of folders.</param>
/// <param name="FileOwner">The user and the group of files; null for those of the process.</param>
/// <param name="FolderOwner">The user and the group of folders.</param>
internal sealed partial record FileRights(UnixFileMode File, UnixFileMode Folder, (uint User, uint Group)? FileOwner, (uint User, uint Group)? FolderOwner)
{
    /// <summary>What only the process's own user may use.</summary>
    public static FileRights Private { get; } = new(
        UnixFileMode.UserRead | UnixFileMode.UserWrite, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, null, null);

    /// <summary>Those of a database.</summary>
    /// <param name="path">Its file, absolute; it is not opened. Without it the rights are <see cref="Private"/>.</param>
    public static FileRights OfDatabase(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        return FileStatus.Look(path).Status is { } file && FileStatus.Look(folder).Status is { } parent
            ? new FileRights(
                System.IO.File.GetUnixFileMode(path), System.IO.File.GetUnixFileMode(folder), (file.UserId, file.GroupId), (parent.UserId, parent.GroupId))
            : Private;
    }

    /// <summary>Gives a file or folder to its owner, where the process may do that.</summary>
    public static void Give(string path, (uint User, uint Group)? owner)
    {
        if (owner is { } to && FileStatus.Look(path).Status is { } status && (status.UserId, status.GroupId) != to)
        {
            _ = lchown(path, to.User, to.Group);
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);
}
