namespace Datasette.Litestream.Mirrors;

/// <summary>Names one mirror of one database.</summary>
/// <param name="Database">Datasette's name of the database.</param>
/// <param name="Replica">The <see cref="Configuration.ReplicaPlan.Key"/> of the replica.</param>
internal readonly record struct MirrorKey(string Database, string Replica);
