using System.Diagnostics;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.SqliteFiles;

/// <summary>A database with a write-ahead log that another process keeps open, as Datasette does, until Dispose.</summary>
internal sealed class OpenDatabase : IDisposable
{
    private const string Serve = """
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        for line in sys.stdin:
            print(connection.execute(line).fetchall(), flush=True)
        """;

    private readonly Process _process;

    public OpenDatabase(string path)
    {
        Path = path;
        _process = Process.Start(new ProcessStartInfo(Programs.Python, ["-c", Serve, path]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        _ = Execute("PRAGMA journal_mode=WAL");
        _ = Execute("PRAGMA wal_autocheckpoint=0");
        _ = Execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x)");
    }

    public string Path { get; }

    /// <summary>The program that the plugin's Python part gives.</summary>
    public static SqliteProgram Program => new(
        [
            Programs.Python,
            "-I",
            "-S",
            System.IO.Path.Combine(SkipSpecs.RepositoryRoot, "python", "datasette_litestream", "child", "sqlite_files.py"),
        ],
        new Dictionary<string, string>(),
        TimeProvider.System);

    /// <summary>Executes an SQL statement, and returns its rows as Python writes them.</summary>
    public string Execute(string sql)
    {
        _process.StandardInput.WriteLine(sql);
        return _process.StandardOutput.ReadLine()!;
    }

    /// <summary>Writes rows in one transaction.</summary>
    public void Write(int rows) =>
        Execute($"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t (x) SELECT randomblob(300) FROM n");

    public async Task<HeaderLook> LookAsync() => (await Program.LookAsync([Path], CancellationToken.None))[0];

    /// <summary>Ends the process so that the log stays as it is, as it does when Litestream closes the database.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
