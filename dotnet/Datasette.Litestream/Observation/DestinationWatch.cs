using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>
/// Looks at the destinations of all databases: at folders with every look, and at every place through Litestream's own judgement
/// when that is requested and at intervals. The sampling task owns it.
/// </summary>
internal sealed class DestinationWatch : IDisposable
{
    /// <summary>How many files of folders one look examines at most, over all databases; the others have their turn later.</summary>
    private const int MaxFilesPerLook = 2000;

    private const int MinFilesPerFolder = 2;

    private readonly Folder?[] _folders;
    private readonly ReplicaChecks? _checks;
    private readonly int _maxFilesPerFolder;
    private readonly bool _hasFolders;

    /// <param name="databases">The databases.</param>
    /// <param name="probe">Has Litestream judge destinations; null for a release line that cannot, which has other folders too.</param>
    /// <param name="replicatedTxidOf">Returns, by the name of a database, the last transaction that is known to have arrived; 0 if
    /// none is.</param>
    /// <param name="checkInterval">How often each destination is judged.</param>
    /// <param name="time">The clock.</param>
    public DestinationWatch(
        IReadOnlyCollection<DatabasePlan> databases, ReplicaProbe? probe, Func<string, ulong> replicatedTxidOf, TimeSpan checkInterval, TimeProvider time)
    {
        _folders = new Folder?[databases.Count];
        _hasFolders = probe is not null;
        _maxFilesPerFolder = Math.Max(MinFilesPerFolder, MaxFilesPerLook / Math.Max(1, databases.Count(database => database.IsReplicatedToFolder)));
        _checks = probe is null ? null : new ReplicaChecks(probe, replicatedTxidOf, checkInterval, time, Random.Shared);
    }

    /// <summary>Looks at the destination of a database.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="index">The database's number.</param>
    /// <param name="plan">The database.</param>
    /// <param name="replicatedTxid">The last transaction that is known to have arrived; null if none is.</param>
    /// <param name="renewal">How far the database is being replicated anew; null if it is not.</param>
    /// <returns>What is known of it; without a finding where there is no folder.</returns>
    public (ReplicaFinding? Finding, long? CopiedBytes, ReplicaCheck? Check) Look(
        DateTimeOffset now, int index, DatabasePlan plan, ulong? replicatedTxid, Renewal? renewal)
    {
        var check = _checks?.Latest(plan.Name);
        if (!_hasFolders || !plan.IsReplicatedToFolder)
        {
            return (null, null, check);
        }

        if (_folders[index] is not { } known || known.Path != plan.Path || (renewal is not null && renewal.RenewedAt != known.RenewedAt))
        {
            // A backup that begins anew has nothing to do with what was there before.
            known = new Folder(new ReplicaFolder(plan.Primary.Settings["path"]!.GetValue<string>(), plan.Path, _maxFilesPerFolder), plan.Path, renewal?.RenewedAt);
            _folders[index] = known;
        }

        var finding = known.Replica.Look(now, replicatedTxid ?? 0);
        return (finding, known.Replica.CopiedBytes, check);
    }

    /// <summary>Whether destinations are judged by Litestream.</summary>
    public bool IsChecked => _checks is not null;

    /// <summary>Has the destination of a database judged soon.</summary>
    public void Request(DatabasePlan plan) => _checks?.Request(plan);

    /// <summary>Stops checking, and kills a child that runs.</summary>
    public void Dispose() => _checks?.Dispose();

    private sealed record Folder(ReplicaFolder Replica, string Path, DateTimeOffset? RenewedAt);
}
