using Datasette.Litestream.Configuration;
using Datasette.Litestream.Locking;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Reporting;

namespace Datasette.Litestream.Standby;

/// <summary>One process that replicates databases for which this one stands by.</summary>
/// <param name="Holder">Who it is.</param>
/// <param name="Folder">Where it leaves its reports; null if that is not known.</param>
/// <param name="Report">Its last report; null if there is none.</param>
internal sealed record Replicating(LockHolder Holder, string? Folder, HolderReport? Report);

/// <summary>A database for which this process stands by.</summary>
/// <param name="Plan">The database.</param>
/// <param name="By">Who replicates it.</param>
/// <param name="Report">What that one tells of it; null if it tells nothing.</param>
internal sealed record StandbyDatabase(DatabasePlan Plan, Replicating By, DatabaseReport? Report);

/// <summary>
/// What those that replicate tell of the databases for which this process stands by. A report tells of many databases, so that of a
/// thousand usually one record and one report are read; a report that has been read is kept as long as it is the last one. Any thread
/// may use it, one at a time.
/// </summary>
internal sealed class StandbyView
{
    private readonly Lock _reading = new();
    private readonly Dictionary<string, (FileStatus? Seen, HolderReport? Report)> _reports = new(StringComparer.Ordinal);

    /// <summary>Looks at databases.</summary>
    /// <param name="databases">Those for which this process stands by.</param>
    public IReadOnlyList<StandbyDatabase> Look(IEnumerable<DatabasePlan> databases)
    {
        lock (_reading)
        {
            var known = new List<(Replicating By, Dictionary<string, DatabaseReport> Databases)>();
            var found = new List<StandbyDatabase>();
            foreach (var database in databases)
            {
                var (by, report) = known.Select(one => (one.By, one.Databases.GetValueOrDefault(Key(one.By.Folder, database.Path)))).FirstOrDefault(one => one.Item2 is not null);
                if (by is null)
                {
                    by = Find(database.Path);
                    var same = known.Find(one => one.By == by);
                    if (same.By is null)
                    {
                        same = (by, Index(by));
                        known.Add(same);
                    }

                    (by, report) = (same.By, same.Databases.GetValueOrDefault(Key(by.Folder, database.Path)));
                }

                found.Add(new StandbyDatabase(database, by, report));
            }

            return found;
        }
    }

    private Replicating Find(string path)
    {
        var recordPath = DatabaseLock.RecordPathOf(path);
        var record = LockRecord.Read(recordPath);
        var folder = record?.FindReportFolder(recordPath);
        return new Replicating(LockHolder.Of(record), folder, folder is null ? null : Read(folder));
    }

    private HolderReport? Read(string folder)
    {
        var seen = ReportFile.Look(folder);
        if (!_reports.TryGetValue(folder, out var last) || last.Seen != seen)
        {
            _reports[folder] = last = (seen, seen is null ? null : ReportFile.Read(folder));
        }

        return last.Report;
    }

    // Another container may have the same folder at another place.
    private static string Key(string? reportFolder, string path) =>
        reportFolder is null ? path : Path.GetRelativePath(Path.GetDirectoryName(reportFolder)!, path);

    private static Dictionary<string, DatabaseReport> Index(Replicating by)
    {
        var index = new Dictionary<string, DatabaseReport>(StringComparer.Ordinal);
        foreach (var database in by.Report?.Databases ?? [])
        {
            index[Path.GetRelativePath(by.Report!.Folder, database.Path)] = database;
        }

        return index;
    }
}
