using System.ComponentModel;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Locking;

/// <summary>
/// The lock on one database file, which only one process can hold: two Litestreams would destroy the backup. It is an exclusive
/// lock of the operating system on a file in Litestream's own folder beside the database. So containers that share a volume see
/// it too, and it is released when its process ends for any reason.
/// </summary>
internal sealed class DatabaseLock : IDisposable
{
    private readonly FileLock _lock;
    private bool _hasWritten;

    private DatabaseLock(FileLock taken, string recordPath, LockRecord? previous)
    {
        _lock = taken;
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
    /// <exception cref="ReplicationException">Another process holds it, or the folder of the database is not
    /// writable.</exception>
    public static DatabaseLock Take(string name, string path)
    {
        var parent = Path.GetDirectoryName(path)!;
        var folder = LitestreamFolder.Of(path);
        var recordPath = Path.Combine(folder, "datasette-litestream.json");
        FileLock? taken;
        try
        {
            Directory.CreateDirectory(folder, File.GetUnixFileMode(parent));
            taken = FileLock.TryTake(Path.Combine(folder, "datasette-litestream.lock"));
        }
        catch (Exception ex) when (ex is UnauthorizedAccessException or IOException)
        {
            throw new ReplicationException(
                $"{name}: Litestream must write beside the database, and cannot: {ex.Message} Make {parent} writable for Datasette's user.",
                ex);
        }
        catch (Win32Exception ex)
        {
            throw new ReplicationException(
                $"{name}: the file system of {folder} does not lock files ({ex.Message}), and nothing else keeps a second Datasette from "
                + "replicating the same database, which would destroy the backup. Move the database to one that does, such as a local disk.",
                ex);
        }

        if (taken is null)
        {
            var holder = LockRecord.Read(recordPath)?.Holder;
            throw new ReplicationException(
                $"{name}: another Datasette{(holder is null ? "" : $" (process {holder.ProcessId})")} replicates {path} already, and two "
                + "would destroy the backup. Stop that one first, or take the plugin's settings out of this one.");
        }

        return new DatabaseLock(taken, recordPath, LockRecord.Read(recordPath));
    }

    /// <summary>Records the holder.</summary>
    /// <param name="record">The result of <see cref="LockRecord.ToJson"/>.</param>
    public void Write(byte[] record)
    {
        LockRecord.Write(RecordPath, record);
        _hasWritten = true;
    }

    /// <summary>
    /// Releases the lock, and deletes its own record, since nothing is left to clean up. A record of the previous holder stays,
    /// since the Litestream that it names may still be running.
    /// </summary>
    public void Release()
    {
        try
        {
            if (_hasWritten)
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
    public void Dispose() => _lock.Dispose();
}
