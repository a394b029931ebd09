using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Proving;

/// <summary>Names one destination of one database.</summary>
/// <param name="Database">Datasette's name of the database.</param>
/// <param name="Attachment">See <see cref="DatabasePlan"/>.</param>
/// <param name="Replica">The <see cref="ReplicaPlan.Identity"/> of the destination.</param>
internal sealed record DrillKey(string Database, int Attachment, string Replica)
{
    /// <summary>The key of a destination.</summary>
    public static DrillKey Of(DatabasePlan database, ReplicaPlan replica) => new(database.Name, database.Attachment, replica.Identity);
}
