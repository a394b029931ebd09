using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Manual;

/// <summary>What somebody wants to download.</summary>
/// <param name="Id">By what the one who asks names this download, which nobody else has used.</param>
/// <param name="Database">Datasette's name of the database; null if none is named.</param>
/// <param name="Written">The time, as somebody wrote it, in UTC if it names no zone; null or empty for the newest state.</param>
/// <param name="Actor">The id of Datasette's actor; empty if it has none.</param>
internal sealed record DownloadRequest(string Id, string? Database, string? Written, string Actor)
{
    /// <summary>Reads the time.</summary>
    /// <param name="now">The time now.</param>
    /// <returns>Null if it is not understood.</returns>
    public RestoreTarget? TargetAt(DateTimeOffset now) =>
        string.IsNullOrEmpty(Written) ? RestoreTarget.Newest
        : WrittenTime.Parse(Written, now, TimeZoneInfo.Utc) is { } time ? new RestoreTarget.AtTime(time)
        : null;
}

/// <summary>What came of it.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="File">What was restored; null if nothing was.</param>
/// <param name="At">The time that was asked for; null for the newest state.</param>
internal sealed record DownloadResult(ManualResult Result, RestoredFile? File = null, DateTimeOffset? At = null);
