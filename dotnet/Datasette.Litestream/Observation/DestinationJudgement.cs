using Datasette.Litestream.Configuration;
using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Observation;

/// <summary>What Litestream said of a destination of a database.</summary>
/// <param name="Replica">The destination.</param>
/// <param name="Check">Its last judgement; null before the first.</param>
internal sealed record DestinationJudgement(ReplicaPlan Replica, ReplicaCheck? Check);
