using System.Diagnostics;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Writes rows to a database at a steady rate, each in its own transaction, on a separate thread and connection: row n contains
/// "load n". A row counts when its transaction is committed.
/// </summary>
internal sealed class WriteLoad : IAsyncDisposable
{
    /// <summary>Transactions per second, by default.</summary>
    public const int Rate = 200;

    private readonly CancellationTokenSource _stopping = new();
    private readonly int _rate;
    private readonly Task _writing;
    private int _committed;

    /// <summary>Begins to write.</summary>
    /// <param name="workspace">Where the database is.</param>
    /// <param name="file">Its file.</param>
    /// <param name="rate">Transactions per second.</param>
    public WriteLoad(Workspace workspace, string file, int rate = Rate)
    {
        _rate = rate;
        var database = workspace.Open(file);
        database.Execute("create table if not exists load (id integer primary key, text text not null)");
        _writing = Task.Factory.StartNew(() => Write(database), TaskCreationOptions.LongRunning);
    }

    /// <summary>The number of committed rows.</summary>
    public int Committed => Volatile.Read(ref _committed);

    /// <summary>Waits until some more rows are committed.</summary>
    public async Task WaitForAsync(int more)
    {
        var goal = Committed + more;
        await Wait.UntilAsync(() => Committed >= goal || _writing.IsCompleted, $"{more} more rows are committed");
        if (_writing.IsCompleted)
        {
            await _writing;
        }
    }

    /// <returns>The number of all committed rows.</returns>
    public async Task<int> StopAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
        return Committed;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    private void Write(DatabaseConnection database)
    {
        using (database)
        {
            var started = Stopwatch.GetTimestamp();
            for (var i = 1; ; i++)
            {
                // The load keeps its rate: late rows are caught up.
                var due = TimeSpan.FromSeconds((double)i / _rate) - Stopwatch.GetElapsedTime(started);
                if (_stopping.Token.WaitHandle.WaitOne(due > TimeSpan.Zero ? due : TimeSpan.Zero))
                {
                    return;
                }

                database.Execute($"insert into load (text) values ('load ' || {i})");
                Volatile.Write(ref _committed, i);
            }
        }
    }
}
