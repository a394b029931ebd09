using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Healing;

/// <summary>What a renewal needs of the replication that it mends.</summary>
internal interface IReplicationControl
{
    /// <summary>
    /// Restarts Litestream without some databases, so that nothing works on them. Completes when it runs again, or when the
    /// start has failed and the next one is scheduled.
    /// </summary>
    /// <param name="names">The names of the databases that Litestream is to leave alone.</param>
    /// <param name="message">Why, in a sentence.</param>
    Task RestartWithoutAsync(IReadOnlySet<string> names, string message);

    /// <summary>
    /// Finds the file that Datasette serves under a name now, takes its lock anew where Litestream's folder beside it was
    /// removed or the file is another one, and plans with it.
    /// </summary>
    /// <param name="name">Datasette's name of the database.</param>
    /// <exception cref="Errors.ReplicationException">The lock cannot be taken.</exception>
    DatabasePlan TakeServedFile(string name);
}
