using Datasette.Litestream.Configuration;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Manual;

/// <summary>What can be done by hand needs of the replication that is steered.</summary>
internal interface ISteeredReplication
{
    /// <summary>The current state.</summary>
    ReplicationSnapshot Snapshot { get; }

    /// <summary>Restarts Litestream, or starts it now where it waits for its next start.</summary>
    /// <param name="message">Why, in a sentence.</param>
    /// <returns>What went wrong during the stop, in a sentence; null if nothing did. It completes when Litestream runs again, or when the
    /// start has failed and the next one is scheduled.</returns>
    Task<string?> RestartAsync(string message);

    /// <summary>Restarts Litestream without the databases that are paused; the same otherwise.</summary>
    /// <param name="names">The names of all of them.</param>
    /// <param name="message">Why, in a sentence.</param>
    Task<string?> PauseAsync(IReadOnlySet<string> names, string message);

    /// <summary>Has a database replicated from now on, or not any more, whatever the configuration says.</summary>
    /// <param name="name">Datasette's name for it.</param>
    /// <param name="choice">Whether it is to be, and where.</param>
    /// <returns>Why that cannot be, in a sentence; null if it can. It completes when Litestream was told; a database that is not to be
    /// replicated any more is in the plan until its last changes are safe.</returns>
    Task<string?> ReplicateAsync(string name, ReplicationByHand choice);

    /// <summary>Has every backup of a database restored and held against it; completes when that is done.</summary>
    /// <param name="name">Datasette's name for it.</param>
    Task<IReadOnlyList<(ReplicaPlan Replica, DrillResult Result)>> VerifyAsync(string name);

    /// <summary>Has the file of a database that is held back taken for the one that is meant.</summary>
    /// <param name="database">The database.</param>
    /// <param name="actor">Who says so.</param>
    /// <returns>Why that cannot be, in a sentence; null if it can. It returns before the database is replicated.</returns>
    string? Accept(DatabasePlan database, string actor);
}
