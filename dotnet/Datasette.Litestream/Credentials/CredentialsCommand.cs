using System.ComponentModel;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Credentials;

/// <summary>Credentials as JSON on the standard output of a command, which runs without a shell.</summary>
internal sealed class CredentialsCommand : ICredentialSource
{
    private const string Key = "credentials-command";
    private const int MaxOutputBytes = 64 * 1024;
    private const int MaxErrorBytes = 2048;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<string> _words;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly TimeProvider _time;
    private readonly Func<string, string> _redact;

    /// <param name="commandLine">The command, which is split as by a POSIX shell.</param>
    /// <param name="environment">The command's environment.</param>
    /// <param name="time">The clock.</param>
    /// <param name="redact">Takes secrets out of what the command says.</param>
    /// <exception cref="ReplicationException">It cannot be split.</exception>
    public CredentialsCommand(string commandLine, IReadOnlyDictionary<string, string> environment, TimeProvider time, Func<string, string> redact)
    {
        _redact = redact;
        _environment = environment;
        _time = time;
        try
        {
            _words = ShellWords.Split(commandLine);
        }
        catch (FormatException ex)
        {
            throw new ReplicationException($"{Key}: the command {ex.Message}; correct it.");
        }

        if (_words.Count == 0)
        {
            throw new ReplicationException($"{Key}: there is no command; write one that prints the credentials as JSON.");
        }
    }

    // The arguments may contain a secret, so only the program's name is shown.
    public string Description => $"the command {_words[0]}";

    public async Task<IssuedCredentials> ReadAsync(CancellationToken cancellationToken)
    {
        var path = SearchPath.Find(_words[0], _environment)
            ?? throw new ReplicationException($"{Key}: there is no program {_words[0]} on PATH; correct the command.");
        var output = new BoundedOutput(MaxOutputBytes);
        var errors = new BoundedOutput(MaxErrorBytes);
        ChildProcess process;
        try
        {
            process = ChildProcess.Start(
                path,
                [.. _words.Skip(1)],
                _environment,
                default,
                output.Keep,
                errors.Keep,
                endsWithOutput: true);
        }
        catch (Win32Exception ex)
        {
            throw new ReplicationException($"{Key}: {ex.Message}; correct the command.", ex);
        }

        try
        {
            await Task.WhenAll(process.Exited, process.OutputEnded).WaitAsync(Timeout, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new ReplicationException(
                $"{Key}: {_words[0]} took longer than {Timeout.TotalSeconds} s and was ended.{Shown(errors)}");
        }
        finally
        {
            process.SendToGroup(LibC.SIGKILL);
        }

        var exit = await process.Exited.ConfigureAwait(false);
        // If the exit status is unknown, credentials in its output count as success.
        if (exit.Code != 0 && !exit.IsUnknown)
        {
            throw new ReplicationException($"{Key}: {_words[0]} failed with {exit}.{Shown(errors)}");
        }

        return output.IsCut
            ? throw new ReplicationException($"{Key}: {_words[0]} printed more than {MaxOutputBytes / 1024} KiB; it should print one set of credentials.")
            : IssuedCredentials.Parse(output.ToArray(), $"{Key}: the output of {_words[0]}", _time.GetUtcNow());
    }

    private string Shown(BoundedOutput errors) =>
        errors.Text.Trim() is { Length: > 0 } text ? $" Its standard error: {_redact(text)}" : " It wrote nothing to standard error.";
}
