using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Credentials;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.Secrets;
using Datasette.Litestream.SqliteFiles;
using Datasette.Litestream.Stores;

namespace Datasette.Litestream.Commands;

/// <summary>What a command works with.</summary>
/// <param name="Plan">What Datasette would replicate with the same options, as far as that is not wrong.</param>
/// <param name="Databases">Those of its databases that are meant.</param>
/// <param name="Problems">What would keep Datasette from replicating; one sentence each.</param>
/// <param name="FoundBinary">The Litestream; null if there is none.</param>
/// <param name="BinaryFault">Why there is none; null if there is one.</param>
/// <param name="CredentialSource">Where the credentials come from; null if the configuration does not say.</param>
/// <param name="Credentials">The credentials; null if the configuration has none, or they cannot be read.</param>
/// <param name="CredentialFault">Why they cannot be read; null if they can.</param>
/// <param name="Variables">Litestream's environment.</param>
/// <param name="Litestream">Runs Litestream.</param>
/// <param name="Restorer">Restores databases.</param>
/// <param name="Stores">Opens destinations.</param>
/// <param name="Sqlite">Works on database files.</param>
/// <param name="Redactor">Takes secrets out of texts.</param>
/// <param name="WorkingDirectory">The working directory, absolute.</param>
/// <param name="Terminal">Where to write.</param>
/// <param name="Time">The clock.</param>
internal sealed record CommandTools(
    ReplicationPlan Plan,
    IReadOnlyList<DatabasePlan> Databases,
    IReadOnlyList<string> Problems,
    LitestreamBinary? FoundBinary,
    string? BinaryFault,
    string? CredentialSource,
    IssuedCredentials? Credentials,
    string? CredentialFault,
    IReadOnlyDictionary<string, string> Variables,
    LitestreamCommand Litestream,
    Restorer Restorer,
    StoreFactory Stores,
    SqliteProgram Sqlite,
    Redactor Redactor,
    string WorkingDirectory,
    Terminal Terminal,
    TimeProvider Time)
{
    /// <summary>The Litestream.</summary>
    /// <exception cref="ReplicationException">There is none, or there are no credentials for it.</exception>
    public LitestreamBinary RequireLitestream() =>
        CredentialFault is { } fault ? throw new ReplicationException(fault)
        : FoundBinary ?? throw new ReplicationException(BinaryFault!);

    /// <summary>Tells what would keep Datasette from starting.</summary>
    public void TellProblems()
    {
        foreach (var problem in Problems)
        {
            Terminal.Note($"Warning: {problem}");
        }
    }

    /// <summary>A time as the commands' JSON has it: in UTC, with milliseconds.</summary>
    public static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    // The ToString that the compiler generates would print the variables, including secrets.
    public override string ToString() => nameof(CommandTools);
}
