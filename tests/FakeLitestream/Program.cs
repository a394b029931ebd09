// A stand-in for Litestream, for faults that the real one does not produce on demand. The environment variable
// FAKE_LITESTREAM contains its options:
//
//   version=0.3.13        the output of `version`; 0.5.17 by default
//   starts=FILE           adds a line to FILE at every start of `replicate`
//   config=FILE           writes its standard input to FILE
//   fail                  prints a reason and ends with exit code 1 instead of becoming ready
//   fail-from=N           the same, from the Nth start on (needs starts=FILE)
//   never-ready           runs, but opens no control socket
//   never-ready-from=N    the same, from the Nth start on (needs starts=FILE)
//   refused=FILE          the destinations of the databases whose paths are the lines of FILE refuse: it ends at its start
//   cause=TEXT            what a destination that refuses says
//   unanswered=FILE       those destinations never answer: it is never ready
//   asked=FILE            adds the path of every database that `ltx` is about to FILE
//   silent                logs nothing at level INFO
//   mute-after=N          answers only the first N requests on the control socket
//   ignore-sigterm        ignores SIGTERM and must be killed
//   exit-code=N           the exit code on SIGTERM; 0 by default
//   ends-by-signal=FILE   on SIGTERM, adds a line to FILE, and is ended by the next one
//   says=TEXT             prints TEXT when it handles SIGTERM
//   log=TEXT              logs TEXT at level ERROR before it is ready
//   db-error=TEXT         logs TEXT at level ERROR about each database before it is ready
//   never-synced          never uploads anything
//   slow-replica=N        the first N syncs of a database find nothing at its replica yet
//   ltx=BYTES             writes an LTX file of this size when it syncs the first database, of twice the size for the second, …
//   hold-syncs=FILE       answers no sync request while FILE exists
//   sync-fails=FILE       answers sync requests with an error while FILE exists
//   unregister-fails=FILE answers requests to leave a database alone with an error while FILE exists, after it has left it alone
//   no-list               lists no databases
//   requests=FILE         adds the path of every request on the control socket to FILE
//   syncs=FILE            adds the body of every sync request to FILE
//   registered=FILE       adds the body of every request to take in a database, or to leave one alone, to FILE
//
// On the control socket it answers as Litestream 0.5.17 does, which a test checks; other requests get a 404.
// All times that it reports are local, as Litestream's are: two hours ahead of UTC, wherever the tests run.

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

var words = (Environment.GetEnvironmentVariable("FAKE_LITESTREAM") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
var version = Value("version") ?? "0.5.17";
if (args is ["version"])
{
    Console.WriteLine(version);
    return 0;
}

if (args is ["ltx", .., var asked])
{
    Note("asked", asked);
    if (Lines("unanswered").Contains(asked))
    {
        await Task.Delay(Timeout.Infinite);
    }

    if (Lines("refused").Contains(asked))
    {
        Console.Error.WriteLine($"Error: {Value("cause") ?? "refused"}");
        return 1;
    }

    Console.WriteLine("[]");
    return 0;
}

var startedAt = LocalTime();
var seen = new ConcurrentDictionary<string, string>();
var failures = new ConcurrentDictionary<string, string>();
var syncCounts = new ConcurrentDictionary<string, int>();
var configuration = await Console.In.ReadToEndAsync();
if (Value("config") is { } configurationFile)
{
    await File.WriteAllTextAsync(configurationFile, configuration);
}

var start = 1;
if (Value("starts") is { } startsFile)
{
    await File.AppendAllTextAsync(startsFile, $"{Environment.ProcessId}\n");
    start = File.ReadAllLines(startsFile).Length;
}

if (Value("log") is { } text)
{
    Log("ERROR", text);
}

if (IsTold("fail"))
{
    Console.Error.WriteLine("Error: told to fail");
    return 1;
}

var ended = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
{
    context.Cancel = true;
    if (!words.Contains("ignore-sigterm"))
    {
        ended.TrySetResult(int.Parse(Value("exit-code") ?? "0"));
    }
});

if (Value("says") is { } said)
{
    Console.WriteLine(said);
}

var databases = Regex.Matches(configuration, "^- path: \"(.*)\"$", RegexOptions.Multiline).Select(match => match.Groups[1].Value).ToList();
if (databases.FirstOrDefault(Lines("refused").Contains) is { } refused)
{
    Console.Error.WriteLine($"Error: cannot open store: initialize replica client for {JsonSerializer.Serialize(refused)}: {Value("cause") ?? "refused"}");
    return 1;
}

if (Value("db-error") is { } databaseError)
{
    databases.ForEach(path => Log("ERROR", databaseError, path));
}

