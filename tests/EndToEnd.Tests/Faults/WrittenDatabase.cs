using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// A database into which a row is written every 200 ms, and what must be in a backup of it. A row counts when its commit has
/// returned. One thread writes; the test starts and stops it, and reads the rows at any time.
/// </summary>
/// <param name="name">Datasette's name for it.</param>
/// <param name="path">Its file.</param>
/// <param name="lastId">The ids of its rows are above this.</param>
internal sealed class WrittenDatabase(string name, string path, long lastId = 0) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly List<FileEpoch> _epochs = [];
    private CancellationTokenSource? _stopping;
    private Task _writing = Task.CompletedTask;
    private long _lastId = lastId;

    public string Name => name;

    public string Path { get; private set; } = path;

    /// <summary>The errors of the writer, such as that of a file that is gone.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>The number of rows that were committed.</summary>
    public int Committed
    {
        get
        {
            lock (_lock)
            {
                return _epochs.Sum(epoch => epoch.Rows.Count);
            }
        }
    }

    /// <summary>Creates a file with the table and ten rows, in another place than the served one or in that.</summary>
    /// <param name="file">The file.</param>
    /// <param name="filler">Bytes of random content beside the rows.</param>
    /// <returns>The ids of its rows.</returns>
    public IReadOnlyList<long> Create(string file, int filler = 0)
    {
        using var database = new DatabaseConnection(file);
        database.Execute("create table written (id integer primary key, at text not null)");
        var ids = Enumerable.Range(0, 10).Select(_ => Interlocked.Increment(ref _lastId)).ToList();
        foreach (var id in ids)
        {
            Insert(database, id);
        }

        if (filler > 0)
        {
            database.Execute("create table filler (content blob not null)");
            Fill(database, filler);
        }

        return ids;
    }

    /// <summary>Writes random bytes in one transaction.</summary>
    public static void Fill(DatabaseConnection database, int bytes)
    {
        database.Execute("create table if not exists filler (content blob not null)");
        database.Execute(
            $"""
            with recursive part (n) as (select 1 union all select n + 1 from part where n < {Math.Max(1, bytes / 100_000)})
            insert into filler select randomblob(100000) from part
            """);
    }

    /// <summary>From now on another file is written to, with these rows.</summary>
    /// <param name="rows">Their ids.</param>
    /// <param name="at">Where it is; at the same path if null.</param>
    public void BeginFile(IEnumerable<long> rows, string? at = null)
    {
        Path = at ?? Path;
        lock (_lock)
        {
            var epoch = new FileEpoch(_epochs.Count == 0 ? DateTimeOffset.MinValue : DateTimeOffset.UtcNow);
            epoch.Rows.AddRange(rows.Select(id => (id, DateTimeOffset.MinValue)));
            _epochs.Add(epoch);
        }
    }

    /// <summary>Begins to write.</summary>
    public void Start()
    {
        _stopping = new CancellationTokenSource();
        var token = _stopping.Token;
        _writing = Task.Factory.StartNew(() => Write(token), TaskCreationOptions.LongRunning);
    }

    /// <summary>Stops to write, and closes the connection.</summary>
    public async Task StopAsync()
    {
        if (_stopping is { } stopping)
        {
            await stopping.CancelAsync();
            await _writing;
            stopping.Dispose();
            _stopping = null;
        }
    }

    /// <summary>
    /// The rows that are missing from a backup of which it was said that everything before a time is in it. What was said of a
    /// file is kept as well if the backup has a later file's first rows, if that was there when the backup was looked at.
    /// </summary>
    /// <param name="restored">The rows in the backup.</param>
    /// <param name="until">The time.</param>
    /// <param name="lookedAt">When the backup was looked at.</param>
    public IReadOnlyList<long> MissingFrom(IReadOnlySet<long> restored, DateTimeOffset until, DateTimeOffset lookedAt)
    {
        lock (_lock)
        {
            var said = _epochs.FindLastIndex(epoch => epoch.Start <= until);
            var missing = _epochs[said].Before(until).Where(id => !restored.Contains(id)).ToList();
            return _epochs.Skip(said + 1).Any(later => later.Start <= lookedAt && later.Before(later.Start).All(restored.Contains)) ? [] : missing;
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private void Write(CancellationToken stop)
    {
        DatabaseConnection? database = null;
        try
        {
            for (var due = Stopwatch.StartNew(); !stop.WaitHandle.WaitOne(Interval - (due.Elapsed < Interval ? due.Elapsed : Interval));)
            {
                due.Restart();
                try
                {
                    // A file that is gone must not be created by its writer.
                    database ??= File.Exists(Path) ? new DatabaseConnection(Path) : throw new FileNotFoundException("there is no file");
                    var id = Interlocked.Increment(ref _lastId);
                    Insert(database, id);
                    var at = DateTimeOffset.UtcNow;
                    lock (_lock)
                    {
                        _epochs[^1].Rows.Add((id, at));
                    }
                }
                catch (Exception ex) when (ex is SqliteException or FileNotFoundException)
                {
                    Errors.Add(ex.Message);
                    database?.Dispose();
                    database = null;
                }
            }
        }
        finally
        {
            database?.Dispose();
        }
    }

    private static void Insert(DatabaseConnection database, long id) => database.Execute(string.Create(
        CultureInfo.InvariantCulture, $"insert into written (id, at) values ({id}, '{DateTimeOffset.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ}')"));

    /// <summary>One file at the path, from a time on; each row with the time at which its commit had returned.</summary>
    private sealed record FileEpoch(DateTimeOffset Start)
    {
        public List<(long Id, DateTimeOffset At)> Rows { get; } = [];

        public IEnumerable<long> Before(DateTimeOffset until) => Rows.Where(row => row.At < until).Select(row => row.Id);
    }
}
