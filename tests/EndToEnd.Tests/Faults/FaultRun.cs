using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using CliWrap;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// One run with a fault: a Datasette with the real Litestream, a writer for each database, and an observer. A scenario starts it,
/// makes the fault, and tells what is to be seen; what is not is noted, and the run goes on. In the end everything that was said
/// since the fault is held against a restore of the backup of that moment.
/// </summary>
internal sealed partial class FaultRun : IAsyncDisposable
{
    /// <summary>How often each scenario runs; 1 if this variable is not set.</summary>
    public const string RunsVariable = "DATASETTE_LITESTREAM_FAULT_RUNS";

    private readonly string _title;
    private readonly List<string> _problems = [];
    private readonly List<IDisposable> _owned = [];
    private readonly List<WrittenDatabase> _databases = [];
    private readonly Dictionary<string, IBackupCopies> _backups = [];
    private readonly List<Process> _others = [];
    private readonly FaultTimes _faults = new();
    private readonly List<double> _secondsToRed = [];
    private readonly List<double> _secondsToGreen = [];
    private FaultOptions _options = new();
    private Func<string, string, IBackupCopies> _backupOf = null!;
    private Observer? _observer;
    private DateTimeOffset _brokenAt = DateTimeOffset.MaxValue;
    private DateTimeOffset _mendedAt;
    private DateTimeOffset _seenAt;

    private FaultRun(string title) => _title = title;

    public Workspace Workspace { get; } = new();

    public DatasetteProcess Datasette { get; private set; } = null!;

    /// <summary>The first database.</summary>
    public WrittenDatabase Parks => _databases[0];

    /// <summary>Everything that Datasette answered, in order.</summary>
    public IReadOnlyList<Answer> Answers => _observer?.Answers ?? [];

    /// <summary>What page and health check said, each time that it was something else, and in which second after the start.</summary>
    public IEnumerable<string> SecondBySecond
    {
        get
        {
            var last = new Dictionary<AnswerSource, string>();
            foreach (var answer in Answers.Where(answer => answer.Source is AnswerSource.Page or AnswerSource.Health))
            {
                if (last.GetValueOrDefault(answer.Source) != answer.Text)
                {
                    last[answer.Source] = answer.Text;
                    yield return string.Create(
                        CultureInfo.InvariantCulture, $"{(answer.AskedAt - Answers[0].AskedAt).TotalSeconds,6:0.0} s  {answer.Source}: {answer.Text}");
                }
            }
        }
    }

    /// <summary>The states of the databases, each time that they were others, and when.</summary>
    private IEnumerable<string> StateByState
    {
        get
        {
            var last = "";
            foreach (var answer in Answers.Where(answer => answer.Source == AnswerSource.Json))
            {
                var states = string.Join(", ", answer.Databases.Select(database => $"{database.Name} {database.State} {database.Code}"));
                if (states != last)
                {
                    last = states;
                    yield return string.Create(CultureInfo.InvariantCulture, $"{answer.AskedAt.UtcDateTime:HH:mm:ss.f} {states}");
                }
            }
        }
    }

    private string Litestream => _options.Litestream ?? RealParts.Litestream05;

    /// <summary>Runs a scenario as often as the variable wants it, and fails if any run did.</summary>
    public static async Task RunAsync(Func<FaultRun, Task> scenario, [CallerMemberName] string name = "")
    {
        var runs = int.Parse(Environment.GetEnvironmentVariable(RunsVariable) ?? "1", CultureInfo.InvariantCulture);
        var failures = new List<string>();
        for (var i = 1; i <= runs; i++)
        {
            await using var run = new FaultRun($"{name.Replace('_', ' ')}, run {i}");
            try
            {
                await scenario(run);
            }
            catch (Exception ex) when (!Skip.Is(ex))
            {
                run._problems.Add($"{ex.GetType().Name}: {ex.Message.ReplaceLineEndings(" ")}");
            }

            await run.CloseAsync();
            failures.AddRange(run._problems.Select(problem => $"run {i}: {problem}"));
        }

        Assert.IsEmpty(failures, $"\n{string.Join('\n', failures)}");
    }

    /// <summary>Keeps something until Datasette has ended.</summary>
    public T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    public WrittenDatabase Database(string name) => _databases.Single(database => database.Name == name);

