using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Reporting;

/// <summary>What a report leaves out for those who may not see Datasette's internal database: only who may manage replication may.</summary>
/// <param name="plan">What is replicated.</param>
/// <param name="mayManage">Whether the report is for somebody who may manage replication.</param>
internal sealed class Discretion(ReplicationPlan plan, bool mayManage)
{
    private const string Instead = "Something about Datasette's internal database.";

    private readonly string? _hidden = mayManage ? null : plan.Databases.FirstOrDefault(database => database.IsInternal)?.Path;

    /// <summary>Whether a database may be seen.</summary>
    public bool Allows(DatabasePlan database) => mayManage || !database.IsInternal;

    /// <summary>Whether a text may be seen: it says nothing about the internal database.</summary>
    public bool Allows(string? text) => _hidden is null || text is null
        || !(text.Contains(_hidden, StringComparison.Ordinal) || text.Contains(Path.GetFileName(_hidden), StringComparison.Ordinal)
            || text.Contains(DatabasePlan.InternalName, StringComparison.Ordinal));

    /// <summary>A text, or what stands in its place.</summary>
    public string? Show(string? text) => Allows(text) ? text : Instead;

    /// <summary>The databases that may be seen.</summary>
    public ObservedDatabases Show(ObservedDatabases observed) =>
        _hidden is null ? observed : observed with { Databases = [.. observed.Databases.Where(database => Allows(database.Plan))] };
}