if (!IsTold("never-ready") && !databases.Any(Lines("unanswered").Contains))
{
    if (version.StartsWith("0.5", StringComparison.Ordinal))
    {
        var path = Regex.Match(configuration, "^socket:\n(?:  .*\n)*?  path: \"(.*)\"$", RegexOptions.Multiline).Groups[1].Value;
        File.Delete(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        Log("INFO", "control socket listening", path, "server");
        _ = Task.Run(() => ServeAsync(listener));
    }

    foreach (var database in databases)
    {
        Log("INFO", "initialized db", database);
    }
}

var exitCode = await ended.Task;
Log("INFO", "signal received, litestream shutting down");
if (Value("ends-by-signal") is not null)
{
    onTerminate.Dispose();
    Note("ends-by-signal", "handled");
    await Task.Delay(Timeout.Infinite);
}

if (exitCode == 0)
{
    Log("INFO", "litestream shut down");
}

return exitCode;

string? Value(string name) =>
    words.FirstOrDefault(word => word.StartsWith($"{name}=", StringComparison.Ordinal))?[(name.Length + 1)..];

// Whether it is told to do that at this start.
bool IsTold(string what) => words.Contains(what) || (Value($"{what}-from") is { } first && start >= int.Parse(first));

string[] Lines(string name) => Value(name) is { } file && File.Exists(file) ? File.ReadAllLines(file) : [];

DateTimeOffset LocalTime() => DateTimeOffset.UtcNow.ToOffset(TimeSpan.FromHours(2));

void Log(string level, string message, string? path = null, string? system = null)
{
    if (level == "INFO" && words.Contains("silent"))
    {
        return;
    }

    var line = new JsonObject { ["time"] = LocalTime(), ["level"] = level, ["msg"] = message };
    if (system is not null)
    {
        line["system"] = system;
    }

    if (path is not null)
    {
        line["path"] = path;
    }

    Console.Error.WriteLine(line.ToJsonString());
}

void Note(string name, string line)
{
    if (Value(name) is { } file)
    {
        lock (words)
        {
            File.AppendAllLines(file, [line]);
        }
    }
}

// The last transaction that it has synced, and the last one at the replica, which follows a moment later.
(int Taken, int Replicated) Transactions(string path)
{
    const int txid = 7;
    var count = syncCounts.GetValueOrDefault(path);
    return (txid, words.Contains("never-synced") || count <= int.Parse(Value("slow-replica") ?? "0") ? 0 : txid);
}

Answer Sync(string content)
{
    if (PathIn(content) is not { } path)
    {
        return new Answer(HttpStatusCode.BadRequest, new JsonObject { ["error"] = "invalid request body", ["details"] = "not JSON" });
    }

    if (path.Length == 0)
    {
        return Fails(HttpStatusCode.BadRequest, "path required");
    }

    if (!databases.Contains(path))
    {
        return Fails(HttpStatusCode.NotFound, $"database not found: {path}");
    }

    if (Value("sync-fails") is { } failing && File.Exists(failing))
    {
        const string error = "sync database: database is locked";
        failures[path] = error;
        return Fails(HttpStatusCode.InternalServerError, error);
    }

    failures.TryRemove(path, out _);

    syncCounts.AddOrUpdate(path, 1, (_, before) => before + 1);
    var now = string.Join(' ', new[] { path, $"{path}-wal" }.Select(name => new FileInfo(name)).Select(file => file.Exists ? $"{file.Length} {file.LastWriteTimeUtc:O}" : ""));
    var isChanged = seen.GetValueOrDefault(path) != now;
    seen[path] = now;
    var (taken, replicated) = Transactions(path);
    if (Value("ltx") is { } bytes)
    {
        LeaveTransaction(path, taken, int.Parse(bytes) * (1 + databases.IndexOf(path)));
    }

    return new Answer(HttpStatusCode.OK, new JsonObject
    {
        ["status"] = isChanged ? "synced_local" : "no_change",
        ["path"] = path,
        ["txid"] = taken,
        ["replicated_txid"] = replicated,
    });
}

static string? PathIn(string content)
{
    try
    {
        return (string?)JsonNode.Parse(content)!["path"] ?? "";
    }
    catch (JsonException)
    {
        return null;
    }
}

// Written atomically, as Litestream does.
void LeaveTransaction(string path, int txid, int bytes)
{
    var folder = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}-litestream", "ltx", "0");
    Directory.CreateDirectory(folder);
    var file = Path.Combine(folder, $"{txid:x16}-{txid:x16}.ltx");
    lock (databases)
    {
        if (!File.Exists(file))
        {
            File.WriteAllBytes($"{file}.tmp", new byte[bytes]);
            File.Move($"{file}.tmp", file);
        }
    }
}

JsonObject Listed(string path)
{
    // Go omits empty values.
    var listed = new JsonObject { ["path"] = path, ["status"] = "replicating" };
    if (!words.Contains("never-synced"))
    {
        listed["last_sync_at"] = LocalTime();
    }

    return listed;
}

JsonObject Diagnosed(string path)
{
    var diagnosed = new JsonObject
    {
        ["path"] = path,
        ["active"] = false,
        ["operation"] = "sync",
        ["phase"] = "update_metrics",
        ["started_at"] = startedAt,
        ["updated_at"] = LocalTime(),
        ["elapsed_seconds"] = 0.00023,
        ["txid"] = Transactions(path).Taken,
        ["last_synced_wal_offset"] = 16512,
    };
    if (failures.TryGetValue(path, out var error))
    {
        diagnosed["phase"] = "verify";
        diagnosed["wal_size"] = 16512;
        diagnosed["error"] = error;
    }

    return diagnosed;
}

