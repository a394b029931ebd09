using System.Reflection;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>
/// A virtual environment with the wheel of this checkout, beside the real Datasette: made once a run, from the packages of
/// the Python that <c>datasette</c> on PATH belongs to.
/// </summary>
internal static class PluginEnvironment
{
    private static readonly Lazy<Task<string>> SharedWheel = new(MakeWheelAsync);
    private static readonly Lazy<Task<string>> WithWheel = new(MakeWithWheelAsync);

    public static string RepositoryRoot { get; } = typeof(PluginEnvironment).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    /// <summary>The environment's Python: <c>python -m datasette</c> has the plugin.</summary>
    public static Task<string> PythonAsync()
    {
        _ = RealParts.DatasettePython;
        return WithWheel.Value;
    }

    /// <summary>The wheel of this checkout, without Litestream.</summary>
    public static Task<string> WheelAsync()
    {
        _ = RealParts.DatasettePython;
        return SharedWheel.Value;
    }

    /// <summary>Builds a wheel of this checkout for this machine.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="release">The folder of the Litestream release to build in.</param>
    /// <returns>Its path.</returns>
    public static async Task<string> BuildWheelAsync(string folder, string? release)
    {
        await RunAsync(
            RealParts.DatasettePython,
            ["-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, RepositoryRoot],
            new Dictionary<string, string?> { ["DATASETTE_LITESTREAM_RELEASE"] = release, ["DATASETTE_LITESTREAM_TARGET"] = null });
        return Directory.GetFiles(folder, "*.whl").Single();
    }

    /// <summary>Makes a virtual environment that sees the packages of Datasette's Python, and has none of its own.</summary>
    /// <returns>Its Python.</returns>
    public static async Task<string> MakeAsync(string folder)
    {
        var python = RealParts.DatasettePython;
        await RunAsync(python, "-m", "venv", "--without-pip", folder);
        var own = Path.Combine(folder, "bin", "python");
        var packages = await RunAsync(python, "-c", "import sys; print('\\n'.join(path for path in sys.path if path.endswith('-packages')))");
        var site = (await RunAsync(own, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])")).Trim();
        await File.WriteAllTextAsync(Path.Combine(site, "datasette.pth"), packages);
        return own;
    }

    /// <summary>Installs the plugin as a user does, without touching any index: what it needs is there.</summary>
    public static Task InstallAsync(string environmentPython, params string[] what) =>
        RunAsync(
            RealParts.DatasettePython,
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

    private static async Task<string> MakeWithWheelAsync()
    {
        var wheel = await SharedWheel.Value;
        var python = await MakeAsync(Path.Combine(Path.GetDirectoryName(wheel)!, "venv"));
        await InstallAsync(python, wheel);
        return python;
    }
}
