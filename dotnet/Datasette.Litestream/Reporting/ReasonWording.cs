using Datasette.Litestream.Observation;
using Datasette.Litestream.Proving;

namespace Datasette.Litestream.Reporting;

/// <summary>Puts the reasons for a state into words.</summary>
internal static class ReasonWording
{
    /// <summary>A reason as it follows "because"; it names no database.</summary>
    public static string Clause(StateReason reason) => reason switch
    {
        StateReason.AllReplicated => "everything is at the replica",
        StateReason.OnTheWay => "changes are on their way",
        StateReason.NotKnownToBeBehind => "Litestream 0.3 does not tell what is at the replica",
        StateReason.Starting => "Litestream was just started",
        StateReason.FirstCopy => "the first copy is under way",
        StateReason.NotCheckedYet => "the backup has not been checked yet",
        StateReason.WaitingTooLong => "changes wait for longer than usual",
        StateReason.SyncFailed => "Litestream cannot read changes",
        StateReason.UploadFailed => "Litestream cannot upload changes",
        StateReason.ErrorLogged => "Litestream logged an error",
        StateReason.CompactionFailed => "Litestream cannot merge files at the replica",
        StateReason.DestinationRefused => "the destination refused Litestream",
        StateReason.LogBlocked => "its write-ahead log could not be emptied for Litestream",
        StateReason.Paused => "replication was paused by hand",
        StateReason.LitestreamDown => "Litestream is not running",
        StateReason.ReplicationStopped => "Litestream has stopped replicating",
        StateReason.FileUnreadable => "the file cannot be looked at",
        StateReason.FileMissing => "the file is gone",
        StateReason.FileReplaced => "the file was replaced",
        StateReason.FileOverwritten => "the file was overwritten",
        StateReason.SameFile => "the file is replicated under another name",
        StateReason.NameNotSupported => "Litestream cannot open a file of this name",
        StateReason.SettingsRefused => "what is configured for it is wrong",
        StateReason.FolderUnusable => "Litestream cannot work with the file",
        StateReason.NotDetached => "it was detached, and its last changes could not be replicated",
        StateReason.FolderRemoved => "Litestream's folder was removed or lost files",
        StateReason.BackupDamaged => "the backup is damaged",
        StateReason.OtherWriter => "another Litestream writes to the same destination",
        StateReason.WaitingForWriter => "another Datasette writes to the destination",
        StateReason.TakenOver => "another Datasette took over",
        StateReason.WriterUnknown => "it is not known whether another Datasette writes to the destination",
        StateReason.ReplicatedAnew => "the backup is being made anew",
        StateReason.Filling => "its first destination is being filled from another one",
        StateReason.Admitting => "it is being found out what is at the destination",
        StateReason.DestinationUnknown => "what is at the destination cannot be found out",
        StateReason.FileEmpty => "the file holds nothing, and its backup does",
        StateReason.FileOlder => "the file is older than its backup",
        StateReason.MirrorFirstCopy => "the first copy to another destination is under way",
        StateReason.MirrorBehind => "changes wait for another destination for longer than usual",
        StateReason.MirrorFailed => "another destination cannot be read or written",
        StateReason.MirrorDamaged => "the backup at another destination is damaged",
        StateReason.DrillFailed => "a drill has shown that its backup cannot be relied on",
        StateReason.DatabaseDamaged => "a drill has shown that the database itself is damaged",
        StateReason.DrillOverdue => "its backup could not be proven for too long",
        StateReason.NotProvenAgain => "its backup was made anew after a failed drill, and is not proven yet",
        StateReason.MirrorDrillFailed => "a drill has shown that the backup at another destination cannot be relied on",
        StateReason.MirrorDrillOverdue => "the backup at another destination could not be proven for too long",
        _ => "Litestream does not answer",
    };