Answer Reply(string method, string address, string query, string content)
{
    var known = address switch
    {
        "/sync" or "/register" or "/unregister" => "POST",
        "/info" or "/list" or "/txid" or "/debug/sync-status" => "GET",
        _ => null,
    };
    if (known is null)
    {
        return new Answer(HttpStatusCode.NotFound, null, "404 page not found\n");
    }

    if (method != known)
    {
        return new Answer(HttpStatusCode.MethodNotAllowed, null, "Method Not Allowed\n");
    }

    var path = query.Split('&').FirstOrDefault(part => part.StartsWith("path=", StringComparison.Ordinal)) is { } named
        ? Uri.UnescapeDataString(named["path=".Length..].Replace('+', ' '))
        : "";
    return address switch
    {
        "/sync" => Sync(content),
        "/register" => Register(content),
        "/unregister" => Unregister(content),
        "/list" => Succeeds(new JsonObject { ["databases"] = new JsonArray([.. words.Contains("no-list") ? [] : databases.Select(Listed)]) }),
        "/txid" when path.Length == 0 => Fails(HttpStatusCode.BadRequest, "path required"),
        "/txid" when databases.Contains(path) => Succeeds(new JsonObject { ["txid"] = Transactions(path).Taken }),
        "/debug/sync-status" when path.Length == 0 || databases.Contains(path) => Succeeds(new JsonObject
        {
            ["databases"] = new JsonArray([.. databases.Where(database => path.Length == 0 || database == path).Select(Diagnosed)]),
        }),
        "/txid" or "/debug/sync-status" => Fails(HttpStatusCode.NotFound, "database not found"),
        _ => Succeeds(new JsonObject
        {
            ["version"] = version,
            ["pid"] = Environment.ProcessId,
            ["uptime_seconds"] = (int)(LocalTime() - startedAt).TotalSeconds,
            ["started_at"] = startedAt,
            ["database_count"] = databases.Count,
        }),
    };
}

// Litestream answers the same for a file that is not there.
Answer Register(string content)
{
    var path = PathIn(content)!;
    lock (databases)
    {
        var isNew = !databases.Contains(path);
        if (isNew)
        {
            databases.Add(path);
        }

        return Succeeds(new JsonObject { ["status"] = isNew ? "registered" : "already_registered", ["path"] = path });
    }
}

Answer Unregister(string content)
{
    var path = PathIn(content)!;
    lock (databases)
    {
        var wasKnown = databases.Remove(path);
        return Value("unregister-fails") is { } failing && File.Exists(failing)
            ? Fails(HttpStatusCode.InternalServerError, "failed to unregister database: close db: told to fail")
            : Succeeds(new JsonObject { ["status"] = wasKnown ? "unregistered" : "already_unregistered", ["path"] = path, ["txid"] = Transactions(path).Taken });
    }
}

Answer Succeeds(JsonObject body) => new(HttpStatusCode.OK, body);

Answer Fails(HttpStatusCode status, string error) => new(status, new JsonObject { ["error"] = error });

async Task ServeAsync(Socket listener)
{
    var answersLeft = int.Parse(Value("mute-after") ?? int.MaxValue.ToString());
    while (true)
    {
        var connection = await listener.AcceptAsync();
        _ = Task.Run(() => AnswerAsync(connection));
    }

    async Task AnswerAsync(Socket connection)
    {
        using var stream = new NetworkStream(connection, ownsSocket: true);
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync() is { } request)
        {
            char[] content = [];
            while (await reader.ReadLineAsync() is { Length: > 0 } header)
            {
                if (header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                {
                    content = new char[int.Parse(header["Content-Length:".Length..])];
                }
            }

            // Even none would be waited for.
            if (content.Length > 0 && await reader.ReadBlockAsync(content) < content.Length)
            {
                return;
            }

            var parts = request.Split(' ')[1].Split('?', 2);
            var address = parts[0];
            Note("requests", address);
            if (address == "/sync")
            {
                Note("syncs", new string(content));
            }
            else if (address is "/register" or "/unregister")
            {
                Note("registered", $"{address} {new string(content)}");
            }

            if (Interlocked.Decrement(ref answersLeft) < 0)
            {
                await Task.Delay(Timeout.Infinite);
            }

            while (address == "/sync" && Value("hold-syncs") is { } holding && File.Exists(holding))
            {
                await Task.Delay(5);
            }

            var answer = Reply(request.Split(' ')[0], address, parts.Length > 1 ? parts[1] : "", new string(content));
            var body = answer.Json is { } json ? json.ToJsonString() + "\n" : answer.Text;
            var type = answer.Json is null ? "text/plain; charset=utf-8" : "application/json";
            await stream.WriteAsync(Encoding.UTF8.GetBytes(
                $"HTTP/1.1 {(int)answer.Status} {answer.Status}\r\nContent-Type: {type}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));
        }
    }
}

internal sealed record Answer(HttpStatusCode Status, JsonObject? Json, string Text = "");
