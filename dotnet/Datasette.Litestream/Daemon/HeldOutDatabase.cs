namespace Datasette.Litestream.Daemon;

/// <summary>A database that Litestream runs without, because its destination refused.</summary>
/// <param name="Reason">Litestream's own words about that, without secrets.</param>
/// <param name="Since">When the destination first refused.</param>
/// <param name="RefusedAt">When it last refused.</param>
/// <param name="NextTryAt">When it is asked again; in the past while it is being asked.</param>
internal sealed record HeldOutDatabase(string Reason, DateTimeOffset Since, DateTimeOffset RefusedAt, DateTimeOffset NextTryAt);
