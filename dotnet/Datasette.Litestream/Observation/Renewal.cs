namespace Datasette.Litestream.Observation;

/// <summary>A database that is being replicated anew after a fault.</summary>
/// <param name="Cause">The fault.</param>
/// <param name="Since">When it was seen.</param>
/// <param name="RenewedAt">When Litestream was started with the database again; null before that, while nothing of it is
/// replicated.</param>
/// <param name="Error">Why the last try failed; null if none did.</param>
internal sealed record Renewal(StateReason Cause, DateTimeOffset Since, DateTimeOffset? RenewedAt = null, string? Error = null)
{
    /// <summary>Whether a fault can be mended by replicating the database anew, without its owner.</summary>
    public static bool Mends(StateReason fault) => fault is StateReason.FileReplaced or StateReason.FileOverwritten
        or StateReason.FolderRemoved or StateReason.BackupDamaged or StateReason.DrillFailed or StateReason.MirrorDrillFailed;
}
