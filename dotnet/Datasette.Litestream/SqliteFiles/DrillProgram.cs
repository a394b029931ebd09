using System.ComponentModel;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.SqliteFiles;

/// <summary>
/// One run of the program that works on SQLite files, for one drill: it keeps a read transaction of the live database
/// open between two requests. What SQLite does not do is a <see cref="SqliteProgramException"/>. Not for several tasks at once.
/// </summary>
internal sealed class DrillProgram : IDisposable
{
    /// <summary>An answer is a line of a few hundred bytes, and more where many tables are counted; a program that says more is not ours.</summary>
    private const int MaxAnswerBytes = 16 * 1024 * 1024;

    private readonly Channel<ReadOnlyMemory<byte>> _requests = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
    private readonly Channel<string> _answers = Channel.CreateUnbounded<string>();
    private readonly BoundedOutput _errors = new(MaxAnswerBytes);
    private readonly MemoryStream _line = new();
    private readonly ChildProcess _child;

    /// <param name="commandLine">The program and its first arguments.</param>
    /// <param name="environment">Its environment.</param>
    /// <param name="isInBackground">Whether it has the lowest priority, since nobody waits for it.</param>
    /// <exception cref="SqliteProgramException">It could not be started.</exception>
    public DrillProgram(IReadOnlyList<string> commandLine, IReadOnlyDictionary<string, string> environment, bool isInBackground)
    {
        ArgumentNullException.ThrowIfNull(commandLine);
        try
        {
            _child = ChildProcess.Start(
                commandLine[0], [.. commandLine.Skip(1)], environment, default, KeepOutput, _errors.Keep, endsWithOutput: true, _requests.Reader);
        }
        catch (Win32Exception ex)
        {
            throw new SqliteProgramException(ex.Message);
        }

        if (isInBackground)
        {
            _child.LowerPriority();
        }
    }

    /// <summary>Opens a read transaction of the live database: what is copied next is what it holds now.</summary>
    /// <param name="path">The database's file.</param>
    /// <param name="cancellationToken">Ends the wait; the program has to be disposed of then.</param>
    /// <returns>Its size in bytes.</returns>
    public async Task<long> OpenAsync(string path, CancellationToken cancellationToken) =>
        (await AskAsync("drill-open", writer => writer.WriteString("path", path), cancellationToken).ConfigureAwait(false)).GetProperty("bytes").GetInt64();

    /// <summary>Ends the read transaction without a copy.</summary>
    /// <param name="path">The database's file.</param>
    /// <param name="cancellationToken">See <see cref="OpenAsync"/>.</param>
    public Task CloseAsync(string path, CancellationToken cancellationToken) => AskAsync("drill-close", writer => writer.WriteString("path", path), cancellationToken);

    /// <summary>Copies what the read transaction sees, and ends it.</summary>
    /// <param name="path">The database's file.</param>
    /// <param name="to">The file of the copy, which is not there yet.</param>
    /// <param name="limit">How long it may take: as long as the transaction is open, the write-ahead log grows.</param>
    /// <param name="cancellationToken">See <see cref="OpenAsync"/>.</param>
    /// <returns>Whether it was done in time; otherwise there is no file.</returns>
    public async Task<bool> CopyAsync(string path, string to, TimeSpan limit, CancellationToken cancellationToken) => (await AskAsync(
        "drill-copy",
        writer =>
        {
            writer.WriteString("path", path);
            writer.WriteString("to", to);
            writer.WriteNumber("seconds", limit.TotalSeconds);
        },
        cancellationToken).ConfigureAwait(false)).GetProperty("isComplete").GetBoolean();

    /// <summary>Has SQLite check a restored database, and compares it with a copy of the live one page by page.</summary>
    /// <param name="restored">The restored file.</param>
    /// <param name="copy">The copy; null for the checks alone.</param>
    /// <param name="cancellationToken">See <see cref="OpenAsync"/>.</param>
    public async Task<DrillComparison> CompareAsync(string restored, string? copy, CancellationToken cancellationToken)
    {
        var answer = await AskAsync(
            "drill-compare",
            writer =>
            {
                writer.WriteString("path", restored);
                if (copy is not null)
                {
                    writer.WriteString("copy", copy);
                }
            },
            cancellationToken).ConfigureAwait(false);
        return new DrillComparison(
            answer.GetProperty("fault").GetString(),
            answer.GetProperty("copyFault").GetString(),
            answer.GetProperty("unchecked").GetString(),
            answer.GetProperty("differingPageCount") is { ValueKind: JsonValueKind.Number } count ? count.GetInt64() : null,
            [.. List("differingPages").Select(page => page.GetInt64())],
            [.. List("differences").Select(name => name.GetString()!)],
            answer.GetProperty("foreignKeys") is { ValueKind: JsonValueKind.Number } violations ? violations.GetInt32() : null);

        IEnumerable<JsonElement> List(string name) => answer.GetProperty(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];
    }

