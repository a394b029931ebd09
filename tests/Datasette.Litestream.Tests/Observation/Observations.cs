using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Tests.Configuration;

namespace Datasette.Litestream.Tests.Observation;

/// <summary>Example observations of databases.</summary>
internal static class Observations
{
    public static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>A destination of which nothing is proven yet, and that is to be proven every day.</summary>
    public static readonly DrillStatus Unproven = new(TimeSpan.FromDays(1), Now.AddDays(-3)) { DueAt = Now.AddMinutes(5) };

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

    /// <summary>A database whose destinations are all proven to the same degree.</summary>
    public static DatabaseObservation Drilled(this DatabaseObservation database, DrillStatus drill) =>
        database with { Drills = database.Drills.SetItems(database.Plan.Replicas.Select(replica => KeyValuePair.Create(replica.Identity, drill))) };

    /// <summary>A destination that is proven every day.</summary>
    /// <param name="hours">How many hours ago it was.</param>
    public static DrillStatus Proven(double hours)
    {
        var proof = Drill(hours);
        return Unproven with { Last = proof, LastProof = proof, DueAt = proof.At.AddDays(1) };
    }

    /// <summary>A drill.</summary>
    /// <param name="hours">How many hours ago it began.</param>
    /// <param name="outcome">How it ended.</param>
    public static DrillResult Drill(double hours, DrillOutcome outcome = DrillOutcome.Proven) => outcome == DrillOutcome.NotHeld
        ? new DrillResult(Now.AddHours(-hours), outcome, "The disk is full.")
        : new DrillResult(Now.AddHours(-hours), outcome, outcome == DrillOutcome.Failed ? "It differs in the table trees." : "Equal to the live database after transaction 000000000000002a.")
        {
            State = "000000000000002a",
            DataAgeSeconds = 0.5,
            RestoreSeconds = 2.5,
            CheckSeconds = 1.5,
            Bytes = 4 << 20,
            ForeignKeyViolations = 0,
            StillRestorable = outcome == DrillOutcome.Failed ? "The state of 09:00 can be restored." : null,
        };
}
