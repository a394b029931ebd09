using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Configuration;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>
/// The fixture for tests of the daemon: a folder, a clock, a log and a stand-in for Litestream. Dispose stops all supervisors,
/// and fails if a process that they started is still running.
/// </summary>
internal sealed class DaemonFixture : IDisposable
{
    public static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(10);

    private readonly List<Supervisor> _supervisors = [];

    public DaemonFixture(TimeProvider? logClock = null) => Log = new LitestreamLog(logClock ?? Clock);

    public TemporaryFolder Folder { get; } = new();

    public TestClock Clock { get; } = new();

    public LitestreamLog Log { get; }

    /// <summary>tests/FakeLitestream, as built beside these tests.</summary>
    public static string FakeLitestream => Path.Combine(
        AppContext.BaseDirectory.Replace(typeof(DaemonFixture).Assembly.GetName().Name!, nameof(FakeLitestream), StringComparison.Ordinal), nameof(FakeLitestream));

    private StartedProcesses Processes => new(Folder["starts"]);

    public string Database => Folder["a.db"];

    /// <summary>The ids of all started processes, in order.</summary>
    public IReadOnlyList<int> Started => Processes.Ids;

    /// <summary>This process's environment, with the options of FakeLitestream.</summary>
    public static Dictionary<string, string> Variables(string words)
    {
        // Any of these may name the runtime that FakeLitestream needs.
        var variables = Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name is "PATH" or "HOME" || name.StartsWith("DOTNET", StringComparison.Ordinal))
            .ToDictionary(name => name, name => Environment.GetEnvironmentVariable(name)!, StringComparer.Ordinal);
        variables["FAKE_LITESTREAM"] = words;
        return variables;
    }

    /// <summary>FakeLitestream with options, for <c>a.db</c> or for other databases of the folder.</summary>
    public DaemonSettings Settings(string words = "", string version = "0.5.17", params string[] databases) => new(
        new LitestreamBinary(FakeLitestream, LitestreamVersion.Parse(version)!, "test"),
        Plans.OfFiles([.. (databases.Length == 0 ? ["a.db"] : databases).Select(name => Folder[name])]) with { ShutdownTimeout = ShutdownTimeout },
        Folder["control"],
        Variables($"version={version} starts={Folder["starts"]} {words}"),
        OpeningTime: TimeSpan.Zero);

    /// <summary>A shell script in place of FakeLitestream 0.3.13, for tests with hundreds of fast starts.</summary>
    public DaemonSettings Script(string script, params string[] databases) => Settings(version: "0.3.13", databases: databases) with
    {
        Binary = new LitestreamBinary(
            Folder.WriteScript("script", $"echo $$ >> {Folder["starts"]}\nready() {{ echo '{{\"msg\":\"initialized db\",\"path\":\"{Database}\"}}'; }}\n{script}"),
            LitestreamVersion.Parse("0.3.13")!,
            "test"),
    };

    /// <summary>An orphaned FakeLitestream, which prints <c>ready</c>.</summary>
    public static StartedChild StartLeftover(string words = "") =>
        new(FakeLitestream, LitestreamProcess.Arguments, Variables($"never-ready says=ready {words}"));

    /// <summary>Starts a supervisor with random delays; the seed is in the output of a failed test.</summary>
    public Supervisor Supervise(DaemonSettings settings, Action<int>? onStarted = null, TimeProvider? time = null, Action<DaemonStatus, DaemonStatus>? onChanged = null, Func<CancellationToken, Task<DaemonSettings>>? prepare = null)
    {
        var seed = Random.Shared.Next();
        Console.WriteLine($"Supervised with the seed {seed}.");
        var supervisor = new Supervisor(settings, Log, time ?? Clock, new Random(seed), onStarted ?? (_ => { }), onChanged ?? ((_, _) => { }), prepare ?? (_ => Task.FromResult(settings)));
        _supervisors.Add(supervisor);
        return supervisor;
    }

    /// <summary>Starts a supervisor, and waits until Litestream runs.</summary>
    public async Task<Supervisor> RunAsync(DaemonSettings settings)
    {
        var supervisor = Supervise(settings);
        await IsRunningAsync(supervisor);
        return supervisor;
    }

    /// <summary>Waits until Litestream runs.</summary>
    public static Task IsRunningAsync(Supervisor supervisor) => Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Running);

    /// <summary>Waits until the first start has failed, and returns why.</summary>
    public async Task<string> FailsToStartAsync(Supervisor supervisor)
    {
        await FailsAsync(supervisor, failures: 0);
        return supervisor.Status.LastFailure!;
    }

    /// <summary>
    /// Kills the running Litestream, waits until the supervisor notices, and returns the delay of the next start.
    /// </summary>
    public async Task<TimeSpan> KillAsync(Supervisor supervisor)
    {
        var failures = supervisor.Status.Failures;
        _ = LibC.kill(supervisor.Status.ProcessId!.Value, LibC.SIGKILL);
        return await FailsAsync(supervisor, failures);
    }

    /// <summary>Waits for the next failure after a number of them, and returns the delay of the next start.</summary>
    public async Task<TimeSpan> FailsAsync(Supervisor supervisor, int failures)
    {
        await Eventually.HoldsAsync(() => supervisor.Status is { State: DaemonState.Waiting } status && status.Failures > failures);
        var waiting = supervisor.Status;
        var delay = waiting.NextStartAt!.Value - waiting.LastFailureAt!.Value;
        await Clock.IsAwaitedAsync(delay);
        return delay;
    }

    /// <summary>Advances the clock to the next start, and waits until Litestream runs again.</summary>
    public async Task PassToNextStartAsync(Supervisor supervisor)
    {
        Clock.Advance(supervisor.Status.NextStartAt!.Value - Clock.Now);
        await IsRunningAsync(supervisor);
    }

    /// <summary>Stops a supervisor for good, and returns what went wrong.</summary>
    public static async Task<string?> StopAsync(Supervisor supervisor, TimeSpan? timeout = null) =>
        (await supervisor.StopAsync(new StopOrder(timeout ?? ShutdownTimeout))).Error;

    public void Dispose()
    {
        foreach (var supervisor in _supervisors)
        {
            Clock.PassUntilAsync(StopAsync(supervisor)).GetAwaiter().GetResult();
        }

        var left = Processes.Kill();
        Folder.Dispose();
        Assert.IsEmpty(left, "process ids that still run");
    }
}