    /// <summary>Starts Datasette, the writers and the observer.</summary>
    /// <param name="options">What with.</param>
    /// <param name="backupOf">Copies a database's backup; by default it is the folder <c>backup/NAME</c>.</param>
    public async Task StartAsync(FaultOptions options, Func<string, string, IBackupCopies>? backupOf = null)
    {
        _options = options;
        _backupOf = backupOf ?? ((name, copies) => new FolderCopies(Workspace.Backup(name), copies));
        foreach (var (name, file) in options.Databases)
        {
            var database = new WrittenDatabase(name, Workspace.Path(file));
            Directory.CreateDirectory(Path.GetDirectoryName(database.Path)!);
            database.BeginFile(options.Create?.Invoke(database) ?? database.Create(database.Path, options.Filler));
            var copies = Workspace.Path($"copies/{_databases.Count}");
            _backups[name] = _backupOf(name, copies);
            _databases.Add(database);
        }

        var environment = options.Environment.ToDictionary();
        environment["DATASETTE_LITESTREAM_BINARY"] = environment.GetValueOrDefault("DATASETTE_LITESTREAM_BINARY") ?? Litestream;
        var installation = DatasetteInstallation.Of(options.Datasette, DatasetteInstallation.Main.HasPythonNet);
        Datasette = await DatasetteProcess.StartAsync(
            Workspace,
            [
                .. options.Databases.Select(database => database.File),
                .. options.Destination is { } destination ? Settings.Set("all-replicate", destination) : [],
                .. Settings.Set("health-max-lag", $"{Answer.HealthMaxLag.TotalSeconds}"),
                .. Settings.Set("shutdown-timeout", "5s"),
                .. options.Arguments,
            ],
            environment,
            await PluginEnvironment.PythonAsync(installation));
        foreach (var database in _databases)
        {
            database.Start();
        }

        _observer = new Observer(Datasette.Http, _backups);
    }

    /// <summary>The same, to a folder, and waits until every database is green.</summary>
    public async Task StartGreenAsync(FaultOptions? options = null, Func<string, string, IBackupCopies>? backupOf = null)
    {
        await StartAsync(options ?? new(), backupOf);
        await AllGreenAsync();
    }

    /// <summary>The same, to an S3 server behind a proxy.</summary>
    /// <param name="options">What with; <c>{endpoint}</c> in an argument is that of the proxy. Without a destination, the arguments
    /// name one.</param>
    /// <param name="prepare">Makes a fault of the proxy that is there from the start; null for none.</param>
    public async Task<(S3Server Server, TcpProxy Proxy)> StartS3Async(FaultOptions? options = null, Action<TcpProxy>? prepare = null)
    {
        var server = Own(await S3Server.StartAsync());
        var proxy = Own(new TcpProxy(server.Endpoint));
        prepare?.Invoke(proxy);
        var key = await server.CreateKeyAsync();
        options ??= new();
        await StartAsync(
            options with
            {
                Destination = null,
                Arguments =
                [
                    .. options.Destination is null ? [] : Settings.Set("all-replicate", S3Server.Url("$DB_NAME", proxy.Endpoint)),
                    .. options.Arguments.Select(argument => argument.Replace("{endpoint}", proxy.Endpoint, StringComparison.Ordinal)),
                    .. S3Key.Options,
                ],
                Environment = options.Environment.Concat(key.Variables).ToDictionary(),
            },
            (name, copies) => options.InFolder.Contains(name) ? new FolderCopies(Workspace.Backup(name), copies) : new S3Copies(server, name, copies));
        return (server, proxy);
    }

    /// <summary>Waits until every database is green; nothing can be seen before that.</summary>
    public async Task AllGreenAsync()
    {
        foreach (var database in _databases)
        {
            await WaitForAsync("replicating", database.Name);
        }
    }

    /// <summary>Waits until a database is in one of some states, by an answer after the fault if there was one.</summary>
    /// <param name="states">A pattern of the states.</param>
    /// <param name="name">The database; the first one if null.</param>
    public async Task WaitForAsync(string states, string? name = null)
    {
        var seen = await FirstAsync(
            _mendedAt, DateTimeOffset.UtcNow + DatasetteProcess.Patience, answer => Of(answer, name ?? Parks.Name) is { } known && Regex.IsMatch(known.State, $"^({states})$"));
        if (seen is null)
        {
            Assert.Fail(await Datasette.DescribeAsync($"{name ?? Parks.Name} never was {states}: {Describe(_mendedAt, name: null)}; {_observer!.Unanswered} answers missing"));
        }
    }

    /// <summary>Makes the fault.</summary>
    /// <param name="fault">Makes it.</param>
    /// <param name="destroysBackup">Whether what was safe is not any more; an answer that was found out before that is fine.</param>
    public async Task BreakAsync(Func<Task> fault, bool destroysBackup = false)
    {
        var before = DateTimeOffset.UtcNow;
        await fault();
        _mendedAt = DateTimeOffset.UtcNow;
        _brokenAt = destroysBackup ? _mendedAt : before;
        _faults.Add(before, _mendedAt, destroysBackup);
    }

    /// <summary>The same.</summary>
    public Task BreakAsync(Action fault, bool destroysBackup = false) => BreakAsync(
        () =>
        {
            fault();
            return Task.CompletedTask;
        },
        destroysBackup);

    /// <summary>Sends a signal to the Litestream that Datasette has started.</summary>
    public void SignalLitestream(int signal) => Assert.AreEqual(0, Signals.Send(Workspace.Litestreams.Single(), signal));

