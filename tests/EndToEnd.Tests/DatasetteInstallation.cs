using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>A Datasette to run the plugin in.</summary>
/// <param name="Python">Its Python.</param>
/// <param name="Version">Its version.</param>
/// <param name="HasPythonNet">Whether Python.NET is installed beside it.</param>
internal sealed partial record DatasetteInstallation(string Python, string Version, bool HasPythonNet)
{
    private static readonly string SetUp = Path.Combine(PluginEnvironment.RepositoryRoot, ".venv");
    private static readonly string SetUpPythonNet = Path.Combine(SetUp, "pythonnet");
    private static readonly Lazy<DatasetteInstallation?> FirstOnPath = new(FindOnPath);
    private static readonly ConcurrentDictionary<string, string?> Versions = new();

    /// <summary>The Python of the environment of <c>scripts/setup</c>, which also has the tests' own packages.</summary>
    public static string SetUpPython { get; } = Path.Combine(SetUp, "bin/python");

    /// <summary>
    /// The Python of the first <c>datasette</c> on PATH that is a Python program: a version manager's shim does not reveal its
    /// Python.
    /// </summary>
    public static DatasetteInstallation? OnPath => FirstOnPath.Value;

    /// <summary>
    /// The default for tests: the Datasette on PATH, unless <c>DATASETTE_LITESTREAM_TEST_DATASETTE</c> names another version,
    /// or <c>DATASETTE_LITESTREAM_TEST_PYTHONNET</c> sets whether with (1) or without (0) Python.NET.
    /// </summary>
    public static DatasetteInstallation Main
    {
        get
        {
            var version = Environment.GetEnvironmentVariable("DATASETTE_LITESTREAM_TEST_DATASETTE");
            var pythonNet = Environment.GetEnvironmentVariable("DATASETTE_LITESTREAM_TEST_PYTHONNET");
            return version is null && pythonNet is null
                ? OnPath ?? throw SkipWithout()
                : Of(version ?? (OnPath ?? throw SkipWithout()).Version, pythonNet != "0");
        }
    }

    /// <summary>The newest available Datasette 1.0, for features that 0.65 lacks: <see cref="Main"/>, if that is a 1.0.</summary>
    public static DatasetteInstallation Main10 =>
        Main is { Is10: true } main ? main
        : Directory.Exists(Path.Combine(SetUp, $"datasette-{Newest10}")) ? Of(Newest10, Main.HasPythonNet)
        : throw SkipWithout("Datasette 0.65 has no such thing, and there is no Datasette 1.0; scripts/setup gets it where pip gives it");

    /// <summary>The versions for the core tests: the stable one, and the oldest and the newest supported 1.0.</summary>
    public static IReadOnlyList<string> Supported { get; } = ["0.65.5", "1.0a20", Newest10];

    /// <summary>The versions for tests of what is ours rather than Datasette's: the stable one and the newest; in full all that are supported.</summary>
    public static IReadOnlyList<string> Principal { get; } = Scale.IsFull ? Supported : [Supported[0], Supported[^1]];

    /// <summary>Whether it has the features of 1.0: configuration separate from metadata, a write API, API tokens.</summary>
    public bool Is10 => Is10Version(Version);

    private const string Newest10 = "1.0a41";

    /// <summary>Finds an installed version, with or without Python.NET; skips the test if there is none.</summary>
    public static DatasetteInstallation Of(string version, bool hasPythonNet)
    {
        if (OnPath is { } onPath && onPath.Version == version && onPath.HasPythonNet == hasPythonNet)
        {
            return onPath;
        }

        var python = Path.Combine(SetUp, $"datasette-{version}", "bin/python");
        python = File.Exists(python) ? python
            : OnPath?.Version == version && !OnPath.HasPythonNet ? OnPath.Python
            : throw SkipWithout($"there is no Datasette {version}{(hasPythonNet ? "" : " without Python.NET")}; scripts/setup gets it where pip gives it");
        return hasPythonNet && !Directory.Exists(SetUpPythonNet)
            ? throw SkipWithout("there is no Python.NET; scripts/setup gets it where pip gives it")
            : new(python, version, hasPythonNet);
    }

    /// <summary>Whether the Datasette of an environment is a 1.0.</summary>
    public static bool Is10In(string python) => Is10Version(VersionIn(python) ?? throw new InvalidOperationException($"{python} has no Datasette"));

    /// <summary>The folders of its packages, which a test's own environment adds to its path.</summary>
    public async Task<IReadOnlyList<string>> PackageFoldersAsync()
    {
        var folders = await PluginEnvironment.RunAsync(
            Python, "-c", "import sys; print('\\n'.join(path for path in sys.path if path.endswith('-packages')))");
        return
        [
            // Debian's packages are in a folder that a .pth file of the environment names.
            .. folders.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            .. HasPythonNet && this != OnPath ? [SetUpPythonNet] : Array.Empty<string>(),
        ];
    }

    private static bool Is10Version(string version) => !version.StartsWith("0.", StringComparison.Ordinal);

    private static DatasetteInstallation? FindOnPath()
    {
        foreach (var script in RealParts.FindAll("datasette"))
        {
            using var reader = new StreamReader(script);
            if (Shebang().Match(reader.ReadLine() ?? "") is { Success: true } line
                && File.Exists(line.Groups[1].Value) && VersionIn(line.Groups[1].Value) is { } version)
            {
                return new(line.Groups[1].Value, version, RealParts.CanImport(line.Groups[1].Value, "pythonnet"));
            }
        }

        return null;
    }

    private static string? VersionIn(string python) => Versions.GetOrAdd(python, static python =>
    {
        var result = Cli.Wrap(python).WithArguments(["-c", "from importlib.metadata import version; print(version('datasette'))"])
            .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync().GetAwaiter().GetResult();
        return result.ExitCode == 0 ? result.StandardOutput.Trim() : null;
    });

    private static Exception SkipWithout(string reason = "there is no datasette on PATH; scripts/setup gets it") => Skip.Because(reason);

    [GeneratedRegex(@"^#! *(\S.*python[\d.]*)\s*$")]
    private static partial Regex Shebang();
}
