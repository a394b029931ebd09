using System.Collections.Concurrent;

namespace Datasette.Litestream.Locking;

/// <summary>The locks on all replicated databases of one Datasette, by name. Any thread may use them.</summary>
internal sealed class DatabaseLocks
{
    private readonly ConcurrentDictionary<string, DatabaseLock> _held = new(StringComparer.Ordinal);
    private byte[]? _record;

    /// <summary>The records that earlier holders left, each once, with the path of one of their files.</summary>
    public IEnumerable<(LockRecord Record, string Path)> Previous => _held.Values
        .Where(held => held.Previous is not null)
        .DistinctBy(held => held.Previous)
        .Select(held => (held.Previous!, held.RecordPath));

    /// <summary>
    /// Takes the lock on a database. A lock that is held by that name already is kept if it still is on that file; otherwise
    /// it is released: Litestream's folder was removed, and the lock file with it, or the database is another file.
    /// </summary>
    /// <param name="name">Datasette's name for the database.</param>
    /// <param name="path">Its file, absolute.</param>
    /// <exception cref="Errors.ReplicationException">Another process holds it.</exception>
    /// <exception cref="FolderUnusableException">Litestream cannot work beside the database.</exception>
    public void Take(string name, string path)
    {
        if (_held.TryGetValue(name, out var held))
        {
            if (held.IsOn(path))
            {
                return;
            }

            _held.TryRemove(name, out _);
            held.Release();
        }

        var taken = DatabaseLock.Take(name, path);
        _held[name] = taken;
        if (_record is not null)
        {
            Write(taken, _record);
        }
    }

    /// <summary>Records the holder beside every database.</summary>
    public void Record(LockRecord record)
    {
        _record = record.ToJson();
        foreach (var held in _held.Values)
        {
            Write(held, _record);
        }
    }

    /// <summary>Releases the lock on a database, if it is held.</summary>
    /// <param name="name">Datasette's name for the database.</param>
    public void Release(string name)
    {
        if (_held.TryRemove(name, out var held))
        {
            held.Release();
        }
    }

    /// <summary>The record that an earlier holder of the lock on a database left, with its path; null if there is none.</summary>
    /// <param name="name">Datasette's name for the database.</param>
    public (LockRecord Record, string Path)? PreviousOf(string name) =>
        _held.GetValueOrDefault(name) is { Previous: { } record } held ? (record, held.RecordPath) : null;

    /// <summary>Releases all locks.</summary>
    public void Release()
    {
        foreach (var held in _held.Values)
        {
            held.Release();
        }

        _held.Clear();
    }

    private static void Write(DatabaseLock held, byte[] record)
    {
        try
        {
            held.Write(record);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The disk is full, or the folder was removed. The lock itself still holds, and replication matters more than the
            // record.
        }
    }
}
