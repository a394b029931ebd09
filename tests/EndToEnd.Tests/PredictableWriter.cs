using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// Writes transactions to a table of its own that follow from their numbers alone: whatever state of the database there is, it can be told
/// without the database itself which rows it must have. The table has two indexes, and one row of each transaction is never deleted.
/// </summary>
internal sealed class PredictableWriter : IAsyncDisposable
{
    private const int RowsEach = 5;

    private readonly CancellationTokenSource _stopping = new();
    private readonly string _table;
    private readonly uint _seed;
    private readonly Task _writing;
    private int _committed;

    /// <summary>Begins to write.</summary>
    /// <param name="database">The connection, which it closes in the end.</param>
    /// <param name="number">Which writer it is.</param>
    /// <param name="pause">The time between two transactions.</param>
    /// <param name="checkpoint">How often it has SQLite copy the log into the database, and empty it where that is possible; never if null.</param>
    public PredictableWriter(DatabaseConnection database, int number, TimeSpan pause, TimeSpan? checkpoint)
    {
        (_table, _seed) = ($"writer{number}", (uint)number);
        database.Execute($"create table {_table} (id integer primary key, key text not null, value integer not null)");
        database.Execute($"create index {_table}_key on {_table} (key)");
        database.Execute($"create index {_table}_value on {_table} (value)");
        _writing = Task.Factory.StartNew(() => Write(database, pause, checkpoint), TaskCreationOptions.LongRunning);
    }

    /// <summary>How many transactions are committed for certain.</summary>
    public int Committed => Volatile.Read(ref _committed);

    /// <summary>Compares a database with what it must hold.</summary>
    /// <param name="database">The database.</param>
    /// <param name="least">How many transactions it must have at least.</param>
    /// <param name="most">And at most.</param>
    /// <returns>What is wrong; null if nothing is.</returns>
    public string? FindFault(DatabaseConnection database, int least, int most)
    {
        var rows = database.Read($"select id, key, value from {_table} order by id");
        var count = rows.Count == 0 ? 0 : int.Parse(rows[^1][0], CultureInfo.InvariantCulture) / RowsEach;
        if (count < least || count > most)
        {
            return $"{_table} has {count} transactions, and not {least} to {most}";
        }

        var expected = new SortedDictionary<int, (string Key, long Value)>();
        for (var transaction = 1; transaction <= count; transaction++)
        {
            foreach (var row in RowsOf(transaction))
            {
                expected[row.Id] = (KeyOf(row.Id), row.Id);
                if (expected.ContainsKey(row.Changed))
                {
                    expected[row.Changed] = (KeyOf(-row.Id), -row.Id);
                }

                expected.Remove(row.Deleted);
            }
        }

        var found = rows.Select(row => string.Join('|', row));
        return found.SequenceEqual(expected.Select(row => string.Create(CultureInfo.InvariantCulture, $"{row.Key}|{row.Value.Key}|{row.Value.Value}")))
            ? null : $"the {rows.Count} rows of {_table} are not the {expected.Count} that {count} transactions leave";
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
        _stopping.Dispose();
    }

    private void Write(DatabaseConnection database, TimeSpan pause, TimeSpan? checkpoint)
    {
        using (database)
        {
            var checkpointed = DateTime.UtcNow;
            for (var transaction = 1; !_stopping.Token.WaitHandle.WaitOne(pause); transaction++)
            {
                var statements = RowsOf(transaction).Select(row =>
                    $"""
                    insert into {_table} values ({row.Id}, '{KeyOf(row.Id)}', {row.Id});
                    update {_table} set key = '{KeyOf(-row.Id)}', value = {-row.Id} where id = {row.Changed};
                    delete from {_table} where id = {row.Deleted};
                    """);
                database.Execute($"begin immediate; {string.Concat(statements)} commit");
                Volatile.Write(ref _committed, transaction);
                if (DateTime.UtcNow - checkpointed >= checkpoint)
                {
                    _ = database.Read("pragma wal_checkpoint(truncate)");
                    checkpointed = DateTime.UtcNow;
                }
            }
        }
    }

    /// <summary>What a transaction does, in this order: a row that is inserted, one that is changed, and one that is deleted, where there are such.</summary>
    private IEnumerable<(int Id, int Changed, int Deleted)> RowsOf(int transaction) =>
        from id in Enumerable.Range(((transaction - 1) * RowsEach) + 1, RowsEach)
        let isDeleting = id % RowsEach == 1
        select (id, 1 + (int)(Scramble((uint)id) % (uint)id), isDeleting ? id - 2000 : 0);

    /// <summary>A text of up to 400 characters that looks random, so that it lands anywhere in its index.</summary>
    private string KeyOf(long value)
    {
        var scrambled = Scramble((uint)value);
        return string.Concat(Enumerable.Repeat($"{scrambled:x8}", 1 + (int)(scrambled % 50)));
    }

    /// <summary>Mixes a number well: the end of MurmurHash3.</summary>
    private uint Scramble(uint value)
    {
        value += _seed * 0x9E3779B9;
        value = (value ^ (value >> 16)) * 0x85EBCA6B;
        value = (value ^ (value >> 13)) * 0xC2B2AE35;
        return value ^ (value >> 16);
    }
}
