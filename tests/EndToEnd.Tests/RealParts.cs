using System.Collections.Concurrent;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The real programs that these tests run. If one is missing, the tests that need it are skipped with a message: each property
/// then throws the exception that ends the test.
/// </summary>
internal static class RealParts
{
    private const string InstallLitestream = "scripts/setup gets it, or install it from https://litestream.io/install/";

    private static readonly ConcurrentDictionary<string, string> LitestreamVersions = new();

    private static readonly ConcurrentDictionary<(string Python, string Modules), bool> Imports = new();

    /// <summary>A Python with pip, and with hatchling to build the wheel with.</summary>
    public static string Builder =>
        FirstThatImports("hatchling, pip") ?? throw Skip.Because("no Python has hatchling; pip install hatchling");

    /// <summary>The Litestream on PATH: 0.5 if available, otherwise 0.3.13.</summary>
    public static string Litestream =>
        Find("litestream") ?? throw Skip.Because($"there is no litestream on PATH; {InstallLitestream}");

    /// <summary>Litestream 0.5, for features that 0.3 lacks.</summary>
    public static string Litestream05 =>
        !VersionOf(Litestream).StartsWith("0.5.", StringComparison.Ordinal)
            ? throw Skip.Because($"litestream on PATH is not 0.5 but {VersionOf(Litestream)}; {InstallLitestream}")
            : Litestream;

    /// <summary>Litestream 0.3.13, installed beside the other one as <c>litestream-0.3.13</c>.</summary>
    public static string Litestream03 =>
        Find("litestream-0.3.13") ?? throw Skip.Because("there is no litestream-0.3.13 on PATH; scripts/setup gets it");

    /// <summary>Litestream 0.5.12, which writes backups that cannot be restored, and which the plugin refuses: installed as <c>litestream-0.5.12</c>.</summary>
    public static string FaultyLitestream =>
        Find("litestream-0.5.12") ?? throw Skip.Because("there is no litestream-0.5.12 on PATH; scripts/setup gets it for the full tests");

    /// <summary>A Chromium for Playwright to drive.</summary>
    public static string Chromium =>
        Find("chromium") ?? Find("google-chrome") ?? Find("chromium-browser")
            ?? throw Skip.Because("there is neither chromium nor google-chrome on PATH");

    /// <summary>A Python with moto, whose S3 server checks signatures.</summary>
    public static string MotoPython =>
        FirstThatImports("moto.server") ?? throw Skip.Because("no Python has moto; pip install 'moto[server]'");

    /// <summary>Skips the test if Datasette's Python has no Python.NET.</summary>
    public static void RequirePythonNet()
    {
        if (!DatasetteInstallation.Main.HasPythonNet)
        {
            throw Skip.Because("the Python of Datasette lacks Python.NET; pip install pythonnet");
        }
    }

    /// <summary>The first program of a name on PATH.</summary>
    public static string? Find(string program) => FindAll(program).FirstOrDefault();

    /// <summary>All programs of a name on PATH, in order.</summary>
    public static IEnumerable<string> FindAll(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .Where(File.Exists);

    /// <summary>Whether a Python has all of some modules, separated by commas.</summary>
    public static bool CanImport(string python, string modules) => Imports.GetOrAdd(
        (python, modules), static asked => Run(asked.Python, "-c", $"import {asked.Modules}").ExitCode == 0);

    private static string VersionOf(string litestream) => LitestreamVersions.GetOrAdd(
        litestream, static litestream => Run(litestream, "version").StandardOutput.Trim().TrimStart('v'));

    private static string? FirstThatImports(string modules) =>
        new[] { DatasetteInstallation.OnPath?.Python, DatasetteInstallation.SetUpPython, Find("python3") }
            .OfType<string>().FirstOrDefault(python => File.Exists(python) && CanImport(python, modules));

    private static BufferedCommandResult Run(string program, params string[] arguments) =>
        Cli.Wrap(program).WithArguments(arguments).WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync().GetAwaiter().GetResult();
}
