using System.Collections.Immutable;
using Datasette.Litestream.Commands;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream;

/// <summary>
/// Prepares what a command works with: the plan that Datasette would have with the same options. What is wrong with another database, or
/// would keep Datasette from starting, is told, and keeps no command from its work.
/// </summary>
internal static class CommandSetup
{
    /// <summary>How files of SQLite are called, where a word on the command line is the file of a database that is not there.</summary>
    private static readonly string[] Extensions = [".db", ".sqlite", ".sqlite3", ".db3"];

    /// <summary>Prepares it.</summary>
    /// <param name="request">The request of a Datasette with the same options.</param>
    /// <param name="arguments">The command's own.</param>
    /// <param name="terminal">Where problems are told.</param>
    /// <param name="isLenient">Whether databases that are not replicated are problems, and no exception.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ReplicationException">The databases that are named are not replicated; the message says why.</exception>
    public static async Task<CommandTools> MakeAsync(StartRequest request, CommandArguments arguments, Terminal terminal, bool isLenient, CancellationToken cancellationToken)
    {
        var host = request.Host;
        var (configuration, chosen) = Choose(request.Configuration, arguments);
        string? Variable(string name) => host.Variables.GetValueOrDefault(name);
        var problems = new List<Problem>();
        _ = ReplicationPlanner.Plan(configuration, Variable, problems);
        var plan = ReplicationPlanner.PlanServed(configuration, Variable);
        var secrets = new SecretCollection(
            new SecretValues([.. plan.Secrets, .. InheritedSecrets.SecretsIn(host.Variables)], [.. plan.AccessKeyIds, .. InheritedSecrets.AccessKeyIdsIn(host.Variables)]),
            [.. KnownTexts.Of(plan)]);
        string Redact(string text) => secrets.Redactor.Redact(text);
        var (binary, binaryFault) = await TryAsync(() => LitestreamBinary.FindAsync(
            host.BundledBinary, host.ProgramFolder, host.Variables, host.Time, text => Task.FromResult(Redact(text)))).ConfigureAwait(false);
        var source = CredentialSources.Of(plan.Credentials, host, Redact);
        var (credentials, credentialFault) = source is null ? (null, null) : await TryAsync(() => source.ReadAsync(cancellationToken)).ConfigureAwait(false);
        if (credentials is not null)
        {
            secrets = secrets.Replace(new SecretValues([.. credentials.Keys.Secrets], [credentials.Keys.AccessKeyId]), 0, 0);
        }

        var releaseLine = binary?.Version.ReleaseLine ?? ReleaseLine.V05;
        plan = plan.For(releaseLine);
        IReadOnlyDictionary<string, string> variables = host.ForLitestream(credentials?.Keys);
        var stores = new StoreFactory(() => variables, host.Time);
        var command = new LitestreamCommand(binary?.Path ?? "", () => variables, Redact, host.Time, releaseLine);
        var (databases, faults) = Find(plan, chosen);
        if (faults.Count > 0 && !isLenient)
        {
            throw new ReplicationException(string.Join('\n', faults));
        }

        return new CommandTools(
            plan,
            databases,
            [.. problems.Select(problem => problem.ToString()).Concat(faults).Distinct()],
            binary,
            binaryFault,
            source?.Description,
            credentials,
            credentialFault,
            variables,
            command,
            new Restorer(command, releaseLine, stores, host.Time),
            stores,
            new SqliteProgram(host.SqliteProgram, host.Variables, host.Time),
            secrets.Redactor,
            configuration.WorkingDirectory,
            terminal,
            host.Time);
    }

    /// <summary>
    /// Adds the databases whose files are not there, which Datasette would not serve, and finds out which are meant: those that are named,
    /// or else those whose files are, or else all.
    /// </summary>
    private static (DatasetteConfiguration Configuration, IReadOnlyList<string>? Chosen) Choose(DatasetteConfiguration configuration, CommandArguments arguments)
    {
        var databases = configuration.Databases.ToList();
        var (names, ofFiles) = (new List<string>(), new List<string>());
        foreach (var word in arguments.Words)
        {
            var path = Path.GetFullPath(word, configuration.WorkingDirectory);
            if (databases.Find(database => database.ServedPath == path || database.Path == path) is { } served)
            {
                ofFiles.Add(served.Name);
            }
            else if (Directory.Exists(path) && word.Contains('/', StringComparison.Ordinal))
            {
                // The folder of a configuration, whose databases are served.
            }
            else if (word.Split('=', 2) is [{ Length: > 0 } name, { Length: > 0 } file])
            {
                Add(name, Path.GetFullPath(file, configuration.WorkingDirectory));
                names.Add(name);
            }
            else if (word.Contains('/', StringComparison.Ordinal) || Extensions.Contains(Path.GetExtension(word)))
            {
                Add(Path.GetFileNameWithoutExtension(word), path);
                ofFiles.Add(Path.GetFileNameWithoutExtension(word));
            }
            else
            {
                names.Add(word);
            }
        }

        foreach (var name in names)
        {
            Add(name, Path.GetFullPath($"{name}.db", arguments.Folder));
        }

        return (configuration with { Databases = databases }, names.Count > 0 ? names : ofFiles.Count > 0 ? ofFiles : null);

        void Add(string name, string path)
        {
            if (!databases.Exists(database => database.Name == name))
            {
                databases.Add(new AttachedDatabase(name, RealPath.Of(path) ?? path, IsMutable: true) { ServedPath = path });
            }
        }
    }

    /// <summary>Finds the databases that are meant, and tells of each that is not replicated why not.</summary>
    private static (ImmutableArray<DatabasePlan> Databases, IReadOnlyList<string> Faults) Find(ReplicationPlan plan, IReadOnlyList<string>? chosen)
    {
        if (chosen is null)
        {
            return (plan.Databases, [.. plan.Databases.IsEmpty
                ? ["No database is replicated. Name one, or its file, as for `datasette serve`, and the configuration with -c or -m."]
                : plan.Unreplicable.Select(database => $"{database.Name}: {database.Sentence}")]);
        }

        return (
            [.. plan.Databases.Where(database => chosen.Contains(database.Name))],
            [.. chosen.Distinct().Where(name => plan.Databases.All(database => database.Name != name)).Select(name =>
                plan.Unreplicable.FirstOrDefault(database => database.Name == name)?.Sentence is { } sentence ? $"{name}: {sentence}"
                : plan.Skipped.FirstOrDefault(database => database.Name == name) is { } skipped ? $"{name} is not replicated: {skipped.Reason}."
                : $"{name} is not replicated: nothing is configured for it. Name the configuration with -c or -m.")]);
    }

    private static async Task<(T? Result, string? Fault)> TryAsync<T>(Func<Task<T>> read)
        where T : class
    {
        try
        {
            return (await read().ConfigureAwait(false), null);
        }
        catch (ReplicationException ex)
        {
            return (null, ex.Message);
        }
    }
}
