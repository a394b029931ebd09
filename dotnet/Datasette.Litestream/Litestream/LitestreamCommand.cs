using System.ComponentModel;
using System.Globalization;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Runs a command of Litestream for one database, beside the Litestream that replicates, in a child that ends with it. The
/// database's configuration goes to its standard input and credentials are in its environment, so that nothing secret is on a
/// command line.
/// </summary>
/// <param name="binaryPath">The path of the binary.</param>
/// <param name="environment">Returns the complete environment, including the credentials of the moment.</param>
/// <param name="redact">Takes secrets out of what Litestream says.</param>
/// <param name="time">The clock.</param>
/// <param name="releaseLine">Which Litestream it is.</param>
/// <param name="isInBackground">Whether it has the lowest priority, since nobody waits for it.</param>
internal sealed class LitestreamCommand(
    string binaryPath,
    Func<IReadOnlyDictionary<string, string>> environment,
    Func<string, string> redact,
    TimeProvider time,
    ReleaseLine releaseLine = ReleaseLine.V05,
    bool isInBackground = false)
{
    /// <summary>How Litestream begins the sentence with which it fails. Source: cmd/litestream/main.go, v0.5.17.</summary>
    private const string ErrorStart = "Error: ";

    /// <summary>A list of 50,000 files, many more than it keeps of a database that changes all the time.</summary>
    private const int MaxOutputBytes = 8 * 1024 * 1024;

    private const int MaxErrorBytes = 64 * 1024;

    /// <summary>How long Litestream may be silent before it is found out whether it can reach the destination at all.</summary>
    private static readonly TimeSpan SilenceTime = TimeSpan.FromSeconds(3);

    /// <summary>By these, Go reaches servers in another way than by a connection of its own (net/http, ProxyFromEnvironment).</summary>
    private static readonly string[] ProxyVariables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

    /// <summary>Runs a command until its end.</summary>
    /// <param name="database">The database.</param>
    /// <param name="words">The command and its flags.</param>
    /// <param name="timeout">How long it may take before it is killed, which happens earlier if the destination cannot be reached;
    /// null if that does not matter.</param>
    /// <param name="cancellationToken">Kills it.</param>
    public async Task<CommandAnswer> RunAsync(DatabasePlan database, string[] words, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var output = new BoundedOutput(MaxOutputBytes);
        var errors = new BoundedOutput(MaxErrorBytes);
        ChildProcess child;
        var variables = environment();
        try
        {
            child = ChildProcess.Start(
                binaryPath,
                [.. words, "-no-expand-env", "-config", "/dev/stdin", .. words[0] == "replicate" ? Array.Empty<string>() : [database.Path]],
                variables,
                Encoding.UTF8.GetBytes(LitestreamConfiguration.ForOne(database, releaseLine)),
                output.Keep,
                errors.Keep,
                endsWithOutput: true);
            if (isInBackground)
            {
                child.LowerPriority();
            }
        }
        catch (Win32Exception ex)
        {
            return new CommandAnswer(default, $"Litestream could not be started: {ex.Message}");
        }

        try
        {
            if (timeout is not null && database.Primary.Server is { } server && !ProxyVariables.Any(variables.ContainsKey))
            {
                var exited = await Task.WhenAny(child.Exited, Task.Delay(SilenceTime, time, cancellationToken)).ConfigureAwait(false) == child.Exited;
                if (!exited && await ServerReach.FindProblemAsync(server, time, cancellationToken).ConfigureAwait(false) is { } problem)
                {
                    return new CommandAnswer(default, problem);
                }
            }

            await child.Exited.WaitAsync(timeout ?? Timeout.InfiniteTimeSpan, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return new CommandAnswer(default, string.Create(CultureInfo.InvariantCulture, $"no answer within {timeout!.Value.TotalSeconds:0.#} s"));
        }
        finally
        {
            _ = child.SendToGroup(LibC.SIGKILL);
            await child.Exited.ConfigureAwait(false);
        }

        await child.OutputEnded.ConfigureAwait(false);
        var exit = await child.Exited.ConfigureAwait(false);
        var error = LastError(errors.Text);
        return output.IsCut ? new CommandAnswer(default, $"its answer is longer than {MaxOutputBytes / 1024 / 1024} MiB")
            : exit.Code == 0 || (exit.IsUnknown && error is null) ? new CommandAnswer(output.ToArray(), null)
            : new CommandAnswer(default, redact(error ?? $"Litestream ended with {exit}"));
    }

    private static string? LastError(string text)
    {
        var start = text.LastIndexOf(ErrorStart, StringComparison.Ordinal);
        return start < 0 ? null : text[(start + ErrorStart.Length)..].Trim();
    }
}

/// <summary>How a command of Litestream ended.</summary>
/// <param name="Output">Its standard output; empty if it failed.</param>
/// <param name="Error">Litestream's own words about why it failed, without secrets; null if it did not.</param>
internal sealed record CommandAnswer(ReadOnlyMemory<byte> Output, string? Error);
