using System.ComponentModel;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Locking;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// The folder beside a file in which it is restored, on the same file system, so that it can be renamed: <c>.NAME-restoring</c>, for the
/// process's user alone. One restore at a time uses it, in a folder of its own there: a Litestream that outlived its parent must not
/// find the next one's. What was left by a process that was killed is deleted by the next one.
/// </summary>
internal sealed class StagingFolder : IDisposable
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root;
    private readonly FileLock _lock;

    private StagingFolder(string root, FileLock taken)
    {
        (_root, _lock) = (root, taken);
        foreach (var left in Directory.EnumerateDirectories(root))
        {
            Directory.Delete(left, recursive: true);
        }

        Path = Directory.CreateDirectory(System.IO.Path.Combine(root, Guid.NewGuid().ToString("n")), Private).FullName;
    }

    /// <summary>The folder, absolute, which is empty at first.</summary>
    public string Path { get; }

    /// <summary>Makes it.</summary>
    /// <param name="target">The file that is restored, absolute.</param>
    /// <exception cref="ReplicationException">It cannot be made, or another restore uses it.</exception>
    public static StagingFolder Create(string target)
    {
        var parent = System.IO.Path.GetDirectoryName(target)!;
        var root = System.IO.Path.Combine(parent, $".{System.IO.Path.GetFileName(target)}-restoring");
        var lockPath = System.IO.Path.Combine(root, "lock");
        try
        {
            while (true)
            {
                Directory.CreateDirectory(root, Private);
                var taken = FileLock.TryTake(lockPath)
                    ?? throw new ReplicationException($"Another process restores {target} just now. Wait for its end, or end it.");

                // Who ended meanwhile has removed the file that is locked.
                if (File.Exists(lockPath))
                {
                    return new StagingFolder(root, taken);
                }

                taken.Dispose();
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            throw new ReplicationException($"Nothing can be restored into {parent}: {ex.Message} Make it writable, or say another file with -o.", ex);
        }
    }

    /// <summary>Says that there is no room for a database; does nothing if there is, or if that is not known.</summary>
    /// <param name="bytes">Its size; null where that is not known.</param>
    /// <exception cref="ReplicationException">There is no room.</exception>
    public void RequireRoom(long? bytes)
    {
        if (bytes is { } needed && new DriveInfo(_root).AvailableFreeSpace is var free && free < needed)
        {
            throw new ReplicationException(
                $"The database has {needed:#,0} bytes, and {System.IO.Path.GetDirectoryName(_root)} has room for {free:#,0}. Free some, or say a file elsewhere with -o.");
        }
    }

    /// <summary>Deletes it, with what is in it.</summary>
    public void Dispose()
    {
        try
        {
            Directory.Delete(_root, recursive: true);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next restore deletes it.
        }

        _lock.Dispose();
    }
}
