using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>What a report leaves out for those who may not see Datasette's internal database: only who may manage replication may.</summary>
/// <param name="plan">What is replicated.</param>
/// <param name="mayManage">Whether the report is for somebody who may manage replication.</param>
internal sealed class Discretion(ReplicationPlan plan, bool mayManage)
{
    private const string Instead = "Something about Datasette's internal database.";

    /// <summary>What nobody else says: names, files and places of the internal database.</summary>
    private readonly string[] _hidden = mayManage ? [] :
    [
        .. plan.Databases.Where(database => database.IsInternal).SelectMany(database => database.Replicas.SelectMany(replica => new[] { replica.Place, replica.Destination })
            .Concat([database.Name, database.Path, database.ServedPath, Path.GetFileName(database.Path)])),
    ];

    /// <summary>Whether a database may be seen.</summary>
    public bool Allows(DatabasePlan database) => mayManage || !database.IsInternal;

    /// <summary>Whether a text may be seen: it says nothing about the internal database.</summary>
    public bool Allows(string? text) => text is null || !Array.Exists(_hidden, hidden => text.Contains(hidden, StringComparison.Ordinal));

    /// <summary>A text, or what stands in its place.</summary>
    public string? Show(string? text) => Allows(text) ? text : Instead;

    /// <summary>The databases that may be seen.</summary>
    public ObservedDatabases Show(ObservedDatabases observed) =>
        _hidden.Length == 0 ? observed : observed with { Databases = [.. observed.Databases.Where(database => Allows(database.Plan))] };
}
