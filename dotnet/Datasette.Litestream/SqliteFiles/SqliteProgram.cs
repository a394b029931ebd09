using System.Buffers;
using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.SqliteFiles;

/// <summary>
/// Runs the program that works on SQLite files: this process must not open them, since closing one would drop the locks of the
/// SQLite that serves it (https://sqlite.org/howtocorrupt.html, 2.2). One run serves many files; it takes about 20 ms of CPU
/// time, and 40 µs more for each look.
/// </summary>
/// <param name="commandLine">The program and its first arguments; empty if there is none.</param>
/// <param name="environment">Its environment.</param>
/// <param name="time">The clock.</param>
internal sealed class SqliteProgram(IReadOnlyList<string> commandLine, IReadOnlyDictionary<string, string> environment, TimeProvider time)
{
    /// <summary>How long a look at one file may take; with a hung file system, it would take forever.</summary>
    private static readonly TimeSpan LookTimeout = TimeSpan.FromSeconds(10);

    /// <summary>An answer is a line of a few hundred bytes; a program that says more is not ours.</summary>
    private const int MaxAnswerBytes = 16 * 1024;

    /// <summary>Whether there is such a program.</summary>
    public bool IsThere => commandLine.Count > 0;

    /// <summary>Reads the headers of databases.</summary>
    /// <returns>One for each path, in the same order. A file that cannot be read has an error there, and is no exception.</returns>
    public Task<IReadOnlyList<HeaderLook>> LookAsync(IReadOnlyList<string> paths, CancellationToken cancellationToken) =>
        RunAsync("look", paths, LookTimeout, ReadLook, (path, error) => new HeaderLook(path, null, null, null, error), cancellationToken);

    /// <summary>
    /// Switches databases to a write-ahead log. Litestream would do it, but if it were killed meanwhile, it would leave a
    /// journal that no reader can roll back (https://sqlite.org/rescode.html#readonly_rollback).
    /// </summary>
    /// <param name="paths">The database files.</param>
    /// <param name="timeout">How long all of them may take.</param>
    /// <returns>What went wrong, in a clause, for each path; null if nothing did.</returns>
    public Task<IReadOnlyList<string?>> UseLogAsync(IReadOnlyList<string> paths, TimeSpan timeout) =>
        RunAsync<string?>("use-log", paths, timeout, (_, _) => null, (_, error) => error, CancellationToken.None);

