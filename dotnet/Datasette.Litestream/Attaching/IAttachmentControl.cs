using System.Collections.Immutable;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Attaching;

/// <summary>The replication, as the <see cref="Attacher"/> changes it. Only its task calls this.</summary>
internal interface IAttachmentControl
{
    /// <summary>What is replicated where.</summary>
    ReplicationPlan Plan { get; }

    /// <summary>The databases beside which Litestream could not work at the last try.</summary>
    ImmutableArray<DatabasePlan> Unusable { get; }

    /// <summary>
    /// Plans for the databases that Datasette serves now; what is replicated already comes first. What another process replicates is not
    /// in it, and the locks on the rest are held.
    /// </summary>
    ReplicationPlan PlanFor(DatasetteConfiguration configuration);

    /// <summary>Takes over a plan. Litestream is not told yet.</summary>
    void Replan(ReplicationPlan plan);

    /// <summary>Has Litestream leave out some databases for a reason, and no others for that one, when it is told next.</summary>
    void LeaveOut(LeaveOutReason reason, IEnumerable<string> names);

    /// <summary>
    /// Does for databases of the plan what is done before a start of Litestream: locks, write-ahead logs, claims to their destinations,
    /// their mirrors. What forbids to replicate one is found out and shown, and is no exception.
    /// </summary>
    Task PrepareAsync(IReadOnlyList<DatabasePlan> databases, CancellationToken cancellationToken);

    /// <summary>Returns when everything that was written to databases is at all of their destinations, or after a time.</summary>
    /// <param name="databases">Databases that Litestream replicates.</param>
    /// <param name="timeout">That time.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Why that is not known of some, a clause each, by name.</returns>
    Task<IReadOnlyDictionary<string, string>> ConfirmAsync(IReadOnlyList<DatabasePlan> databases, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Tells Litestream which databases it is to replicate now.</summary>
    /// <param name="message">Why, in a sentence.</param>
    Task<StopResult> ApplyAsync(string message);

    /// <summary>Whether Litestream does not work on a database because another one replicates it, because it cannot, or because somebody has paused it.</summary>
    bool IsNotOurs(DatabasePlan database);

    /// <summary>Up to when everything that was written to a database is known to be at the replica; null if unknown.</summary>
    DateTimeOffset? SafeUntil(string name);

    /// <summary>Forgets databases that Litestream leaves alone: takes them out of the plan, and lets go of locks and destinations.</summary>
    Task RemoveAsync(IReadOnlyList<DatabasePlan> databases);

    /// <summary>Tells the operator.</summary>
    /// <param name="sentence">What.</param>
    /// <param name="isWarning">Whether something may be lost.</param>
    void Tell(string sentence, bool isWarning = false);
}
