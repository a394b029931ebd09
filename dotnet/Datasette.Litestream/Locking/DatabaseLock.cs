using System.ComponentModel;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Locking;

/// <summary>
/// The lock on one database file, which only one process can hold: two Litestreams would destroy the backup. It is an exclusive
/// lock of the operating system on a file in Litestream's own folder beside the database. So containers that share a volume see
/// it too, and it is released when its process ends for any reason. Who finds it taken stands by.
/// <para>
/// A file with several names (hard links) has such a folder beside each. So the locks of its other names in the same folder must
/// be free too, and a lock for the inode is taken in the system's temporary folder, for names in other folders. Neither sees
/// another container's name in another folder. No lock can be taken on the file itself: .NET would have to open and close it,
/// which drops SQLite's own locks; and on some systems and network file systems flock(2) on it would block SQLite.
/// </para>
/// </summary>
internal sealed class DatabaseLock : IDisposable
{
    private const string LockName = "datasette-litestream.lock", RecordName = "datasette-litestream.json";

    /// <summary>The place of the record of the holder of a database's lock.</summary>
    /// <param name="path">The database's file, absolute.</param>
    public static string RecordPathOf(string path) => Path.Combine(LitestreamFolder.Of(path), RecordName);

    private readonly FileLock _lock;
    private readonly FileLock? _inodeLock;
    private readonly string _databasePath;
    private readonly FileStatus? _lockFile;
    private byte[]? _written;

    private DatabaseLock(FileLock taken, FileLock? inodeLock, string databasePath, string recordPath, LockRecord? previous)
    {
        _lock = taken;
        _databasePath = databasePath;
        _lockFile = FileStatus.Look(LockPath(databasePath)).Status;
        _inodeLock = inodeLock;
        RecordPath = recordPath;
        Previous = previous;
    }

    /// <summary>The file that records the holder.</summary>
    public string RecordPath { get; }

    /// <summary>The record that the previous holder left; null if there is none.</summary>
    public LockRecord? Previous { get; }

    /// <summary>Takes the lock.</summary>
    /// <param name="name">Datasette's name for the database.</param>
    /// <param name="path">Its file, absolute.</param>
    /// <returns>Null if somebody else holds it.</returns>
    /// <exception cref="DatabaseUnusableException">
    /// The folder of the database is not writable, or its file system has no locks, or somebody else holds the lock by another name of the file.
    /// </exception>
    public static DatabaseLock? TryTake(string name, string path)
    {
        var parent = Path.GetDirectoryName(path)!;
        var folder = LitestreamFolder.Of(path);
        FileLock? taken;
        try
        {
            Directory.CreateDirectory(folder, File.GetUnixFileMode(parent));
            taken = FileLock.TryTake(Path.Combine(folder, LockName));
        }
        catch (Exception ex) when (ex is UnauthorizedAccessException or IOException)
        {
            throw new DatabaseUnusableException(
                $"{name}: Litestream must write beside the database, and cannot: {ex.Message} Make {parent} writable for Datasette's user.",
                ex);
        }
        catch (Win32Exception ex)
        {
            throw new DatabaseUnusableException(
                $"{name}: the file system of {folder} does not lock files ({ex.Message}), and nothing else keeps a second Datasette from "
                + "replicating the same database, which would destroy the backup. Move the database to one that does, such as a local disk.",
                ex);
        }

        if (taken is null)
        {
            return null;
        }

        FileLock? inodeLock = null;
        if (FileStatus.Look(path).Status is { Links: > 1 } status && !TryTakeInode(path, status, out inodeLock))
        {
            // What is written by two names is in two logs, so there is nothing to stand by for.
            taken.Dispose();
            throw new DatabaseUnusableException(
                $"{name}: another Datasette replicates {path} already by another of its names (hard links), and what is written by two names "
                + "destroys the database. Serve it by one name.");
        }

        var recordPath = RecordPathOf(path);
        return new DatabaseLock(taken, inodeLock, path, recordPath, LockRecord.Read(recordPath));
    }

    /// <summary>Whether it is the lock on a file, and the lock file was not removed.</summary>
    /// <param name="path">The file, absolute.</param>
    public bool IsOn(string path) =>
        path == _databasePath && _lockFile is { } taken && FileStatus.Look(LockPath(path)).Status is { } now && now.IsSameFile(taken);

    /// <summary>Records the holder.</summary>
    /// <param name="record">The result of <see cref="LockRecord.ToJson"/>.</param>
    public void Write(byte[] record)
    {
        AtomicFile.Write(RecordPath, record);
        _written = record;
    }

    /// <summary>
    /// Releases the lock, and deletes its own record, since nothing is left to clean up. A record of the previous holder stays,
    /// since the Litestream that it names may still be running.
    /// </summary>
    public void Release()
    {
        try
        {
            if (_written is not null)
            {
                File.Delete(RecordPath);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Litestream's folder was removed; the lock is released anyway.
        }

        Dispose();
    }

    /// <summary>Releases the lock, and leaves the record for the next holder.</summary>
    public void Dispose()
    {
        _inodeLock?.Dispose();
        _lock.Dispose();
    }

    /// <summary>Deletes its own record after <see cref="Dispose"/>, unless somebody has taken over.</summary>
    public void RemoveRecord()
    {
        try
        {
            // Under the lock, nobody writes another one meanwhile. Who has it now needs none of this.
            using var again = _written is null ? null : FileLock.TryTake(LockPath(_databasePath));
            if (again is not null && File.Exists(RecordPath) && File.ReadAllBytes(RecordPath).AsSpan().SequenceEqual(_written))
            {
                File.Delete(RecordPath);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            // Litestream's folder was removed.
        }
    }

    /// <summary>Takes the lock on a file that has other names; it is null if the temporary folder is not writable.</summary>
    /// <returns>False if the file is locked by another of its names.</returns>
    private static bool TryTakeInode(string path, FileStatus status, out FileLock? inodeLock)
    {
        inodeLock = null;
        var lockPath = Path.Combine(Path.GetTempPath(), $"datasette-litestream-{status.Device:x}-{status.Inode:x}.lock");
        try
        {
            foreach (var other in Directory.EnumerateFiles(Path.GetDirectoryName(path)!))
            {
                var folder = LitestreamFolder.Of(other);
                if (other != path && FileStatus.Look(other, followLinks: false).Status?.IsSameFile(status) == true && Directory.Exists(folder))
                {
                    // It is enough that it is free: who comes later by that name finds the lock of this one taken.
                    using var free = FileLock.TryTake(Path.Combine(folder, LockName));
                    if (free is null)
                    {
                        return false;
                    }
                }
            }

            inodeLock = FileLock.TryTake(lockPath);
            return inodeLock is not null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or Win32Exception)
        {
            // The lock on this name holds, and the other names are warned of.
            return true;
        }
    }

    private static string LockPath(string databasePath) => Path.Combine(LitestreamFolder.Of(databasePath), LockName);
}