    /// <summary>
    /// Keeps write-ahead logs from beginning again until Litestream has read them, and empties those of which it would miss a part, so that
    /// it writes a snapshot: otherwise what was written before a log began again could be in no backup. No Litestream may run on the
    /// databases.
    /// </summary>
    /// <param name="databases">The database files, and Litestream's folders of them.</param>
    /// <param name="timeout">How long all of them may take.</param>
    /// <param name="maxHold">How long a log is held, during which it grows, before it is emptied instead, if nobody else keeps it as it is.</param>
    /// <param name="areSuspect">Whether the last Litestream ended while nobody kept the logs as they were; it may have missed a part of them.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    public async Task<LogHold> HoldLogsAsync(
        IReadOnlyList<(string Path, string StateFolder)> databases, TimeSpan timeout, TimeSpan maxHold, bool areSuspect, CancellationToken cancellationToken)
    {
        var requests = Requests("hold-log", databases, (writer, database) =>
        {
            writer.WriteString("path", database.Path);
            writer.WriteString("state", database.StateFolder);
            writer.WriteNumber("seconds", maxHold.TotalSeconds);
            writer.WriteBoolean("suspect", areSuspect);
        });
        return await HoldAsync(requests, [.. databases.Select(database => database.Path)], timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Keeps write-ahead logs from beginning again while a Litestream that has read them ends: it lets go of them before it reads them for the
    /// last time.
    /// </summary>
    /// <param name="paths">The database files.</param>
    /// <param name="timeout">How long all of them may take.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    public Task<LogHold> KeepLogsAsync(IReadOnlyList<string> paths, TimeSpan timeout, CancellationToken cancellationToken) =>
        HoldAsync(Requests("hold-log", paths, (writer, path) => writer.WriteString("path", path)), paths, timeout, cancellationToken);

    private async Task<LogHold> HoldAsync(ReadOnlyMemory<byte> requests, IReadOnlyList<string> paths, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var more = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
        var (answers, child) = await AskAsync<(string Path, string? Error, string? Blocked)>(
            requests,
            paths,
            timeout,
            (path, json) => (path, null, json.TryGetProperty("blocked", out var why) ? why.GetString() : null),
            (path, error) => (path, error, null),
            more.Reader,
            cancellationToken).ConfigureAwait(false);
        return new LogHold(
            answers.Where(answer => answer.Error is not null).ToImmutableDictionary(answer => answer.Path, answer => answer.Error!, StringComparer.Ordinal),
            answers.Where(answer => answer.Blocked is not null).ToImmutableDictionary(answer => answer.Path, answer => answer.Blocked!, StringComparer.Ordinal),
            child,
            more.Writer);
    }

    /// <summary>A request to the program.</summary>
    /// <param name="command">What it is to do.</param>
    /// <param name="write">Writes the rest of it.</param>
    public static ReadOnlyMemory<byte> Request(string command, Action<Utf8JsonWriter> write) => Requests(command, [write], (writer, item) => item(writer));

    /// <summary>Takes SQLite's exclusive lock on a database, which nobody gets while anybody has it open with a write-ahead log.</summary>
    /// <param name="path">The database file.</param>
    /// <param name="timeout">How long it may take.</param>
    public async Task<FileHold> LockAsync(string path, TimeSpan timeout)
    {
        var more = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
        var isBusy = false;
        var (errors, child) = await AskAsync(
            Requests("lock", [path], (writer, it) => writer.WriteString("path", it)),
            [path],
            timeout,
            (_, json) => (isBusy = json.GetProperty("busy").GetBoolean()) ? "it is open" : null,
            string? (_, error) => error,
            more.Reader,
            CancellationToken.None).ConfigureAwait(false);
        return new FileHold(errors[0], isBusy, child, more.Writer);
    }

    /// <summary>Starts a run of it for one drill.</summary>
    /// <param name="isInBackground">Whether it has the lowest priority.</param>
    /// <exception cref="SqliteProgramException">There is no such program, or it could not be started.</exception>
    public DrillProgram StartDrill(bool isInBackground = true) => IsThere ? new DrillProgram(commandLine, environment, isInBackground) : throw new SqliteProgramException("there is no program that can read SQLite files");

    /// <summary>Has SQLite check a database that nobody writes to, all of it.</summary>
    /// <param name="path">The database file.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>What is wrong with it, in SQLite's words; null if nothing is.</returns>
    public async Task<string?> CheckAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var program = StartDrill(isInBackground: false);
            return (await program.CompareAsync(path, copy: null, cancellationToken).ConfigureAwait(false)).Fault;
        }
        catch (SqliteProgramException ex)
        {
            return ex.Message;
        }
    }

    /// <summary>Looks whether databases hold nothing besides what Litestream makes itself.</summary>
    /// <param name="paths">The database files.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>For each path whether it does, and why that is not known, in SQLite's words; null if it is.</returns>
    public Task<IReadOnlyList<(bool IsEmpty, string? Error)>> AreEmptyAsync(IReadOnlyList<string> paths, CancellationToken cancellationToken) => RunAsync<(bool, string?)>(
        "is-empty", paths, LookTimeout, (_, json) => (json.GetProperty("isEmpty").GetBoolean(), null), (_, error) => (false, error), cancellationToken);

    /// <summary>
    /// Brings a restored database into a file that is there, in one transaction: every connection that is open there sees either what was
    /// there before or all of it.
    /// </summary>
    /// <param name="restored">The restored file, to which nobody writes.</param>
    /// <param name="path">The file that gets its content.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>Why it could not, in SQLite's words; null if it could. Then nothing was changed.</returns>
    public async Task<string?> FillAsync(string restored, string path, CancellationToken cancellationToken) => (await AskAsync<string?>(
        Requests("fill", [path], (writer, it) =>
        {
            writer.WriteString("path", it);
            writer.WriteString("restored", restored);
        }),
        [path],
        Timeout.InfiniteTimeSpan,
        (_, _) => null,
        (_, error) => error,
        moreRequests: null,
        cancellationToken).ConfigureAwait(false)).Answers[0];

    private static HeaderLook ReadLook(string path, JsonElement json)
    {
        var file = json.GetProperty("file");
        var header = json.GetProperty("header");
        var index = json.GetProperty("index");
        return new HeaderLook(
            path,
            new LookedAtFile(file.GetProperty("inode").GetUInt64(), file.GetProperty("size").GetInt64(), file.GetProperty("modified").GetInt64()),
            header.ValueKind == JsonValueKind.Null ? null : new DatabaseHeader(
                header.GetProperty("pageSize").GetInt32(),
                header.GetProperty("isWal").GetBoolean(),
                header.GetProperty("changeCounter").GetUInt32(),
                header.GetProperty("pageCount").GetUInt32(),
                header.GetProperty("schemaCookie").GetUInt32()),
            index.ValueKind == JsonValueKind.Null ? null : new WalIndex(
                index.GetProperty("frames").GetUInt32(),
                index.GetProperty("pageCount").GetUInt32(),
                index.GetProperty("salt").GetString()!,
                index.GetProperty("backfilled").GetUInt32(),
                index.GetProperty("attempted").GetUInt32(),
                index.GetProperty("isCheckpointing").GetBoolean()),
            null);
    }

    private async Task<IReadOnlyList<T>> RunAsync<T>(
        string command,
        IReadOnlyList<string> paths,
        TimeSpan timeout,
        Func<string, JsonElement, T> read,
        Func<string, string, T> fail,
        CancellationToken cancellationToken) =>
        (await AskAsync(Requests(command, paths, (writer, path) => writer.WriteString("path", path)), paths, timeout, read, fail, null, cancellationToken).ConfigureAwait(false)).Answers;

    /// <summary>Runs the program once.</summary>
    /// <param name="requests">What it is to do with each path.</param>
    /// <param name="paths">The database files.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="read">Reads the answer for a path.</param>
    /// <param name="fail">Makes the result for a path that has no answer, with the reason.</param>
    /// <param name="moreRequests">What it is told later, which it does not answer; null if it is to end once it has answered.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>The answers, and the program; null if it could not be started.</returns>
    private async Task<(IReadOnlyList<T> Answers, ChildProcess? Child)> AskAsync<T>(
        ReadOnlyMemory<byte> requests,
        IReadOnlyList<string> paths,
        TimeSpan timeout,
        Func<string, JsonElement, T> read,
        Func<string, string, T> fail,
        ChannelReader<ReadOnlyMemory<byte>>? moreRequests,
        CancellationToken cancellationToken)
    {
        if (!IsThere)
        {
            return ([.. paths.Select(path => fail(path, "there is no program that can read SQLite files"))], null);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = time.CreateTimer(_ => deadline.Cancel(), null, timeout, Timeout.InfiniteTimeSpan);
        var maxBytes = (int)Math.Min((long)MaxAnswerBytes * paths.Count, Array.MaxLength);
        var output = new BoundedOutput(maxBytes);
        var errors = new BoundedOutput(maxBytes);
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var unanswered = paths.Count;
        ChildProcess child;
        try
        {
            child = ChildProcess.Start(
                commandLine[0],
                [.. commandLine.Skip(1)],
                environment,
                requests,
                KeepOutput,
                errors.Keep,
                endsWithOutput: true,
                moreRequests);
            using var killing = deadline.Token.Register(() => child.SendToGroup(LibC.SIGKILL));
            await Task.WhenAny(moreRequests is null ? child.Exited : answered.Task, child.Exited).ConfigureAwait(false);
            if (child.Exited.IsCompleted)
            {
                await child.OutputEnded.ConfigureAwait(false);
            }
        }
        catch (Win32Exception ex)
        {
            return ([.. paths.Select(path => fail(path, ex.Message))], null);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            child.SendToGroup(LibC.SIGKILL);
            cancellationToken.ThrowIfCancellationRequested();
        }

        var lines = output.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var failure = deadline.IsCancellationRequested
            ? string.Create(CultureInfo.InvariantCulture, $"it was not answered within {timeout.TotalSeconds:0.#} s")
            : errors.Text.Trim().Split('\n')[^1] is { Length: > 0 } said ? said : "the program that reads SQLite files ended early";
        return ([.. paths.Select((path, i) => i < lines.Length ? Read(path, lines[i]) : fail(path, failure))], child);

        // Runs on the thread that reads the output.
        void KeepOutput(ReadOnlyMemory<byte> piece)
        {
            output.Keep(piece);
            unanswered -= piece.Span.Count((byte)'\n');
            if (unanswered <= 0)
            {
                answered.TrySetResult();
            }
        }

        T Read(string path, string line)
        {
            try
            {
                var json = JsonElement.Parse(line);
                return json.TryGetProperty("error", out var error) ? fail(path, error.GetString()!) : read(path, json);
            }
            catch (Exception ex) when (ex is JsonException or InvalidOperationException or KeyNotFoundException)
            {
                // It is cut off, or another program's.
                return fail(path, failure);
            }
        }
    }

    private static ReadOnlyMemory<byte> Requests<T>(string command, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        var requests = new ArrayBufferWriter<byte>();
        foreach (var item in items)
        {
            using (var writer = new Utf8JsonWriter(requests))
            {
                writer.WriteStartObject();
                writer.WriteString("do", command);
                write(writer, item);
                writer.WriteEndObject();
            }

            requests.Write("\n"u8);
        }

        return requests.WrittenMemory;
    }
}
