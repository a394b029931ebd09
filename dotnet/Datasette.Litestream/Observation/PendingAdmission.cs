namespace Datasette.Litestream.Observation;

/// <summary>A database that Litestream leaves alone until it is known that its file may be sent to its destination.</summary>
/// <param name="Since">Since when.</param>
/// <param name="Error">Why that could not be found out at the last try; null if it could, or was not tried yet.</param>
/// <param name="HeldBack">Why it may not; null if that is not known.</param>
/// <param name="Renewal">Why a new snapshot of it is being made first; null if none is.</param>
internal sealed record PendingAdmission(DateTimeOffset Since, string? Error = null, HeldBack? HeldBack = null, string? Renewal = null);

/// <summary>Why a file may not be sent: it is not the one that was replicated, and would be the newest state of the backup.</summary>
/// <param name="IsEmpty">Whether it holds nothing; otherwise it is older than the backup.</param>
/// <param name="Detail">The destination and what is there, a clause.</param>
internal sealed record HeldBack(bool IsEmpty, string Detail)
{
    /// <summary>All of it, a clause.</summary>
    public string Clause => $"{(IsEmpty ? "the file holds nothing, and" : "the file is older than its backup:")} {Detail}";
}
