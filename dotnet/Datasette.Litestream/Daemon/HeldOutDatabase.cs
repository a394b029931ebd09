namespace Datasette.Litestream.Daemon;

/// <summary>Why Litestream runs without a database.</summary>
internal enum HeldOutCause
{
    /// <summary>The destination refused Litestream.</summary>
    DestinationRefused,

    /// <summary>Litestream would miss a part of the write-ahead log, which others keep from being emptied.</summary>
    LogBlocked,
}

/// <summary>A database that Litestream runs without for now.</summary>
/// <param name="Cause">Why.</param>
/// <param name="Reason">The words of whoever told of it, without secrets.</param>
/// <param name="Since">When that was first found.</param>
/// <param name="RefusedAt">When it was last found.</param>
/// <param name="NextTryAt">When it is tried again; in the past while it is being tried.</param>
internal sealed record HeldOutDatabase(HeldOutCause Cause, string Reason, DateTimeOffset Since, DateTimeOffset RefusedAt, DateTimeOffset NextTryAt);
