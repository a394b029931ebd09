using Datasette.Litestream.Configuration;
using Datasette.Litestream.Litestream;
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

    private readonly Folder?[][] _folders;
    private readonly ReplicaChecks? _checks;
    private readonly int _maxFilesPerFolder;
    private readonly bool _hasFolders;

    /// <param name="databases">The databases.</param>
    /// <param name="probe">Has Litestream judge destinations; null for a release line that cannot, which has other folders too.</param>
    /// <param name="replicatedTxidOf">Returns the last transaction that is known to have arrived at a destination of a database; 0 if none
    /// is.</param>
    /// <param name="checkInterval">How often each destination is judged.</param>
    /// <param name="time">The clock.</param>
    public DestinationWatch(
        IReadOnlyCollection<DatabasePlan> databases, ReplicaProbe? probe, Func<DatabasePlan, ulong> replicatedTxidOf, TimeSpan checkInterval, TimeProvider time)
    {
        _folders = [.. databases.Select(database => new Folder?[database.Replicas.Length])];
        _hasFolders = probe is not null;
        var folders = databases.Sum(database => database.Mirrors.Append(database.Primary).Count(IsFolder));
        _maxFilesPerFolder = Math.Max(MinFilesPerFolder, MaxFilesPerLook / Math.Max(1, folders));
        _checks = probe is null ? null : new ReplicaChecks(probe, replicatedTxidOf, checkInterval, time, Random.Shared);
    }

    /// <summary>Looks at a destination of a database.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="index">The database's number.</param>
    /// <param name="plan">The database.</param>
    /// <param name="replica">The destination: the primary, or a mirror.</param>
    /// <param name="replicatedTxid">The last transaction that is known to have arrived; null if none is.</param>
    /// <param name="renewal">How far the database is being replicated anew; null if it is not.</param>
    /// <returns>What is known of it; without a finding where there is no folder.</returns>
    public (ReplicaFinding? Finding, long? CopiedBytes, ReplicaCheck? Check) Look(
        DateTimeOffset now, int index, DatabasePlan plan, ReplicaPlan replica, ulong? replicatedTxid, Renewal? renewal)
    {
        var check = _checks?.Latest(plan.Name, replica);
        if (!_hasFolders || !IsFolder(replica))
        {
            return (null, null, check);
        }

        ref var known = ref _folders[index][plan.Replicas.IndexOf(replica)];
        if (known is null || known.Path != plan.Path || (renewal is not null && renewal.RenewedAt != known.RenewedAt))
        {
            // A backup that begins anew has nothing to do with what was there before.
            known = new Folder(new ReplicaFolder(replica.Settings["path"]!.GetValue<string>(), LitestreamFolder.Of(plan), _maxFilesPerFolder), plan.Path, renewal?.RenewedAt);
        }

        var finding = known.Replica.Look(now, replicatedTxid ?? 0);
        return (finding, known.Replica.CopiedBytes, check);
    }

    /// <summary>Whether destinations are judged by Litestream.</summary>
    public bool IsChecked => _checks is not null;

    /// <summary>Has a destination of a database judged soon.</summary>
    public void Request(DatabasePlan plan, ReplicaPlan replica) => _checks?.Request(plan.At(replica));

    /// <summary>Stops checking, and kills a child that runs.</summary>
    public void Dispose() => _checks?.Dispose();

    private static bool IsFolder(ReplicaPlan replica) => replica.Type == "file";

    private sealed record Folder(ReplicaFolder Replica, string Path, DateTimeOffset? RenewedAt);
}
