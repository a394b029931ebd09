using System.Globalization;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Writes a row with its own time to a table <c>timed</c> every 50 ms, until Dispose.</summary>
internal sealed class TimedRows : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _writing;
    private readonly List<DateTimeOffset> _written = [];

    public TimedRows(Workspace workspace, string file)
    {
        var database = workspace.Open(file);
        database.Execute("create table timed (id integer primary key, at text)");
        _writing = Task.Factory.StartNew(() => Write(database), TaskCreationOptions.LongRunning);
    }

    /// <summary>When the row was written of which id is one more than the index; each before its commit.</summary>
    public IReadOnlyList<DateTimeOffset> Written => _written;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
    }

    /// <summary>Fails unless a restored database has exactly the rows up to the state that a restore says it took.</summary>
    /// <param name="result">What <c>restore --json</c> says.</param>
    /// <param name="wanted">The time that was asked for.</param>
    /// <param name="delay">How much older than its file's time a state can be.</param>
    public void AssertRestored(JsonNode result, DateTimeOffset wanted, TimeSpan delay)
    {
        using var restored = new DatabaseConnection((string)result["path"]!);
        var rows = restored.Read("select id, at from timed order by id");
        var (since, until) = (DateTimeOffset.Parse((string)result["since"]!, CultureInfo.InvariantCulture), DateTimeOffset.Parse((string)result["until"]!, CultureInfo.InvariantCulture));
        Assert.AreEqual(rows.Count, rows.Count == 0 ? 0 : int.Parse(rows[^1][0], CultureInfo.InvariantCulture), "no row is missing between others");
        Assert.IsTrue(until <= wanted, $"{until:O} is not after {wanted:O}");
        var last = rows.Count == 0 ? DateTimeOffset.MinValue : _written[rows.Count - 1];
        Assert.IsTrue(last <= until + TimeSpan.FromMilliseconds(250), $"the last row, of {last:O}, is not after {until:O}: {result.ToJsonString()}");
        if (rows.Count < _written.Count)
        {
            Assert.IsTrue(_written[rows.Count] >= since - delay, $"the first row that is not there, of {_written[rows.Count]:O}, is not before {since:O}: {result.ToJsonString()}");
        }
    }

    private void Write(DatabaseConnection database)
    {
        using (database)
        {
            while (!_stopping.Token.WaitHandle.WaitOne(Interval))
            {
                var now = DateTimeOffset.UtcNow;
                database.Execute($"insert into timed (at) values ('{now:O}')");
                _written.Add(now);
            }
        }
    }
}
