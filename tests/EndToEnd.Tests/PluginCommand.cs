using System.Text.Json.Nodes;
using CliWrap;
using CliWrap.Buffered;

namespace Datasette.Litestream.EndToEnd;

/// <summary>How a command of <c>datasette litestream</c> ended.</summary>
/// <param name="ExitCode">Its exit status.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Errors">Its standard error.</param>
internal sealed record PluginCommand(int ExitCode, string Output, string Errors)
{
    /// <summary>Its output as JSON.</summary>
    public JsonNode Json => JsonNode.Parse(Output) ?? throw new InvalidOperationException(Output);

    /// <summary>Runs one, with the options of Datasette 1.0.</summary>
    public static Task<PluginCommand> RunAsync(Workspace workspace, params string[] arguments) => RunAsync(workspace, new Dictionary<string, string?>(), arguments);

    /// <summary>The same with more environment variables.</summary>
    public static async Task<PluginCommand> RunAsync(Workspace workspace, IReadOnlyDictionary<string, string?> environment, params string[] arguments)
    {
        var python = await PluginEnvironment.PythonAsync();
        var own = arguments.TakeWhile(argument => argument != "--").ToArray();
        var options = DatasetteInstallation.Is10In(python) ? own : await StableOptions.FromAsync(workspace, own, python);
        var result = await Cli.Wrap(python)
            .WithArguments(["-m", "datasette", "litestream", .. options, .. arguments[own.Length..]])
            .WithWorkingDirectory(workspace.Folder)
            .WithEnvironmentVariables(environment)
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync();
        Assert.DoesNotContain("Traceback", result.StandardError);
        return new PluginCommand(result.ExitCode, result.StandardOutput, result.StandardError);
    }

    /// <summary>Fails unless it succeeded.</summary>
    public PluginCommand Succeeded()
    {
        Assert.AreEqual(0, ExitCode, $"{Output}\n{Errors}");
        return this;
    }

    /// <summary>Fails unless it failed with one error.</summary>
    /// <param name="words">What the error says, besides.</param>
    public PluginCommand Failed(string words)
    {
        Assert.AreEqual(1, ExitCode, $"{Output}\n{Errors}");
        Assert.Contains(words, $"{Output}{Errors}");
        return this;
    }
}
