using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Daemon;

/// <summary>The settings of one run of Litestream.</summary>
/// <param name="Binary">The binary to run.</param>
/// <param name="Plan">The databases that it replicates, and how; possibly only some of those that Datasette serves.</param>
/// <param name="SocketPath">The path of the control socket; 0.3 has none.</param>
/// <param name="Environment">Its complete environment, including credentials.</param>
/// <param name="OpeningTime">How long 0.3 usually needs to open every database after it is ready: the longest monitor interval.</param>
internal sealed record DaemonSettings(
    LitestreamBinary Binary,
    ReplicationPlan Plan,
    string SocketPath,
    IReadOnlyDictionary<string, string> Environment,
    TimeSpan OpeningTime)
{
    /// <summary>
    /// Keeps the write-ahead logs of databases as they are, from before Litestream is started until it has read them; null if nothing does. It
    /// throws a <see cref="Errors.ReplicationException"/> if that fails for all of them. It is told whether the last Litestream ended while
    /// nobody kept them, so that it may have missed a part.
    /// </summary>
    public Func<IReadOnlyList<DatabasePlan>, bool, CancellationToken, Task<ILogHold>>? HoldLogs { get; init; }

    /// <summary>
    /// Keeps the write-ahead logs of database files as they are while Litestream ends; null if nothing does. What fails is no exception.
    /// </summary>
    public Func<IReadOnlyList<string>, CancellationToken, Task<ILogHold>>? KeepLogs { get; init; }

    /// <summary>The content of litestream.yml, for its standard input.</summary>
    public string Configuration => Yaml.Write(LitestreamConfiguration.Create(Plan, ReleaseLine, SocketPath));

    /// <summary>The files that it replicates, absolute.</summary>
    public IReadOnlyList<string> DatabasePaths => [.. Plan.Databases.Select(database => database.Path)];

    public ReleaseLine ReleaseLine => Binary.Version.ReleaseLine!.Value;

    /// <summary>How long it may take to end before it is killed.</summary>
    public TimeSpan ShutdownTimeout => Plan.ShutdownTimeout;

    /// <summary>The settings for a run that leaves out some databases.</summary>
    /// <param name="isLeftOut">Whether to leave out the database with that file.</param>
    public DaemonSettings Without(Func<string, bool> isLeftOut) =>
        this with { Plan = Plan with { Databases = [.. Plan.Databases.Where(database => !isLeftOut(database.Path))] } };

    // The ToString that the compiler generates would print the environment, including the credentials.
    public override string ToString() => $"{Binary.Path} for {Plan.Databases.Length} databases";
}
