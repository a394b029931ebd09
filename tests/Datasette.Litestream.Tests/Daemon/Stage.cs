using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Tests.Processes;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>
/// What a test of the daemon needs: a folder, a clock, a log and a stand-in for Litestream. When it is disposed of,
/// all supervisors are stopped, and nothing that they started may run.
/// </summary>
internal sealed class Stage : IDisposable
{
    public static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(10);

    private readonly List<Supervisor> _supervisors = [];

    public Stage(TimeProvider? logClock = null) => Log = new LitestreamLog(logClock ?? Clock);

    public TemporaryFolder Folder { get; } = new();

    public TestClock Clock { get; } = new();

    public LitestreamLog Log { get; }

    /// <summary>tests/FakeLitestream, as built beside these tests.</summary>
    public static string FakeLitestream => Path.Combine(
        AppContext.BaseDirectory.Replace(typeof(Stage).Assembly.GetName().Name!, nameof(FakeLitestream), StringComparison.Ordinal), nameof(FakeLitestream));

    private StartedProcesses Processes => new(Folder["starts"]);

    public string Database => Folder["a.db"];

    /// <summary>The process ids of all that was started, in their order.</summary>
    public IReadOnlyList<int> Started => Processes.Ids;

    /// <summary>The environment of this process, in which FakeLitestream behaves as the words say.</summary>
    public static Dictionary<string, string> Variables(string words)
    {
        // The runtime that FakeLitestream needs may be named in any of these.
        var variables = Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name is "PATH" or "HOME" || name.StartsWith("DOTNET", StringComparison.Ordinal))
            .ToDictionary(name => name, name => Environment.GetEnvironmentVariable(name)!, StringComparer.Ordinal);
        variables["FAKE_LITESTREAM"] = words;
        return variables;
    }

    /// <summary>FakeLitestream, which behaves as the words say.</summary>
    public DaemonSettings Settings(string words = "", string version = "0.5.17") => new(
        new LitestreamBinary(FakeLitestream, LitestreamVersion.Parse(version)!, "test"),
        $"socket:\n  enabled: true\n  path: \"{Folder["control"]}\"\ndbs:\n- path: \"{Database}\"\n",
        Folder["control"],
        [Database],
        Variables($"version={version} starts={Folder["starts"]} {words}"),
        OpeningTime: TimeSpan.Zero,
        ShutdownTimeout);

    /// <summary>A shell script in place of FakeLitestream 0.3.13, where hundreds of starts are to take no time.</summary>
    public DaemonSettings Script(string script) => Settings(version: "0.3.13") with
    {
        Binary = new LitestreamBinary(
            Folder.WriteScript("script", $"echo $$ >> {Folder["starts"]}\nready() {{ echo '{{\"msg\":\"initialized db\",\"path\":\"{Database}\"}}'; }}\n{script}"),
            LitestreamVersion.Parse("0.3.13")!,
            "test"),
    };

    /// <summary>A FakeLitestream of nobody's, which prints <c>ready</c>.</summary>
    public static StartedChild StartLeftover(string words = "") =>
        new(FakeLitestream, LitestreamProcess.Arguments, Variables($"never-ready says=ready {words}"));

    /// <summary>Supervises, with delays that chance makes others every time; how they came about is in the output of a test that fails.</summary>
    public Supervisor Supervise(DaemonSettings settings, Action<int>? onStarted = null, TimeProvider? time = null, Action<DaemonStatus, DaemonStatus>? onChanged = null)
    {
        var seed = Random.Shared.Next();
        Console.WriteLine($"Supervised with the seed {seed}.");
        var supervisor = new Supervisor(settings, Log, time ?? Clock, new Random(seed), onStarted ?? (_ => { }), onChanged ?? ((_, _) => { }));
        _supervisors.Add(supervisor);
        return supervisor;
    }

    /// <summary>Supervises, and waits until it runs.</summary>
    public async Task<Supervisor> RunAsync(DaemonSettings settings)
    {
        var supervisor = Supervise(settings);
        await supervisor.FirstStart.InTimeAsync();
        return supervisor;
    }

    /// <summary>Kills the Litestream that runs, waits until that is noticed, and returns how long the next start is put off.</summary>
    public async Task<TimeSpan> KillAsync(Supervisor supervisor)
    {
        var failures = supervisor.Status.Failures;
        _ = LibC.kill(supervisor.Status.ProcessId!.Value, LibC.SIGKILL);
        return await FailsAsync(supervisor, failures);
    }

    /// <summary>Waits for a failure after so many, and returns how long the next start is put off.</summary>
    public async Task<TimeSpan> FailsAsync(Supervisor supervisor, int failures)
    {
        await Eventually.HoldsAsync(() => supervisor.Status is { State: DaemonState.Waiting } status && status.Failures > failures);
        var waiting = supervisor.Status;
        var delay = waiting.NextStartAt!.Value - waiting.LastFailureAt!.Value;
        await Clock.IsAwaitedAsync(delay);
        return delay;
    }

    /// <summary>Lets the time to the next start pass, and waits until Litestream runs again.</summary>
    public async Task PassToNextStartAsync(Supervisor supervisor)
    {
        Clock.Advance(supervisor.Status.NextStartAt!.Value - Clock.Now);
        await Eventually.HoldsAsync(() => supervisor.Status.State == DaemonState.Running);
    }

    public void Dispose()
    {
        foreach (var supervisor in _supervisors)
        {
            Clock.PassUntilAsync(supervisor.StopAsync(ShutdownTimeout)).GetAwaiter().GetResult();
        }

        var left = Processes.Kill();
        Folder.Dispose();
        Assert.IsEmpty(left, "process ids that still run");
    }
}