    /// <summary>Explains why a database is in its state, from the figures from which the state was derived.</summary>
    /// <param name="reason">The reason.</param>
    /// <param name="evidence">The figures.</param>
    /// <param name="now">The time.</param>
    /// <param name="destination">What to call the mirror that it is about.</param>
    public static string Explain(StateReason reason, Evidence evidence, DateTimeOffset now, string destination = "one of its destinations") => reason switch
    {
        StateReason.AllReplicated => "Litestream synced the database after its last change, and everything that it synced is at the replica.",
        StateReason.OnTheWay => $"Changes after {Moment(evidence.ReplicatedUntil, now)} are not at the replica yet, which is normal for a few seconds.",
        StateReason.NotKnownToBeBehind => "Litestream 0.3 cannot report what it has replicated. Its log contains no error.",
        StateReason.Starting => "Litestream was just started, and has not reported yet what it has replicated.",
        StateReason.FirstCopy =>
            $"The database is being copied to the replica for the first time, and nothing of it is safe yet. {Progress(evidence, now)}",
        StateReason.NotCheckedYet => "Everything is replicated, but whether it can be restored has not been checked since the start.",
        StateReason.WaitingTooLong => $"Changes after {Moment(evidence.ReplicatedUntil, now)} are not at the replica, and have waited for longer than usual.",
        StateReason.SyncFailed => "Litestream cannot read the database's changes, and has read none since.",
        StateReason.UploadFailed => "Litestream cannot upload the database's changes, and has uploaded none since.",
        StateReason.ErrorLogged => "Litestream logged an error, and has reported no success since.",
        StateReason.CompactionFailed => "Litestream cannot merge the files at the replica, and has not succeeded since.",
        StateReason.DestinationRefused => "The destination refused Litestream, which runs without this database until the destination answers.",
        StateReason.LogBlocked =>
            "While Litestream did not run, SQLite began the write-ahead log again. Litestream would miss what was in it before, unless the log is emptied, and others keep it from that.",
        StateReason.Paused => "Replication was paused by hand: Litestream runs without this database until it is resumed.",
        StateReason.LitestreamDown => "Litestream is not running.",
        StateReason.ReplicationStopped => "Litestream is running, but has stopped replicating this database.",
        StateReason.FileUnreadable => "The file that Datasette serves cannot be looked at.",
        StateReason.FileMissing => "The file that Datasette serves is gone.",
        StateReason.FileReplaced => "The file was replaced: Datasette serves another file than the one that is replicated.",
        StateReason.FileOverwritten => "The file was overwritten from outside of SQLite.",
        StateReason.SameFile => "Another database of this Datasette is the same file, which is replicated once. Writes under both names can destroy it.",
        StateReason.NameNotSupported => "Litestream cannot open a file of this name, and would write to another file beside it.",
        StateReason.SettingsRefused => "The database was attached while Datasette serves, and what is configured for it is wrong.",
        StateReason.FolderUnusable => "Litestream must write and lock files beside the database, and cannot.",
        StateReason.NotDetached => $"Datasette does not serve the database any more. Changes after {Moment(evidence.ReplicatedUntil, now)} are not known to be at the replica, so it is still replicated.",
        StateReason.FolderRemoved => "Litestream's folder beside the database, or a file in it, was removed, and with it what Litestream had not uploaded.",
        StateReason.BackupDamaged => "The backup is damaged: it cannot be restored up to the last change.",
        StateReason.OtherWriter => "Another Litestream writes to the same destination, and the two destroy each other's backup.",
        StateReason.Filling =>
            "The destination that Litestream writes has less than another one, and is being filled from it. Until then Litestream leaves the database alone."
            + (evidence.CopiedBytes is > 0 and { } filled ? $" {Wording.Size(filled)} were copied so far." : ""),
        StateReason.Admitting => "It is being found out what is at the destination. Until then Litestream leaves the database alone.",
        StateReason.DestinationUnknown =>
            "The destination does not tell whether it has a backup, and the file holds nothing or cannot be read, so nothing is sent: it could become the newest state of a backup.",
        StateReason.FileEmpty =>
            "The file holds nothing, and its backup does. The database is held back: nothing of it is sent, and the backup stays as it is.",
        StateReason.FileOlder =>
            "The file is older than its backup, or another machine went on from there. The database is held back: nothing of it is sent, and the backup stays as it is.",
        StateReason.MirrorFirstCopy =>
            $"The backup is being copied to {destination} for the first time, and nothing can be restored from it yet.{(evidence.CopiedBytes is > 0 and { } copied ? $" {Wording.Size(copied)} were copied so far." : "")}",
        StateReason.MirrorBehind => $"Changes after {Moment(evidence.ReplicatedUntil, now)} are not at {destination}, and have waited for longer than usual.",
        StateReason.MirrorFailed => $"{Capitalized(destination)} cannot be read or written, and lacks the changes after {Moment(evidence.ReplicatedUntil, now)}.",
        StateReason.MirrorDamaged => $"The backup at {destination} is damaged: it cannot be restored up to the last change.",
        StateReason.DrillFailed => "The backup was restored and held against the live database, and cannot be relied on.",
        StateReason.DatabaseDamaged => "The backup was restored and is what the live database is, and that one is damaged: SQLite finds faults in it.",
        StateReason.DrillOverdue => $"The backup was to be restored and held against the live database, and that could not be done for {DrillStatus.PatientIntervals} intervals.",
        StateReason.NotProvenAgain => "The backup was made anew after a drill that failed. It is restored and held against the live database before it counts as safe.",
        StateReason.MirrorDrillFailed => $"The backup at {destination} was restored and held against the live database, and cannot be relied on.",
        StateReason.MirrorDrillOverdue => $"The backup at {destination} was to be restored and held against the live database, and that could not be done for {DrillStatus.PatientIntervals} intervals.",
        StateReason.WaitingForWriter =>
            "Another Datasette writes to the destination, and was asked to let go of it. Litestream runs without this database until then.",
        StateReason.TakenOver =>
            "Another Datasette writes to the destination now. Litestream runs without this database, and does not take it up again before Datasette is restarted.",
        StateReason.WriterUnknown =>
            "Whether another Datasette writes to the destination cannot be found out, so Litestream runs without this database until the destination answers.",
        StateReason.ReplicatedAnew => $"The backup is being made anew, and is not complete yet. {Progress(evidence, now)}",
        _ => evidence.Activity is { IsActive: true, StartedAt: { } start }
            ? $"Litestream does not report the state of the database. It has been busy with it since {Wording.Clock(start, now)}."
            : "Litestream does not report the state of the database. It is asked again every 2 seconds.",
    };