    /// <summary>Counts the rows of every table in one read transaction.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isRestored">Whether it is a file to which nobody writes, and which has no write-ahead log.</param>
    /// <param name="cancellationToken">See <see cref="OpenAsync"/>.</param>
    public async Task<RowCounts> CountAsync(string path, bool isRestored, CancellationToken cancellationToken)
    {
        var answer = await AskAsync(
            "drill-count",
            writer =>
            {
                writer.WriteString("path", path);
                writer.WriteBoolean("immutable", isRestored);
            },
            cancellationToken).ConfigureAwait(false);
        return new RowCounts(
            answer.GetProperty("schema").GetString()!,
            answer.GetProperty("counts").EnumerateObject().Where(table => table.Value.ValueKind == JsonValueKind.Number).ToDictionary(table => table.Name, table => table.Value.GetInt64(), StringComparer.Ordinal));
    }

    /// <summary>A text that is another one each time that the files of a database have changed.</summary>
    /// <param name="path">The database's file.</param>
    /// <param name="cancellationToken">See <see cref="OpenAsync"/>.</param>
    public async Task<string> MarkAsync(string path, CancellationToken cancellationToken) =>
        (await AskAsync("drill-mark", writer => writer.WriteString("path", path), cancellationToken).ConfigureAwait(false)).GetProperty("mark").GetString()!;

    /// <summary>Ends the program, whatever it does.</summary>
    public void Dispose()
    {
        _child.SendToGroup(LibC.SIGKILL);
        _requests.Writer.TryComplete();
        _child.Exited.Wait();
        _line.Dispose();
    }

    private async Task<JsonElement> AskAsync(string command, Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        _requests.Writer.TryWrite(SqliteProgram.Request(command, write));
        try
        {
            var answer = JsonElement.Parse(await _answers.Reader.ReadAsync(cancellationToken).ConfigureAwait(false));
            return answer.TryGetProperty("error", out var error) ? throw new SqliteProgramException(error.GetString()!) : answer;
        }
        catch (Exception ex) when (ex is ChannelClosedException or JsonException)
        {
            throw new SqliteProgramException(_errors.Text.Trim().Split('\n')[^1] is { Length: > 0 } said ? said : "the program that reads SQLite files ended early");
        }
    }

    // Runs on the thread that reads the output.
    private void KeepOutput(ReadOnlyMemory<byte> piece)
    {
        if (piece.IsEmpty || _line.Length > MaxAnswerBytes)
        {
            _answers.Writer.TryComplete();
            return;
        }

        while (piece.Span.IndexOf((byte)'\n') is >= 0 and var end)
        {
            _line.Write(piece.Span[..end]);
            _answers.Writer.TryWrite(Encoding.UTF8.GetString(_line.GetBuffer(), 0, (int)_line.Length));
            _line.SetLength(0);
            piece = piece[(end + 1)..];
        }

        _line.Write(piece.Span);
    }
}

/// <summary>SQLite, or the program that uses it, did not do what it was asked for; the message says why, in its own words.</summary>
internal sealed class SqliteProgramException(string message) : Exception(message);

/// <summary>What came of checking a restored database, and of comparing it with a copy of the live one.</summary>
/// <param name="Fault">What SQLite finds wrong with it, in SQLite's words; null if it finds nothing.</param>
/// <param name="CopyFault">The same of the copy, which is looked for only where the restored one has a fault.</param>
/// <param name="Unchecked">Why SQLite could not check it here, such as a collation that only Datasette's process has; null if it did.</param>
/// <param name="DifferentPages">How many pages differ; null if there is no copy.</param>
/// <param name="FirstPages">The first of them.</param>
/// <param name="Differences">The tables whose rows differ, and other parts of the schema that do; looked for only where pages differ.</param>
/// <param name="ForeignKeyViolations">How many rows of it break a foreign key, at most 1,000; null if that was not found out.</param>
internal sealed record DrillComparison(
    string? Fault,
    string? CopyFault,
    string? Unchecked,
    long? DifferentPages,
    IReadOnlyList<long> FirstPages,
    IReadOnlyList<string> Differences,
    int? ForeignKeyViolations);

/// <summary>How many rows the tables of a database had at one moment; those that are Litestream's own, and virtual ones, aside.</summary>
/// <param name="Schema">A digest of its schema.</param>
/// <param name="Tables">The rows of each table, by its name, without those that SQLite cannot read here.</param>
internal sealed record RowCounts(string Schema, IReadOnlyDictionary<string, long> Tables);
