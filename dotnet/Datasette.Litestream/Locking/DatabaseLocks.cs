using System.Collections.Concurrent;
using System.Collections.Immutable;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Locking;

/// <summary>The locks on all replicated databases of one Datasette, by name. Any thread may use them.</summary>
internal sealed class DatabaseLocks
{
    private readonly ConcurrentDictionary<string, DatabaseLock> _held = new(StringComparer.Ordinal);
    private List<DatabaseLock> _handedOver = [];
    private volatile byte[]? _record;

    /// <summary>The records that earlier holders left, each once, with the path of one of their files.</summary>
    public IEnumerable<(LockRecord Record, string Path)> Previous => _held.Values
        .Where(held => held.Previous is not null)
        .DistinctBy(held => held.Previous)
        .Select(held => (held.Previous!, held.RecordPath));

    /// <summary>The writers that have held one of these locks before, and so have let go of it or died.</summary>
    public ImmutableHashSet<Guid> FormerWriters =>
    [
        .. Previous.Where(previous => previous.Record.FindReportFolder(previous.Path) is not null).Select(previous => previous.Record.Writer),
    ];

    /// <summary>The names of the databases whose locks are held.</summary>
    public ImmutableHashSet<string> Names => [.. _held.Keys];

    /// <summary>
    /// Takes the lock on a database. A lock that is held by that name already is kept if it still is on that file; otherwise
    /// it is released: Litestream's folder was removed, and the lock file with it, or the database is another file.
    /// </summary>
    /// <param name="name">Datasette's name for the database.</param>
    /// <param name="path">Its file, absolute.</param>
    /// <returns>Whether it is held now; otherwise somebody else holds it.</returns>
    /// <exception cref="DatabaseUnusableException">Litestream cannot work beside the database.</exception>
    public bool TryTake(string name, string path)
    {
        if (_held.TryGetValue(name, out var held))
        {
            if (held.IsOn(path))
            {
                return true;
            }

            _held.TryRemove(name, out _);
            held.Release();
        }

        if (DatabaseLock.TryTake(name, path) is not { } taken)
        {
            return false;
        }

        _held[name] = taken;
        if (_record is not null)
        {
            Write(taken, _record);
        }

        return true;
    }

    /// <summary>Takes the lock on a database which nobody else may hold.</summary>
    /// <param name="name">Datasette's name for the database.</param>
    /// <param name="path">Its file, absolute.</param>
    /// <exception cref="ReplicationException">Another process holds it.</exception>
    /// <exception cref="DatabaseUnusableException">Litestream cannot work beside the database.</exception>
    public void Take(string name, string path)
    {
        if (!TryTake(name, path))
        {
            throw new ReplicationException(
                $"{name}: {LockHolder.Find(path)} replicates {path} already, and two would destroy the backup. "
                + "Stop that one first, or have Datasette serve another file.");
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

    /// <summary>Releases all locks. The next ones that are taken get no record until the holder is recorded again.</summary>
    public void Release()
    {
        _record = null;
        foreach (var held in _held.Values)
        {
            held.Release();
        }

        _held.Clear();
    }

    /// <summary>
    /// Releases all locks, and leaves their records: whoever takes over knows by them at once who does not write any more, while this
    /// process goes on to tell its destinations.
    /// </summary>
    public void HandOver()
    {
        _handedOver = [.. _held.Values];
        _held.Clear();
        _handedOver.ForEach(held => held.Dispose());
    }

    /// <summary>Deletes the records that <see cref="HandOver"/> has left and nobody needs: those of databases that nobody has taken over.</summary>
    public void RemoveRecords() => _handedOver.ForEach(held => held.RemoveRecord());

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
