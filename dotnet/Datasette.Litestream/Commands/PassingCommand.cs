using System.ComponentModel;
using System.Text;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Commands;

/// <summary>
/// <c>datasette litestream litestream -- …</c>: Litestream itself, with the configuration on its standard input and the credentials in its
/// environment.
/// </summary>
internal sealed class PassingCommand(CommandTools tools, CommandArguments arguments)
{
    /// <summary>Litestream's commands that read a configuration. Source: cmd/litestream, v0.3.13 and v0.5.17.</summary>
    private static readonly string[] Configured = ["databases", "generations", "ltx", "replicate", "reset", "restore", "snapshots", "status", "wal"];

    /// <summary>Those that must be alone with a database.</summary>
    private static readonly string[] Writing = ["replicate", "reset"];

    /// <summary>Runs it.</summary>
    /// <returns>Litestream's exit status.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var litestream = tools.RequireLitestream();
        if (arguments.Rest.Count == 0)
        {
            throw new ReplicationException("After -- comes a command of Litestream, such as `-- ltx parks`; `-- help` lists them.");
        }

        var (command, rest) = (arguments.Rest[0], arguments.Rest.Skip(1).ToList());
        var isConfigured = Configured.Contains(command) && !rest.Exists(word => word is "-config" or "--config" || word.Contains("://", StringComparison.Ordinal));
        string[] words = [command, .. isConfigured ? ["-no-expand-env", "-config", "/dev/stdin"] : Array.Empty<string>(), .. rest.Select(PathOf)];
        var locks = new List<DatabaseLock>();
        try
        {
            if (Writing.Contains(command))
            {
                locks.AddRange(tools.Databases.Select(Take));
            }

            return await RunAsync(litestream, words, isConfigured ? Configuration(litestream) : "", cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            locks.ForEach(one => one.Dispose());
        }
    }

    private async Task<int> RunAsync(LitestreamBinary litestream, string[] words, string configuration, CancellationToken cancellationToken)
    {
        var (output, errors) = (new RedactedLines(tools.Terminal.Write), new RedactedLines(tools.Terminal.Note));
        ChildProcess child;
        try
        {
            child = ChildProcess.Start(
                litestream.Path, words, tools.Variables, Encoding.UTF8.GetBytes(configuration), piece => output.Add(piece, tools.Redactor), piece => errors.Add(piece, tools.Redactor), endsWithOutput: true);
        }
        catch (Win32Exception ex)
        {
            throw new ReplicationException($"Litestream could not be started: {ex.Message}.", ex);
        }

        using var ending = cancellationToken.Register(() => child.SendToGroup(LibC.SIGTERM));
        var exit = await child.Exited.ConfigureAwait(false);
        await child.OutputEnded.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return exit.Code ?? (exit.Signal is { } signal ? 128 + signal : 0);
    }

    private string Configuration(LitestreamBinary litestream)
    {
        var document = LitestreamConfiguration.Create(
            tools.Plan with { Metrics = null, Databases = [.. tools.Databases.Select(AtChosen)] }, litestream.Version.ReleaseLine!.Value, "");
        document.Remove("socket");
        return Yaml.Write(document);
    }

    private DatabasePlan AtChosen(DatabasePlan database)
    {
        using var destination = arguments.Number("from") is { } number ? tools.Restorer.DestinationsOf(database, number)[0] : null;
        return destination is null ? database : database.At(destination.Replica);
    }

    /// <summary>Litestream knows a database by its file alone.</summary>
    private string PathOf(string word) => tools.Databases.FirstOrDefault(database => database.Name == word || database.ServedPath == Path.GetFullPath(word, tools.WorkingDirectory))?.Path ?? word;

    private static DatabaseLock Take(DatabasePlan database)
    {
        try
        {
            return DatabaseLock.TryTake(database.Name, database.Path)
                ?? throw new ReplicationException($"{database.Name}: {LockHolder.Find(database.Path)} replicates {database.Path}. Stop that Datasette first.");
        }
        catch (DatabaseUnusableException ex)
        {
            throw new ReplicationException(ex.Message, ex);
        }
    }
}
