using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A running <c>datasette serve</c> with the plugin, on its own port.</summary>
internal sealed partial class DatasetteProcess : IAsyncDisposable
{
    /// <summary>The timeout for anything that a test waits for; no test measures with it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The least time between two requests for the status: each answer takes Datasette some milliseconds.</summary>
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMilliseconds(50);

    private const string Secret = "end-to-end";

    private static readonly ConcurrentDictionary<string, Task<Dictionary<string, string>>> RootHeaders = new();

    /// <summary>
    /// A start keeps a core busy for a second or two: more at once than there are cores would take as long together, and would leave those that
    /// serve nothing of the machine.
    /// </summary>
    private static readonly SemaphoreSlim Starts = new(Environment.ProcessorCount);

    private readonly string _python;
    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource<Uri> _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private DatasetteProcess(Workspace workspace, string python, Process process)
    {
        Workspace = workspace;
        _python = python;
        _process = process;
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.Exited += (_, _) => _serving.TrySetException(new InvalidOperationException("Datasette ended before it served"));
        process.EnableRaisingEvents = true;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Workspace Workspace { get; }

    public int Id => _process.Id;

    /// <summary>The address that signs a browser in as root, once.</summary>
    public string SignInPath => SignInLine().Match(Output).Value;

    /// <summary>The files mapped into its memory: programs and libraries.</summary>
    public IReadOnlySet<string> MappedFiles =>
        File.ReadLines($"/proc/{Id}/maps").Select(line => line.Split(' ', 6)[5].TrimStart()).Where(Path.IsPathRooted).ToHashSet();

    /// <summary>The most memory that it has had, in bytes: its resident set.</summary>
    public long PeakMemory => 1024 * long.Parse(
        File.ReadLines($"/proc/{Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    /// <summary>With the permissions of root.</summary>
    // uvicorn closes a connection that was idle for 5 s: one that is used at that moment is reset.
    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseCookies = false, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2) });

    /// <summary>All of its output.</summary>
    public string Output
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Starts Datasette with new databases, each of which is replicated to <c>backup/NAME</c>.</summary>
    public static Task<DatasetteProcess> ReplicateAsync(Workspace workspace, params string[] names)
    {
        _ = RealParts.Litestream;
        return StartAsync(workspace, [.. names.Select(name => workspace.Create(name)), .. Settings.ReplicateAll()]);
    }

    /// <summary>Starts Datasette and waits until it serves.</summary>
    /// <param name="workspace">Its working directory.</param>
    /// <param name="arguments">Database files and options.</param>
    /// <param name="environment">Added to this process's own; null removes a variable.</param>
    /// <param name="python">The environment's Python; by default the one with the wheel.</param>
    public static async Task<DatasetteProcess> StartAsync(
        Workspace workspace, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? python = null)
    {
        var datasette = await LaunchAsync(workspace, ["--root", "-p", "0", .. arguments], environment, python);
        await datasette.WaitUntilItServesAsync(Patience);
        return datasette;
    }

    /// <summary>Runs <c>scripts/demo</c>, with the Datasette on PATH, and waits until it serves.</summary>
    public static async Task<DatasetteProcess> DemoAsync(Workspace workspace)
    {
        var python = (DatasetteInstallation.OnPath ?? DatasetteInstallation.Main).Python;
        var demo = await LaunchAsync(
            workspace, python, Start(workspace, "bash", [Path.Combine(PluginEnvironment.RepositoryRoot, "scripts/demo"), "-p", "0"], environment: null));

        // It builds the plugin first.
        await demo.WaitUntilItServesAsync(Patience * 10);
        return demo;
    }

    /// <summary>Runs Datasette to its end, for a start that fails or <c>--get</c>.</summary>
    /// <returns>Its exit code and all of its output.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        Workspace workspace, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? python = null)
    {
        await using var datasette = await LaunchAsync(workspace, ["-p", "0", .. arguments], environment, python);
        _ = datasette._serving.Task.ContinueWith(_ => { }, TaskScheduler.Default);
        var served = datasette._serving.Task;
        var ended = datasette._process.WaitForExitAsync();
        await Task.WhenAny(served, ended).WaitAsync(Patience);
        Assert.IsFalse(served.IsCompletedSuccessfully, $"Datasette serves:\n{datasette.Output}");
        await ended.WaitAsync(Patience);
        return (datasette._process.ExitCode, datasette.Output);
    }

