using System.Diagnostics;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// The real programs that these tests run. Where one is missing, the tests that need it are skipped and say so: each
/// property ends the test as inconclusive instead of returning.
/// </summary>
internal static class RealParts
{
    private const string InstallLitestream = "install it from https://litestream.io/install/";

    private static readonly Lazy<string?> FoundPython = new(FindDatasettePython);

    /// <summary>The Python that runs <c>datasette</c>, with hatchling to build the wheel with.</summary>
    public static string DatasettePython
    {
        get
        {
            var datasette = Find("datasette");
            if (datasette is null)
            {
                Skip("there is no datasette on PATH; pip install 'datasette>=1.0a20' hatchling editables");
            }

            return FoundPython.Value ?? Skip("the Python of datasette on PATH lacks hatchling; pip install hatchling editables");
        }
    }

    /// <summary>Litestream 0.5.</summary>
    public static string Litestream05 =>
        Find("litestream") is not { } path ? Skip($"there is no litestream on PATH; {InstallLitestream}")
        : !VersionOf(path).Contains("0.5.", StringComparison.Ordinal) ? Skip($"litestream on PATH is not 0.5 but {VersionOf(path)}; {InstallLitestream}")
        : path;

    /// <summary>Litestream 0.3.13, installed beside the other one as <c>litestream-0.3.13</c>.</summary>
    public static string Litestream03 =>
        Find("litestream-0.3.13") ?? Skip("there is no litestream-0.3.13 on PATH; download that release and name it so");

    /// <summary>A Chromium for Playwright to drive.</summary>
    public static string Chromium =>
        Find("chromium") ?? Find("google-chrome") ?? Find("chromium-browser")
            ?? Skip("there is neither chromium nor google-chrome on PATH");

    /// <summary>A Python with moto, whose S3 server checks signatures.</summary>
    public static string MotoPython =>
        new[] { FoundPython.Value, Find("python3") }.OfType<string>().FirstOrDefault(python => CanImport(python, "moto.server"))
            ?? Skip("no Python has moto; pip install 'moto[server]'");

    /// <summary>Skips the test where Datasette's Python has no Python.NET.</summary>
    public static void RequirePythonNet()
    {
        if (!CanImport(DatasettePython, "pythonnet"))
        {
            Skip("the Python of datasette on PATH lacks Python.NET; pip install pythonnet");
        }
    }

    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);

    private static string VersionOf(string litestream) =>
        Run(litestream, "version").StandardOutput.Trim();

    private static string? FindDatasettePython()
    {
        if (Find("datasette") is not { } script)
        {
            return null;
        }

        using var reader = new StreamReader(script);
        var interpreter = reader.ReadLine() is { } line && line.StartsWith("#!", StringComparison.Ordinal) ? line[2..].Trim() : "";
        return File.Exists(interpreter) && CanImport(interpreter, "hatchling, editables") ? interpreter : null;
    }

    private static bool CanImport(string python, string module) => Run(python, "-c", $"import {module}").ExitCode == 0;

    private static BufferedCommandResult Run(string program, params string[] arguments) =>
        Cli.Wrap(program).WithArguments(arguments).WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync().GetAwaiter().GetResult();

    private static string Skip(string reason)
    {
        Assert.Inconclusive($"skipped: {reason}");
        throw new UnreachableException();
    }
}