    /// <summary>What to do about it, in sentences; null if there is nothing to do.</summary>
    public static string? Remedy(StateReason reason) => reason switch
    {
        StateReason.FileUnreadable => "Look at the path, its folders and their permissions.",
        StateReason.FileMissing => "Put the file back, or restore it from the backup, and restart Datasette.",
        StateReason.FileReplaced or StateReason.FileOverwritten => "It is replicated anew by itself if that is possible without Datasette; otherwise restart Datasette.",
        StateReason.SameFile => "Serve the file under one name.",
        StateReason.NameNotSupported => "Rename the file.",
        StateReason.SettingsRefused => "Change the settings, and restart Datasette.",
        StateReason.FolderUnusable => "It is tried again by itself.",
        StateReason.NotDetached => "It is tried again by itself. Leave the file where it is until then.",
        StateReason.FolderRemoved => "Litestream is restarted by itself; leave the folder alone.",
        StateReason.BackupDamaged => "It is made anew by itself. Leave what is at the destination to Litestream.",
        StateReason.OtherWriter => "End the other one, or give each Datasette a destination of its own.",
        StateReason.DrillFailed or StateReason.MirrorDrillFailed => "It is made anew by itself, and proven again. What else can be restored stays so.",
        StateReason.DatabaseDamaged => "Restore a state from before the damage (datasette litestream restore with --at and --verify), or save what can be read with SQLite's .recover.",
        StateReason.DrillOverdue or StateReason.MirrorDrillOverdue => "It is tried again by itself. Mend what keeps it from being done.",
        StateReason.MirrorFailed => "It is tried again by itself, and then gets what it lacks.",
        StateReason.MirrorDamaged => "It is mended by itself. Leave what is at the destination to the plugin.",
        StateReason.WaitingForWriter => "The other one lets go by itself, and is taken to be gone after 30 s without an answer.",
        StateReason.TakenOver => "If this Datasette is to write there, restart it, and accept its file then; otherwise stop it, or give each a destination of its own.",
        StateReason.WriterUnknown => "A key at S3 needs s3:GetObject and s3:PutObject for this file. For one that may only touch the destinations themselves, set writer-file: inside; writer-file: false does without the file.",
        StateReason.DestinationRefused => "The destination is asked again by itself, at growing intervals.",
        StateReason.LogBlocked => "It is tried again every few seconds. End the program that reads the database in one transaction all the time.",
        StateReason.Paused => "Resume it as soon as it can be.",
        StateReason.DestinationUnknown => "The destination is asked again by itself, at growing intervals.",
        StateReason.FileEmpty =>
            "Get the data back: stop Datasette, and run the command below with --in-place, or set restore: missing and restart Datasette. If the file is meant to be as it is, accept it, by the button or by datasette litestream accept.",
        StateReason.FileOlder =>
            "Get the newer state back: stop Datasette, and run the command below with --in-place. If the file is meant to be as it is, accept it, by the button or by datasette litestream accept; what the backup has stays in it.",
        StateReason.LitestreamDown => "It is started again by itself.",
        StateReason.ReplicationStopped => "Restart Datasette.",
        _ => null,
    };

    /// <summary>How far a copy has come, without a guess at when it ends.</summary>
    public static string Progress(Evidence evidence, DateTimeOffset now) => evidence switch
    {
        { CopiedBytes: > 0 and { } bytes, IsMoving: true } => $"{Wording.Size(bytes)} were copied so far.",
        { IsMoving: true } => "Litestream is sending data.",
        { CopiedBytes: > 0 and { } bytes, MovedAt: { } moved } => $"{Wording.Size(bytes)} were copied so far, and nothing more since {Wording.Clock(moved, now)}.",
        { MovedAt: { } moved } => $"Litestream has sent nothing since {Wording.Clock(moved, now)}.",
        _ => "Whether Litestream sends anything is not known.",
    };

    private static string Capitalized(string words) => char.ToUpperInvariant(words[0]) + words[1..];

    private static string Moment(DateTimeOffset? time, DateTimeOffset now) => time is { } known ? Wording.Clock(known, now) : "the start";
}