    /// <summary>Starts Datasette with all of its output in one file, as with <c>&gt; log 2&gt;&amp;1</c>.</summary>
    public static async Task<DatasetteProcess> LaunchIntoFileAsync(Workspace workspace, string file, IEnumerable<string> arguments, string python)
    {
        string[] options = ["-p", "0", .. arguments];
        var translated = DatasetteInstallation.Is10In(python) ? options : await StableOptions.FromAsync(workspace, options, python);
        return new DatasetteProcess(
            workspace,
            python,
            Start(workspace, "sh", ["-c", $"exec \"$0\" \"$@\" > {file} 2>&1", python, "-m", "datasette", .. translated], environment: null));
    }

    /// <summary>Sends a signal.</summary>
    public void Send(int signal) => Assert.AreEqual(0, Signals.Send(Id, signal));

    /// <summary>Sends a signal and waits for the end.</summary>
    /// <returns>How long it took.</returns>
    public async Task<TimeSpan> StopAsync(int signal = Signals.SIGTERM)
    {
        var started = Stopwatch.GetTimestamp();
        Send(signal);
        await WaitForExitAsync();
        return Stopwatch.GetElapsedTime(started);
    }

    /// <returns>The exit code.</returns>
    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>The content of <c>/-/litestream-status.json</c>.</summary>
    public async Task<JsonNode> StatusAsync() => JsonNode.Parse(await Http.GetStringAsync("/-/litestream-status.json"))!;

    /// <summary>Requests the status until it is as expected; fails, with the last one and Datasette's output, if it never is.</summary>
    public async Task<JsonNode> WaitForStatusAsync(Func<JsonNode, bool> isExpected, string what, TimeSpan? patience = null)
    {
        JsonNode? status = null;
        try
        {
            await Wait.UntilAsync(async () => isExpected(status = await StatusAsync()), $"the status says that {what}", patience, StatusInterval);
            return status!;
        }
        catch (AssertFailedException ex)
        {
            throw new AssertFailedException(Describe(status, ex.Message), ex);
        }
    }

    /// <summary>What Datasette tells now, and has printed; for the message of a test that failed.</summary>
    /// <param name="failure">What failed.</param>
    public async Task<string> DescribeAsync(string failure)
    {
        try
        {
            return Describe(await StatusAsync(), failure);
        }
        catch (Exception ex) when (ex is HttpRequestException or OperationCanceledException)
        {
            return $"{failure}\n{ex.Message}\n{Output}";
        }
    }

    private string Describe(JsonNode? status, string failure)
    {
        var output = Output.Split('\n').Where(line => !line.Contains("\" 200 OK", StringComparison.Ordinal));
        return $"{Outline(status)}\n{failure}\n{status?.ToJsonString()}\n{string.Join('\n', output)}";
    }

    /// <summary>A status in one line, for the start of a message that may be cut.</summary>
    private static string Outline(JsonNode? status) => status is null ? "no status" : string.Join(
        "; ",
        [
            $"Litestream is {status["state"]} after {status["litestream"]?["failures"]} failures; looked at {status["updated_at"]}, asked at {status["now"]}",
            .. (status["databases"]?.AsArray() ?? []).Select(one => $"{one!["name"]}: {one["state"]} {one["reason"]?.ToJsonString()} {one["error"]}".TrimEnd()),
        ]);

