using System.Text;
using Microsoft.Data.Sqlite;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A connection to a database from outside of Datasette.</summary>
internal sealed class DatabaseConnection : IDisposable
{
    private readonly SqliteConnection _connection;

    public DatabaseConnection(string path)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 10 }.ToString());
        _connection.Open();
    }

    public void Execute(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public void Insert(string text)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "insert into rows (text) values ($text)";
        command.Parameters.AddWithValue("$text", text);
        command.ExecuteNonQuery();
    }

    /// <summary>The whole database as text: schema and rows, without Litestream's own tables.</summary>
    public string Dump()
    {
        var dump = new StringBuilder();
        foreach (var (name, sql) in Read("select name, sql from sqlite_master where name not like '\\_litestream\\_%' escape '\\' order by name")
            .Select(row => (row[0], row[1])))
        {
            dump.Append(name).Append('|').AppendLine(sql);
        }

        foreach (var table in Read("select name from sqlite_master where type = 'table' and name not like '\\_litestream\\_%' escape '\\' order by name"))
        {
            foreach (var row in Read($"select * from \"{table[0].Replace("\"", "\"\"", StringComparison.Ordinal)}\" order by rowid"))
            {
                dump.AppendJoin('|', row).AppendLine();
            }
        }

        return dump.ToString();
    }

    public void Dispose() => _connection.Dispose();

    /// <summary>The rows of a query, as text.</summary>
    public IReadOnlyList<string[]> Read(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string[]>();
        while (reader.Read())
        {
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "NULL" : reader.GetString(i))]);
        }

        return rows;
    }
}
