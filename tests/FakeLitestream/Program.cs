// A program that stands in for Litestream where the real one would not fail on demand. It behaves as the words in the
// environment variable FAKE_LITESTREAM say:
//
//   version=0.3.13        what `version` prints; 0.5.17 without it
//   starts=FILE           adds a line to FILE at every start of `replicate`
//   config=FILE           writes what came on standard input to FILE
//   fail                  says why and ends with exit code 1 instead of becoming ready
//   fail-from=N           the same, from the Nth start on (needs starts=FILE)
//   never-ready           runs, but opens no control socket
//   silent                logs nothing at level INFO
//   mute-after=N          answers N questions on the control socket, and none after that
//   ignore-sigterm        has to be killed
//   exit-code=N           how it ends on SIGTERM; 0 without it
//   says=TEXT             prints TEXT when it handles SIGTERM
//   log=TEXT              logs TEXT at level ERROR before it is ready
//   db-error=TEXT         logs TEXT at level ERROR about each database before it is ready
//   never-synced          has brought no database to its replica, and never does
//   slow-replica=N        the first N syncs of a database find nothing at its replica yet
//   ltx=BYTES             leaves a transaction of this size beside the first database when it syncs it, of twice the size beside the second, …
//   hold-syncs=FILE       answers no request for a sync while there is FILE
//   sync-fails=FILE       answers requests for a sync with an error while there is FILE
//   no-list               lists no databases, as Go writes that
//   requests=FILE         adds the path of every request on the control socket to FILE
//   syncs=FILE            adds the body of every request for a sync to FILE

using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

var words = (Environment.GetEnvironmentVariable("FAKE_LITESTREAM") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
var version = Value("version") ?? "0.5.17";
if (args is ["version"])
{
    Console.WriteLine(version);
    return 0;
}

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

if (words.Contains("fail") || (Value("fail-from") is { } first && start >= int.Parse(first)))
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
if (Value("db-error") is { } databaseError)
{
    databases.ForEach(path => Log("ERROR", databaseError, path));
}

if (!words.Contains("never-ready"))
{
    if (version.StartsWith("0.5", StringComparison.Ordinal))
    {
        var path = Regex.Match(configuration, "^socket:\n(?:  .*\n)*?  path: \"(.*)\"$", RegexOptions.Multiline).Groups[1].Value;
        File.Delete(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        Log("INFO", "control socket listening", path);
        _ = Task.Run(() => ServeAsync(listener));
    }

    foreach (var database in databases)
    {
        Log("INFO", "initialized db", database);
    }
}

var exitCode = await ended.Task;
if (exitCode == 0)
{
    Log("INFO", "litestream shut down");
}

return exitCode;

string? Value(string name) =>
    words.FirstOrDefault(word => word.StartsWith($"{name}=", StringComparison.Ordinal))?[(name.Length + 1)..];

void Log(string level, string message, string? path = null)
{
    if (level == "INFO" && words.Contains("silent"))
    {
        return;
    }

    var line = new JsonObject { ["time"] = DateTimeOffset.UtcNow.ToString("O"), ["level"] = level, ["msg"] = message };
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
        lock (databases)
        {
            File.AppendAllLines(file, [line]);
        }
    }
}

// As Litestream 0.5.17 answers: the replica's position follows a moment after a change was taken.
JsonObject Sync(string path)
{
    const int txid = 7;
    var count = syncCounts.AddOrUpdate(path, 1, (_, before) => before + 1);
    if (Value("ltx") is { } bytes)
    {
        var folder = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}-litestream", "ltx", "0");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, $"{txid:x16}-{txid:x16}.ltx"), new byte[int.Parse(bytes) * (1 + databases.IndexOf(path))]);
    }

    return new JsonObject
    {
        ["status"] = count == 1 ? "synced_local" : "no_change",
        ["path"] = path,
        ["txid"] = txid,
        ["replicated_txid"] = words.Contains("never-synced") || count <= int.Parse(Value("slow-replica") ?? "0") ? 0 : txid,
    };
}

JsonObject Listed(string path)
{
    // Go leaves out what there is not.
    var listed = new JsonObject { ["path"] = path, ["status"] = "replicating" };
    if (!words.Contains("never-synced"))
    {
        listed["last_sync_at"] = DateTimeOffset.UtcNow.ToString("O");
    }

    return listed;
}

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

            var address = request.Split(' ')[1].Split('?')[0];
            Note("requests", address);
            if (address == "/sync")
            {
                Note("syncs", new string(content));
            }

            if (Interlocked.Decrement(ref answersLeft) < 0)
            {
                await Task.Delay(Timeout.Infinite);
            }

            while (address == "/sync" && Value("hold-syncs") is { } holding && File.Exists(holding))
            {
                await Task.Delay(5);
            }

            var fails = address == "/sync" && Value("sync-fails") is { } failing && File.Exists(failing);
            var body = (address switch
            {
                "/sync" when fails => new JsonObject { ["error"] = "sync database: database is locked" },
                "/sync" => Sync((string)JsonNode.Parse(new string(content))!["path"]!),
                "/list" => new JsonObject { ["databases"] = words.Contains("no-list") ? null : new JsonArray([.. databases.Select(path => (JsonNode)Listed(path))]) },
                _ => new JsonObject { ["version"] = version, ["pid"] = Environment.ProcessId },
            }).ToJsonString();
            await stream.WriteAsync(Encoding.UTF8.GetBytes(
                $"HTTP/1.1 {(fails ? "500 Internal Server Error" : "200 OK")}\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));
        }
    }
}