    /// <summary>Replaces the first database's file: nothing is written meanwhile, and its connection is closed.</summary>
    /// <param name="replace">Replaces it.</param>
    /// <param name="rows">The rows of the new file; null for those that SQLite then finds, which may be others beside an old
    /// file's write-ahead log.</param>
    /// <param name="at">Where the new file is; at the same path if null.</param>
    public Task ReplaceAsync(Func<Task> replace, IReadOnlyList<long>? rows, string? at = null) => BreakAsync(async () =>
    {
        await Parks.StopAsync();
        await replace();
        Parks.BeginFile(rows ?? [.. RestoredBackup.Read(Parks.Path).Rows], at);
        Parks.Start();
    });

    /// <summary>Ends the cause of the fault.</summary>
    public void Mend(Action mend)
    {
        mend();
        _mendedAt = DateTimeOffset.UtcNow;
    }

    /// <summary>The same.</summary>
    public async Task MendAsync(Func<Task> mend)
    {
        await mend();
        _mendedAt = DateTimeOffset.UtcNow;
    }

    /// <summary>Goes on for some time.</summary>
    public Task LastAsync(double seconds) => FirstAsync(DateTimeOffset.MaxValue, DateTimeOffset.UtcNow.AddSeconds(seconds), _ => false);

    /// <summary>
    /// Runs a shell's command in the workspace. This process must not open or close a database file outside of SQLite itself,
    /// since that drops its locks.
    /// </summary>
    public async Task ShellAsync(string command) =>
        await Cli.Wrap("sh").WithArguments(["-c", command]).WithWorkingDirectory(Workspace.Folder).ExecuteAsync();

    /// <summary>Starts another Litestream, as an operator does who has forgotten that one, or on another machine.</summary>
    /// <param name="database">The file.</param>
    /// <param name="destination">The URL of its replica.</param>
    /// <param name="environment">Credentials, for S3.</param>
    public Process StartLitestream(string database, string destination, IReadOnlyDictionary<string, string?>? environment = null)
    {
        // Not in the workspace, whose Litestreams are Datasette's.
        var start = new ProcessStartInfo(Litestream, ["replicate", database, destination]) { WorkingDirectory = "/", RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _others.Add(process);
        return process;
    }

    /// <summary>Ends the run, and holds everything that was said since the fault against the backups.</summary>
    private async Task CloseAsync()
    {
        foreach (var database in _databases)
        {
            await database.StopAsync();
        }

        if (_observer is null)
        {
            return;
        }

        await _observer.StopAsync();
        try
        {
            await Datasette.DisposeAsync();
        }
        catch (InvalidOperationException ex)
        {
            _problems.Add(ex.Message);
        }

        var (checkedClaims, restores, belied) = await Judgement.OfAsync(
            _observer.Claimed.Where(claimed => _faults.CanBeBelied(claimed, _options.IsLookedAt)), Litestream, Database);
        if (belied.Count > 0)
        {
            _problems.Add($"{belied.Count} claims are belied, such as: {string.Join("; ", belied.Take(2).Append(belied[^1]).Distinct())}; the JSON: {string.Join("; ", StateByState)}");
        }

        var json = Answers.Where(answer => answer.Source == AnswerSource.Json).ToList();
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"fault: {_title}: {Answers.Count} answers ({_observer.Unanswered} missing), {json.Count(answer => answer.Databases.Any(database => database.IsGreen))} of {json.Count} JSON green, {checkedClaims} claims held against {restores} restores, {belied.Count} belied, {_databases.Sum(database => database.Committed)} rows, red after {Seconds(_secondsToRed)}, green after {Seconds(_secondsToGreen)}: {(_problems.Count == 0 ? "ok" : $"{_problems.Count} problems")}");
        Figures.Record(line);
        Console.WriteLine(line);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases)
        {
            await database.DisposeAsync();
        }

        if (_observer is not null)
        {
            await _observer.DisposeAsync();
        }

        foreach (var other in _others)
        {
            other.Kill();
            other.Dispose();
        }

        foreach (var owned in Enumerable.Reverse(_owned))
        {
            owned.Dispose();
        }

        Workspace.Dispose();
    }

    /// <summary>The first answer that is as expected; null if there is none in time.</summary>
    private async Task<Answer?> FirstAsync(DateTimeOffset since, DateTimeOffset deadline, Func<Answer, bool> isIt)
    {
        while (true)
        {
            var next = _observer!.NextRound;
            if (Answers.FirstOrDefault(answer => answer.AskedAt >= since && isIt(answer)) is { } found)
            {
                return found;
            }

            var left = deadline - DateTimeOffset.UtcNow;
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            await Task.WhenAny(next, Task.Delay(left));
        }
    }

    private static string Seconds(List<double> seconds) =>
        seconds.Count == 0 ? "–" : string.Join(" and ", seconds.Select(time => string.Create(CultureInfo.InvariantCulture, $"{time:0.0} s")));
}
