using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Admission;

/// <summary>What admissions need of the replication to which they admit.</summary>
internal interface IAdmissionControl
{
    /// <summary>The database as it is planned now, with the file that Datasette serves now; null if it is not to be replicated any more.</summary>
    /// <param name="database">The database as it was planned.</param>
    /// <exception cref="Errors.ReplicationException">Its lock cannot be taken.</exception>
    DatabasePlan? FindServed(DatabasePlan database);

    /// <summary>A token that is cancelled when the destination that Litestream writes a database to may not be written to any more.</summary>
    CancellationToken WhileWriting(DatabasePlan database);

    /// <summary>Claims the destination of a database that was held back, if that was not done before.</summary>
    /// <returns>Completes when it is known whether it may be written to; see <see cref="WhileWriting"/>.</returns>
    Task ClaimAsync(DatabasePlan database);

    /// <summary>Has Litestream replicate databases that were admitted later than others.</summary>
    /// <param name="names">Their names.</param>
    Task AdmitLateAsync(IReadOnlySet<string> names);

    /// <summary>Prepares a database for being replicated by a new snapshot, above all transactions at its destination.</summary>
    /// <returns>Why it failed; null if it succeeded.</returns>
    Task<string?> PrepareAnewAsync(DatabasePlan database, CancellationToken cancellationToken);

    /// <summary>Tells the operator.</summary>
    void Warn(string sentence);
}
