using System.Collections.Immutable;
using Datasette.Litestream.Daemon;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Mirrors;
using Datasette.Litestream.Processes;
using Datasette.Litestream.Proving;
using Datasette.Litestream.Replicas;
using Datasette.Litestream.Writers;

namespace Datasette.Litestream.Observation;

/// <summary>All that was seen of one database in one look.</summary>
/// <param name="At">The time of the look.</param>
/// <param name="Run">When Litestream was started, which identifies its run; null while it is not running.</param>
/// <param name="HasSocket">Whether that Litestream has a control socket.</param>
/// <param name="Listed">Its list entry for this database; null if there is none.</param>
/// <param name="Activity">What it is doing with this database; null if it does not report that.</param>
/// <param name="Answer">Its answer to a sync request since the last look; null if there is none.</param>
/// <param name="Files">The database's files.</param>
/// <param name="Statistics">The figures from Litestream's log.</param>
internal readonly record struct DatabaseLook(
    DateTimeOffset At,
    DateTimeOffset? Run,
    bool HasSocket,
    ListedDatabase? Listed,
    SyncActivity? Activity,
    SyncAnswer? Answer,
    DatabaseFiles Files,
    DatabaseLogStatistics Statistics)
{
    /// <summary>How far Litestream 0.3 has come, by its metrics; null with 0.5 and where it serves no metrics.</summary>
    public WalPosition? WalPosition { get; init; }

    /// <summary>Litestream's folder of the database; null if there is none, or none for the lock.</summary>
    public FileStatus? Folder { get; init; }

    /// <summary>What the last examination of the file showed; null if files are not examined.</summary>
    public Examination? Examination { get; init; }

    /// <summary>What was just found at the destination; null if it is not a folder that is looked at every time.</summary>
    public ReplicaFinding? Finding { get; init; }

    /// <summary>The figures from Litestream's log after that look at the destination.</summary>
    public DatabaseLogStatistics? LaterStatistics { get; init; }

    /// <summary>Litestream's last judgement of the destination; null before the first, and if it is never asked.</summary>
    public ReplicaCheck? Check { get; init; }

    /// <summary>Whether Litestream is asked to judge the destination.</summary>
    public bool IsChecked { get; init; }

    /// <summary>The bytes of a file that is being written to the destination; null if none is, or that cannot be seen.</summary>
    public long? CopiedBytes { get; init; }

    /// <summary>When Litestream was last seen to send anything; null if it never was.</summary>
    public DateTimeOffset? MovedAt { get; init; }

    /// <summary>Whether Litestream does not run yet, or not for a moment, which is no fault: it is started for the first time, or restarted as planned.</summary>
    public bool IsStarting { get; init; }

    /// <summary>How far the database is being replicated anew; null if it is not.</summary>
    public Renewal? Renewal { get; init; }

    /// <summary>Why this Datasette may not write to the destination; null if it may.</summary>
    public ClaimStatus? Forbidden { get; init; }

    /// <summary>How far its first destination is filled, before Litestream starts on it; null if it is not.</summary>
    public PrimaryFill? Fill { get; init; }

    /// <summary>How far its destinations besides the mirrors are proven, by <see cref="Configuration.ReplicaPlan.Identity"/>; null for none.</summary>
    public ImmutableDictionary<string, DrillStatus>? Drills { get; init; }

    /// <summary>Who has paused the database; null if it is not paused.</summary>
    public Pause? Pause { get; init; }

    /// <summary>Why Litestream is not to have the database yet; null if it is.</summary>
    public PendingAdmission? Admission { get; init; }

    /// <summary>Why Litestream cannot work beside the database, a sentence; null if it can.</summary>
    public string? Unusable { get; init; }

    /// <summary>How far it is with leaving alone a database that Datasette does not serve any more; null if it does.</summary>
    public Detaching? Detaching { get; init; }

    /// <summary>Why Litestream runs without the database; null if it does not.</summary>
    public HeldOutDatabase? HeldOut { get; init; }
}
