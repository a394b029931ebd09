using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>What a report leaves out for those who may not see Datasette's internal database: only who may manage replication may.</summary>
/// <param name="hidden">What nobody else says: names, files and places of the internal database.</param>
/// <param name="mayManage">Whether the report is for somebody who may manage replication.</param>
internal sealed class Discretion(IEnumerable<string> hidden, bool mayManage)
{
    private const string Instead = "Something about Datasette's internal database.";

    private readonly string[] _hidden = mayManage ? [] : [.. hidden];

    /// <param name="databases">What is replicated.</param>
    /// <param name="mayManage">Whether the report is for somebody who may manage replication.</param>
    public Discretion(IEnumerable<DatabasePlan> databases, bool mayManage)
        : this(TextsOf(databases), mayManage)
    {
    }

    /// <summary>What is to be hidden of databases.</summary>
    public static IEnumerable<string> TextsOf(IEnumerable<DatabasePlan> databases) => databases
        .Where(database => database.IsInternal)
        .SelectMany(database => database.Replicas.SelectMany(replica => new[] { replica.Place, replica.Destination })
            .Concat([database.Name, database.Path, database.ServedPath, Path.GetFileName(database.Path)]));

    /// <summary>The same of databases that another process replicates.</summary>
    public static IEnumerable<string> TextsOf(IEnumerable<DatabaseReport> databases) => databases
        .Where(database => database.IsInternal)
        .SelectMany(database => database.Destinations.Concat([database.Name, database.Path, Path.GetFileName(database.Path)]));

    /// <summary>Whether a database may be seen.</summary>
    public bool Allows(DatabasePlan database) => mayManage || !database.IsInternal;

    /// <summary>Whether a text may be seen: it says nothing about the internal database.</summary>
    public bool Allows(string? text) => text is null || !Array.Exists(_hidden, hidden => text.Contains(hidden, StringComparison.Ordinal));

    /// <summary>Whether a line of a log may be seen.</summary>
    public bool Allows(LogReport line) => Allows(line.Message) && Allows(line.Details);

    /// <summary>A text, or what stands in its place.</summary>
    public string? Show(string? text) => Allows(text) ? text : Instead;

    /// <summary>What is told of a process, without what may not be seen.</summary>
    public LitestreamReport Show(LitestreamReport report) => report with
    {
        LastFailure = Show(report.LastFailure),
        Restarts = [.. report.Restarts.Select(restart => restart with { Message = Show(restart.Message)! })],
    };

    /// <summary>The databases that may be seen.</summary>
    public ObservedDatabases Show(ObservedDatabases observed) =>
        _hidden.Length == 0 ? observed : observed with { Databases = [.. observed.Databases.Where(database => Allows(database.Plan))] };
}
