using System.ComponentModel;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Locking;

/// <summary>
/// The right to replicate one database file, which one process has at a time: two writers destroy a backup. It is an
/// exclusive lock of the operating system on a file in Litestream's own folder beside the database, so that containers
/// that share a volume see it too, and it goes with the process that holds it, however that ends.
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

    /// <summary>The file that says who holds it.</summary>
    public string RecordPath { get; }

    /// <summary>What the holder before this one left; null for nothing.</summary>
    public LockRecord? Previous { get; }

    /// <summary>Takes the lock.</summary>
    /// <param name="name">Datasette's name for the database.</param>
    /// <param name="path">Its file, absolute.</param>
    /// <exception cref="ReplicationException">Another process has it, or nothing can be written beside the database.</exception>
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

    /// <summary>Says who holds it.</summary>
    /// <param name="record">What <see cref="LockRecord.ToJson"/> gives.</param>
    public void Write(byte[] record)
    {
        LockRecord.Write(RecordPath, record);
        _hasWritten = true;
    }

    /// <summary>
    /// Gives the lock back, and takes its own record away: there is nothing left to clean up. A record of the holder before
    /// stays, since the Litestream that it names may still run.
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
            // Somebody removed Litestream's folder; the lock goes back all the same.
        }

        Dispose();
    }

    /// <summary>Gives the lock back, and leaves the record to the next holder.</summary>
    public void Dispose() => _lock.Dispose();
}
