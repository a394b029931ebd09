using System.Globalization;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A temporary folder of SQLite databases; Datasette's working directory.</summary>
/// <param name="folder">The folder to create, for screenshots that show its path; a temporary one by default.</param>
internal sealed class Workspace(string? folder = null) : IDisposable
{
    /// <summary>Its path, with links resolved.</summary>
    public string Folder { get; } =
        folder is null ? Directory.CreateTempSubdirectory("datasette-litestream-test-").FullName : Directory.CreateDirectory(folder).FullName;

    /// <summary>The destination of <c>file://$PWD/backup/$DB_NAME</c>.</summary>
    public string Backup(string name) => System.IO.Path.Combine(Folder, "backup", name);

    public string Path(string file) => System.IO.Path.Combine(Folder, file);

    /// <summary>Creates <c>NAME.db</c> with a table <c>rows (id, text)</c>.</summary>
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

    /// <summary>Restores <c>backup/NAME</c> and compares it with the database, row by row.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="file">The file; <c>NAME.db</c> by default. It is read in place, since its last rows may be in the
    /// write-ahead log beside it.</param>
    /// <param name="litestream">The binary; the one on PATH by default.</param>
    public async Task AssertRestoredAsync(string name, string? file = null, string? litestream = null)
    {
        using var original = Open(file ?? $"{name}.db");
        var expected = original.Dump();
        DumpComparison.AssertContains(expected, $"row 0 of {name}");
        DumpComparison.AssertEqual(expected, await LitestreamProgram.RestoreAsync(litestream ?? RealParts.Litestream, [ReplicaUrl(name)]));
    }

    /// <summary>
    /// Restores <c>backup/NAME</c> and checks the rows of a <see cref="WriteLoad"/>: the first ones without a gap, and at least
    /// a given number.
    /// </summary>
    public async Task AssertLoadRestoredAsync(string name, int committed)
    {
        var dump = await LitestreamProgram.RestoreAsync(RealParts.Litestream, [ReplicaUrl(name)]);
        var rows = dump.Split('\n').Count(line => line.EndsWith("|load " + line.Split('|')[0], StringComparison.Ordinal));
        Assert.IsGreaterThanOrEqualTo(committed, rows);
        DumpComparison.AssertContains(dump, $"\n{rows}|load {rows}\n");
    }

    /// <summary>The highest transaction at the replica in <c>backup/NAME</c>: files are named MIN-MAX.</summary>
    public ulong ReplicatedTxid(string name) =>
        Directory.Exists(Backup(name))
            ? Directory.EnumerateFiles(Backup(name), "*.ltx", SearchOption.AllDirectories)
                .Select(file => ulong.Parse(System.IO.Path.GetFileNameWithoutExtension(file).Split('-')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                .Append(0ul)
                .Max()
            : 0;

    /// <summary>All Litestream processes that were started in this folder.</summary>
    public IReadOnlyList<int> Litestreams =>
        [.. Directory.GetDirectories("/proc")
            .Select(folder => int.TryParse(System.IO.Path.GetFileName(folder), out var id) ? id : 0)
            .Where(id => id > 0 && LinkOf(id, "cwd") == Folder && IsReplicating(id))];

    /// <summary>Waits until exactly one Litestream runs here: Datasette serves before it has started its own.</summary>
    /// <param name="after">The process that it must not be; any by default.</param>
    /// <returns>Its process id.</returns>
    public async Task<int> WaitForLitestreamAsync(int? after = null)
    {
        var running = 0;
        await Wait.UntilAsync(() => Litestreams is [var only] && (running = only) != after, "one Litestream runs");
        return running;
    }

    public void Dispose()
    {
        foreach (var leftover in Litestreams)
        {
            _ = Signals.Send(leftover, Signals.SIGKILL);
        }

        Directory.Delete(Folder, recursive: true);
    }

    private string ReplicaUrl(string name) => $"file://{Backup(name)}";

    private static string? LinkOf(int processId, string name)
    {
        try
        {
            return new FileInfo($"/proc/{processId}/{name}").LinkTarget;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool IsReplicating(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Split('\0').Contains("replicate");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
