using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream;

/// <summary>
/// Finds databases that are one file. SQLite follows symbolic links, but keeps a write-ahead log beside each hard link; so
/// writes by two of them destroy the file (https://sqlite.org/howtocorrupt.html, 2.4).
/// </summary>
internal static class SharedFiles
{
    /// <summary>A plan that replicates each file once, by the first of its names, and warns of other names.</summary>
    public static ReplicationPlan LeaveOut(ReplicationPlan plan)
    {
        var first = new Dictionary<(ulong Device, ulong Inode, string? Path), DatabasePlan>();
        var databases = new List<DatabasePlan>();
        var unreplicable = plan.Unreplicable.ToList();
        var warnings = plan.Warnings.ToList();
        foreach (var database in plan.Databases)
        {
            var status = FileStatus.Look(database.Path).Status;
            var file = status is { } seen ? (seen.Device, seen.Inode, null) : (0UL, 0UL, database.Path);
            if (!first.TryAdd(file, database))
            {
                unreplicable.Add(new UnreplicableDatabase(database.Name, database.Path, UnreplicableReason.SameFile, Sentence(database, first[file])));
                continue;
            }

            databases.Add(database);
            if (status is { Links: > 1 and var links })
            {
                warnings.Add(
                    $"{database.Name}: its file {database.Path} has {links} names (hard links). Whoever writes to it by another name writes past its "
                    + "write-ahead log, which destroys it. Remove the other names, or make them symbolic links.");
            }
        }

        return plan with
        {
            Databases = [.. databases],
            Unreplicable = [.. unreplicable],
            Warnings = [.. warnings],
        };
    }

    private static string Sentence(DatabasePlan database, DatabasePlan replicated) => database.Path == replicated.Path
        ? $"It is the same file as {replicated.Name}, {replicated.Path}, which is replicated. Attach it once."
        : $"Its file {database.Path} is a hard link to that of {replicated.Name}, {replicated.Path}, which is replicated. "
            + "Writes by two names of one file destroy it. Attach it once.";
}
