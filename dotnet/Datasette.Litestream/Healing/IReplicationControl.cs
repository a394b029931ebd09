using Datasette.Litestream.Configuration;
using Datasette.Litestream.Daemon;

namespace Datasette.Litestream.Healing;

/// <summary>What a renewal needs of the replication that it mends.</summary>
internal interface IReplicationControl
{
    /// <summary>
    /// Restarts Litestream without some databases, so that nothing works on them. Completes when it runs again, or when the
    /// start has failed and the next one is scheduled; at once if it runs without exactly these already.
    /// </summary>
    /// <param name="reason">Why it is to leave them out; those that it leaves out for other reasons stay so.</param>
    /// <param name="names">The names of the databases that Litestream is to leave out for that reason.</param>
    /// <param name="message">Why, in a sentence.</param>
    Task RestartWithoutAsync(LeaveOutReason reason, IReadOnlySet<string> names, string message);

    /// <summary>Whether Datasette serves another path under the name of a database by now, so that this one is being detached.</summary>
    bool IsServedElsewhere(DatabasePlan database);

    /// <summary>
    /// Finds the file that Datasette serves under a name now, takes its lock anew where Litestream's folder beside it was
    /// removed or the file is another one, and plans with it.
    /// </summary>
    /// <param name="name">Datasette's name of the database.</param>
    /// <exception cref="Errors.ReplicationException">The lock cannot be taken.</exception>
    DatabasePlan TakeServedFile(string name);

    /// <summary>Holds a database back whose file was replaced by one that must not be sent to its destination.</summary>
    /// <param name="database">The database, on which no Litestream works.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether it is held back; what becomes of it is no matter of renewals any more.</returns>
    Task<bool> TryHoldBackAsync(DatabasePlan database, CancellationToken cancellationToken);

    /// <summary>Notes that what Litestream has of a database is of the file that is there now.</summary>
    void Recognize(DatabasePlan database);

    /// <summary>Tells that a database was replicated anew, and that its backup was seen to be whole: what drills have shown is about the old one.</summary>
    void Renewed(DatabasePlan database);

    /// <summary>A token that is cancelled when the destination that Litestream writes a database to may not be written to any more.</summary>
    CancellationToken WhileWriting(DatabasePlan database);
}
