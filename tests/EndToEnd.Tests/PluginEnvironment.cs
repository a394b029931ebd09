using System.Collections.Concurrent;
using System.Reflection;
using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// A virtual environment with the wheel of this checkout, beside the real Datasette: created once per run for each <see
/// cref="DatasetteInstallation"/>, whose packages it sees.
/// </summary>
internal static partial class PluginEnvironment
{
    private static readonly Lazy<Task<string>> SharedWheel = new(MakeWheelAsync);
    private static readonly ConcurrentDictionary<DatasetteInstallation, Lazy<Task<string>>> WithWheel = new();

    public static string RepositoryRoot { get; } = typeof(PluginEnvironment).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    /// <summary>The version of Litestream in the wheels.</summary>
    public static string LitestreamVersion { get; } =
        LitestreamVersionLine().Match(File.ReadAllText(Path.Combine(RepositoryRoot, "pyproject.toml"))).Groups[1].Value;

    /// <summary>The environment's Python: <c>python -m datasette</c> has the plugin.</summary>
    /// <param name="datasette">The Datasette in it; the main one by default.</param>
    public static Task<string> PythonAsync(DatasetteInstallation? datasette = null)
    {
        _ = RealParts.Builder;
        return WithWheel.GetOrAdd(datasette ?? DatasetteInstallation.Main, datasette => new(() => MakeWithWheelAsync(datasette))).Value;
    }

    /// <summary>The same with a version of Datasette, and Python.NET where the main one has it; the main one if null.</summary>
    public static Task<string> PythonOfAsync(string? version = null) => PythonAsync(
        version is null ? DatasetteInstallation.Main : DatasetteInstallation.Of(version, DatasetteInstallation.Main.HasPythonNet));

    /// <summary>The wheel of this checkout, without Litestream.</summary>
    public static Task<string> WheelAsync()
    {
        _ = RealParts.Builder;
        return SharedWheel.Value;
    }

    /// <summary>Builds a wheel of this checkout for this machine.</summary>
    /// <param name="folder">The target folder.</param>
    /// <param name="release">The folder of the Litestream release to build in.</param>
    /// <returns>Its path.</returns>
    public static async Task<string> BuildWheelAsync(string folder, string? release)
    {
        await RunAsync(
            RealParts.Builder,
            ["-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, RepositoryRoot],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_RELEASE"] = release, ["DATASETTE_LITESTREAM_TARGET"] = null });
        return Directory.GetFiles(folder, "*.whl").Single();
    }

    /// <summary>Creates a virtual environment that sees a Datasette's packages, and has none of its own.</summary>
    /// <param name="folder">The target folder.</param>
    /// <param name="datasette">The Datasette; the main one by default.</param>
    /// <returns>Its Python.</returns>
    public static async Task<string> MakeAsync(string folder, DatasetteInstallation? datasette = null)
    {
        datasette ??= DatasetteInstallation.Main;
        await RunAsync(datasette.Python, "-m", "venv", "--without-pip", folder);
        var own = Path.Combine(folder, "bin", "python");
        var site = (await RunAsync(own, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])")).Trim();
        await File.WriteAllLinesAsync(Path.Combine(site, "datasette.pth"), await datasette.PackageFoldersAsync());
        return own;
    }

    /// <summary>
    /// Installs the plugin as a user does, but without a package index: its dependencies are already installed.
    /// </summary>
    public static Task InstallAsync(string environmentPython, params string[] what) =>
        RunAsync(
            RealParts.Builder,
            ["-m", "pip", "--python", environmentPython, "install", "--no-index", "--no-deps", "--no-build-isolation", .. what]);

    public static Task<string> RunAsync(string program, params string[] arguments) =>
        RunAsync(program, arguments, new Dictionary<string, string?>());

    private static async Task<string> RunAsync(string program, string[] arguments, IReadOnlyDictionary<string, string?> environment)
    {
        var result = await Cli.Wrap(program)
            .WithArguments(arguments)
            .WithEnvironmentVariables(environment)
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync();
        return result.ExitCode == 0
            ? result.StandardOutput
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {result.StandardOutput}{result.StandardError}");
    }

    private static async Task<string> MakeWheelAsync()
    {
        var folder = Directory.CreateTempSubdirectory("datasette-litestream-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return await BuildWheelAsync(folder, release: null);
    }

    private static async Task<string> MakeWithWheelAsync(DatasetteInstallation datasette)
    {
        var wheel = await SharedWheel.Value;
        var name = $"{datasette.Version}-{(datasette.HasPythonNet ? "with" : "without")}-pythonnet";
        var python = await MakeAsync(Path.Combine(Path.GetDirectoryName(wheel)!, name), datasette);
        await InstallAsync(python, wheel);
        return python;
    }

    [GeneratedRegex("""^litestream-version = "(.+)"$""", RegexOptions.Multiline)]
    private static partial Regex LitestreamVersionLine();
}