    /// <summary>Waits until a database is in a state.</summary>
    /// <param name="state">The state.</param>
    /// <param name="name">Its name; by default the one that is first at the time.</param>
    /// <returns>How long it took.</returns>
    public async Task<TimeSpan> WaitForDatabaseAsync(string state, string? name = null)
    {
        var started = Stopwatch.GetTimestamp();
        await WaitForStatusAsync(
            status => (string?)status["databases"]!.AsArray().First(database => name is null || (string?)database!["name"] == name)!["state"] == state,
            $"the database is {state}");
        return Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Inserts a row through Datasette: with its write API or, if it has none, with a writable query.</summary>
    public async Task InsertAsync(string database, string text)
    {
        if (!DatasetteInstallation.Is10In(_python))
        {
            using var form = new FormUrlEncodedContent([new("text", text)]);
            using var done = await Http.PostAsync($"/{database}/{StableOptions.InsertQuery}?_json=1", form);
            StringAssert.Contains(await done.Content.ReadAsStringAsync(), "\"ok\": true");
            return;
        }

        using var body = new StringContent(
            new JsonObject { ["row"] = new JsonObject { ["text"] = text } }.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await Http.PostAsync($"/{database}/rows/-/insert", body);
        Assert.AreEqual(201, (int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>
    /// Stops right after a row was written, and checks that this row and all others are in the restored database.
    /// </summary>
    public async Task AssertReplicatesAsync(string database, string? litestream = null)
    {
        await InsertAsync(database, "through Datasette");
        await StopAsync();
        await AssertAfterwardsAsync(() => Workspace.AssertRestoredAsync(database, litestream: litestream));
    }

    /// <summary>Checks something after its end; what it has said is in the message.</summary>
    public async Task AssertAfterwardsAsync(Func<Task> check)
    {
        try
        {
            await check();
        }
        catch (AssertFailedException ex)
        {
            throw new AssertFailedException($"{ex.Message}\n{Output}", ex);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        try
        {
            if (!_process.HasExited)
            {
                await StopAsync();
            }
        }
        catch (TimeoutException ex)
        {
            // It must not affect the next test.
            _process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"Datasette did not end within {Patience} of SIGTERM, and was killed:\n{Output}", ex);
        }
        finally
        {
            _process.Dispose();
        }
    }

    /// <summary>Starts Datasette, and does not wait until it serves; the options are those of Datasette 1.0.</summary>
    public static async Task<DatasetteProcess> LaunchAsync(
        Workspace workspace, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment, string? python)
    {
        python ??= await PluginEnvironment.PythonAsync();
        string[] options = [.. arguments];
        var translated = DatasetteInstallation.Is10In(python) ? options : await StableOptions.FromAsync(workspace, options, python);
        return await LaunchAsync(workspace, python, Start(workspace, python, ["-m", "datasette", .. translated], environment));
    }

    /// <summary>Launches what says on its output that it serves, or ends, when it is its turn.</summary>
    private static async Task<DatasetteProcess> LaunchAsync(Workspace workspace, string python, Process process)
    {
        await Starts.WaitAsync();
        try
        {
            var datasette = new DatasetteProcess(workspace, python, process);
            _ = datasette._serving.Task.ContinueWith(_ => Starts.Release(), TaskScheduler.Default);
            return datasette;
        }
        catch
        {
            Starts.Release();
            throw;
        }
    }

    private static Process Start(
        Workspace workspace, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workspace.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DATASETTE_SECRET"] = Secret;

        // Litestream would use it for S3.
        start.Environment.Remove("AWS_CA_BUNDLE");
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        return new Process { StartInfo = start };
    }

    private async Task WaitUntilItServesAsync(TimeSpan patience)
    {
        try
        {
            Http.BaseAddress = await _serving.Task.WaitAsync(patience);
        }
        catch (Exception ex)
        {
            await DisposeAsync();
            throw new InvalidOperationException($"{ex.Message}:\n{Output}", ex);
        }

        foreach (var (name, value) in await RootHeaders.GetOrAdd(_python, MakeRootHeadersAsync))
        {
            Http.DefaultRequestHeaders.Add(name, value);
        }
    }

    /// <summary>An API token if Datasette has them, otherwise a browser's cookie.</summary>
    private static async Task<Dictionary<string, string>> MakeRootHeadersAsync(string python)
    {
        if (DatasetteInstallation.Is10In(python))
        {
            var token = await PluginEnvironment.RunAsync(python, "-m", "datasette", "create-token", "root", "--secret", Secret);
            return new() { ["Authorization"] = $"Bearer {token.Trim()}" };
        }

        // With an Authorization header, Datasette accepts a POST without a CSRF token, since the request does not come from a
        // page in a browser.
        return new() { ["Cookie"] = await SignCookieAsync(python, "root"), ["Authorization"] = "Bearer none" };
    }

    private void Note(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_errors)
        {
            _errors.AppendLine(line);
        }

        if (ServingLine().Match(line) is { Success: true } match)
        {
            _serving.TrySetResult(new Uri(match.Value));
        }
    }

    // As uvicorn says it, and as gunicorn does.
    [GeneratedRegex(@"http://127\.0\.0\.1:[1-9][0-9]*(?= \((Press CTRL\+C|[0-9]+\)))")]
    private static partial Regex ServingLine();

    [GeneratedRegex(@"/-/auth-token\?token=[0-9a-f]+")]
    private static partial Regex SignInLine();
}
