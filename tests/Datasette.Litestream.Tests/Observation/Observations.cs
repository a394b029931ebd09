using Datasette.Litestream.Observation;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>Example observations of databases.</summary>
internal static class Observations
{
    public static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>A database that is replicated to <c>s3://maps/NAME</c>, and was synced a second ago.</summary>
    public static DatabaseObservation Database(
        string name, DatabaseState state = DatabaseState.Replicating, double? lag = 0, double since = 60, long? bytes = 4096) => new(
            Plans.FromReplica("s3://maps/$DB_NAME", name).Sound.Databases.Single(),
            state,
            Now.AddSeconds(-since),
            null,
            state switch
            {
                DatabaseState.Replicating => StateReason.AllReplicated,
                DatabaseState.Unverified => StateReason.NotCheckedYet,
                DatabaseState.Starting => StateReason.FirstCopy,
                DatabaseState.Behind => StateReason.WaitingTooLong,
                DatabaseState.Failing => StateReason.SyncFailed,
                DatabaseState.Stopped => StateReason.ReplicationStopped,
                _ => StateReason.NoAnswer,
            },
            new Evidence(Now.AddSeconds(-5), Now.AddSeconds(-2), 7, 7, Now.AddSeconds(-1), lag is { } seconds ? TimeSpan.FromSeconds(seconds) : null),
            Now.AddSeconds(-1),
            bytes,
            512,
            100,
            2);
}
