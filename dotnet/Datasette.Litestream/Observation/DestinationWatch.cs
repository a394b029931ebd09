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

    private readonly ReplicaChecks? _checks;
    private readonly bool _hasFolders;
    private int _maxFilesPerFolder = MaxFilesPerLook;

    /// <param name="probe">Has Litestream judge destinations; null for a release line that cannot, which has other folders too.</param>
    /// <param name="replicatedTxidOf">Returns the last transaction that is known to have arrived at a destination of a database; 0 if none
    /// is.</param>
    /// <param name="checkInterval">How often each destination is judged.</param>
    /// <param name="time">The clock.</param>
    public DestinationWatch(ReplicaProbe? probe, Func<DatabasePlan, ulong> replicatedTxidOf, TimeSpan checkInterval, TimeProvider time)
    {
        _hasFolders = probe is not null;
        _checks = probe is null ? null : new ReplicaChecks(probe, replicatedTxidOf, checkInterval, time, Random.Shared);
    }

    /// <summary>Says how many databases there are, for those of them that are looked at for the first time from now on.</summary>
    public void Share(IEnumerable<DatabasePlan> databases) =>
        _maxFilesPerFolder = Math.Max(MinFilesPerFolder, MaxFilesPerLook / Math.Max(1, databases.Sum(database => database.Mirrors.Append(database.Primary).Count(IsFolder))));

    /// <summary>Forgets what was judged of the destinations of a database, and judges them no more.</summary>
    public void Forget(DatabasePlan database) => _checks?.Forget(database);

    /// <summary>Looks at a destination of a database.</summary>
    /// <param name="now">The time of the look.</param>
    /// <param name="folders">What is known of the database's folders.</param>
    /// <param name="plan">The database.</param>
    /// <param name="replica">The destination: the primary, or a mirror.</param>
    /// <param name="replicatedTxid">The last transaction that is known to have arrived; null if none is.</param>
    /// <param name="renewal">How far the database is being replicated anew; null if it is not.</param>
    /// <returns>What is known of it; without a finding where there is no folder.</returns>
    public (ReplicaFinding? Finding, long? CopiedBytes, ReplicaCheck? Check) Look(
        DateTimeOffset now, LookedAtFolders folders, DatabasePlan plan, ReplicaPlan replica, ulong? replicatedTxid, Renewal? renewal)
    {
        var check = _checks?.Latest(plan, replica);
        if (!_hasFolders || !IsFolder(replica))
        {
            return (null, null, check);
        }

        ref var known = ref folders[plan.Replicas.IndexOf(replica)];
        if (known is null || known.Path != plan.Path || (renewal is not null && renewal.RenewedAt != known.RenewedAt))
        {
            // A backup that begins anew has nothing to do with what was there before.
            known = new LookedAtFolder(new ReplicaFolder(replica.Settings["path"]!.GetValue<string>(), plan.Path, _maxFilesPerFolder), plan.Path, renewal?.RenewedAt);
        }

        var finding = known.Replica.Look(now, replicatedTxid ?? 0);
        return (finding, known.Replica.CopiedBytes, check);
    }

    /// <summary>Whether destinations are judged by Litestream.</summary>
    public bool IsChecked => _checks is not null;

    /// <summary>Litestream's last judgement of each destination of a database.</summary>
    public IReadOnlyList<DestinationJudgement> Judgements(DatabasePlan plan) =>
        [.. plan.Mirrors.Prepend(plan.Primary).Select(replica => new DestinationJudgement(replica, _checks?.Latest(plan, replica)))];

    /// <summary>Has a destination of a database judged soon.</summary>
    public void Request(DatabasePlan plan, ReplicaPlan replica) => _checks?.Request(plan.At(replica));

    /// <summary>Stops checking, and kills a child that runs.</summary>
    public void Dispose() => _checks?.Dispose();

    private static bool IsFolder(ReplicaPlan replica) => replica.Type == "file";
}

/// <summary>What <see cref="DestinationWatch"/> knows of the folders of one database. The sampling task owns it.</summary>
/// <param name="count">The number of the database's replicas.</param>
internal sealed class LookedAtFolders(int count)
{
    private readonly LookedAtFolder?[] _all = new LookedAtFolder?[count];

    /// <summary>The folder of a replica, by its number; null before the first look, and where it is none.</summary>
    public ref LookedAtFolder? this[int index] => ref _all[index];
}

/// <summary>The folder of one replica.</summary>
/// <param name="Replica">What lies there.</param>
/// <param name="Path">The file of its database.</param>
/// <param name="RenewedAt">When its backup was begun anew; null if it was not.</param>
internal sealed record LookedAtFolder(ReplicaFolder Replica, string Path, DateTimeOffset? RenewedAt);
