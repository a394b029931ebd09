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
    private const string Suffix = "-restoring";

    private const int MaxDeletions = 5;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root;
    private readonly FileLock _lock;
    private readonly string _otherwise;

    private StagingFolder(string root, FileLock taken, string otherwise)
    {
        (_root, _lock, _otherwise) = (root, taken, otherwise);
        foreach (var left in Directory.EnumerateDirectories(root))
        {
            Delete(left);
        }

        Path = Directory.CreateDirectory(System.IO.Path.Combine(root, Guid.NewGuid().ToString("n")), Private).FullName;
    }

    /// <summary>The folder, absolute, which is empty at first.</summary>
    public string Path { get; }

    /// <summary>Makes it.</summary>
    /// <param name="target">The file that is restored, absolute.</param>
    /// <param name="otherwise">What can be done where nothing can be restored there, for messages.</param>
    /// <exception cref="StagingTakenException">Another restore uses it.</exception>
    /// <exception cref="ReplicationException">It cannot be made.</exception>
    public static StagingFolder Create(string target, string otherwise = "say another file with -o")
    {
        var parent = System.IO.Path.GetDirectoryName(target)!;
        var root = RootOf(target);
        var lockPath = System.IO.Path.Combine(root, "lock");
        try
        {
            while (true)
            {
                Directory.CreateDirectory(root, Private);
                var taken = FileLock.TryTake(lockPath)
                    ?? throw new StagingTakenException(target);

                // Who ended meanwhile has removed the file that is locked.
                if (File.Exists(lockPath))
                {
                    return new StagingFolder(root, taken, otherwise);
                }

                taken.Dispose();
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            throw new ReplicationException($"Nothing can be restored into {parent}: {ex.Message} Make it writable, or {otherwise}.", ex);
        }
    }

    /// <summary>Deletes what a process that was killed has left for a file; does nothing if there is nothing, or another one is at it.</summary>
    /// <param name="target">The file, absolute.</param>
    public static void DeleteLeftover(string target)
    {
        if (Directory.Exists(RootOf(target)))
        {
            try
            {
                Create(target).Dispose();
            }
            catch (ReplicationException)
            {
                // The next one deletes it.
            }
        }
    }

    /// <summary>Says that there is no room for a database; does nothing if there is, or if that is not known.</summary>
    /// <param name="bytes">Its size; null where that is not known.</param>
    /// <param name="reserve">How much room is to be left for others, in bytes.</param>
    /// <param name="what">What needs that many bytes.</param>
    /// <exception cref="ReplicationException">There is no room.</exception>
    public void RequireRoom(long? bytes, long reserve = 0, string what = "The database has")
    {
        if (bytes is { } needed && new DriveInfo(_root).AvailableFreeSpace - reserve is var free && free < needed)
        {
            throw new ReplicationException(
                $"{what} {needed:#,0} bytes, and {System.IO.Path.GetDirectoryName(_root)} has room for {Math.Max(0, free):#,0}. Free some, or {_otherwise}.");
        }
    }

    /// <summary>The name of the file that is restored in a folder of such a name.</summary>
    public static string TargetOf(string folderName)
    {
        ArgumentNullException.ThrowIfNull(folderName);
        return folderName.StartsWith('.') && folderName.EndsWith(Suffix, StringComparison.Ordinal) ? folderName[1..^Suffix.Length] : folderName;
    }

    private static string RootOf(string target) =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(target)!, $".{System.IO.Path.GetFileName(target)}{Suffix}");

    /// <summary>Deletes a folder into which a Litestream may still restore whose parent was killed: one that it makes a file in meanwhile is not empty.</summary>
    private static void Delete(string folder)
    {
        for (var tries = 1; Directory.Exists(folder); tries++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException) when (tries < MaxDeletions)
            {
                // It makes one or two.
            }
        }
    }

    /// <summary>Deletes it, with what is in it.</summary>
    public void Dispose()
    {
        try
        {
            Delete(_root);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next restore deletes it.
        }

        _lock.Dispose();
    }
}
