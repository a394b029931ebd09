using System.Text;
using Microsoft.Data.Sqlite;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A temporary folder of SQLite databases; Datasette's working directory.</summary>
internal sealed class Workspace : IDisposable
{
    /// <summary>Its path, with links resolved.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("datasette-litestream-test-").FullName;

    /// <summary>Where <c>file://$PWD/backup/$DB_NAME</c> replicates to.</summary>
    public string Backup(string name) => System.IO.Path.Combine(Folder, "backup", name);

    public string Path(string file) => System.IO.Path.Combine(Folder, file);

    /// <summary>Makes <c>NAME.db</c> with a table <c>rows (id, text)</c>.</summary>
    /// <returns>The file's name.</returns>
    public string Create(string name, int rows = 10)
    {
        using var database = Open($"{name}.db");
        database.Execute("create table rows (id integer primary key, text text not null)");
        for (var i = 0; i < rows; i++)
        {
            database.Insert($"row {i} of {name}");
        }

        return $"{name}.db";
    }

    public DatabaseConnection Open(string file) => new(Path(file));

    /// <summary>Writes a file, such as <c>datasette.yaml</c>.</summary>
    /// <returns>Its name.</returns>
    public string Write(string file, string text)
    {
        File.WriteAllText(Path(file), text);
        return file;
    }

    /// <summary>Restores <c>backup/NAME</c> and compares it with <c>NAME.db</c>, row by row.</summary>
    public async Task AssertRestoredAsync(string name)
    {
        using var original = Open($"{name}.db");
        var expected = original.Dump();
        StringAssert.Contains(expected, $"row 0 of {name}");
        var replica = new UriBuilder("file", "", -1, Backup(name)).Uri.AbsoluteUri;
        Assert.AreEqual(expected, await LitestreamProgram.RestoreAsync(RealParts.Litestream05, [replica]));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

/// <summary>One connection to a database, as another program than Datasette has one.</summary>
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

    /// <summary>All of the database as text: schema and rows, less the tables that Litestream keeps for itself.</summary>
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

    private List<string[]> Read(string sql)
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
