namespace Datasette.Litestream.Mirrors;

/// <summary>The filling of a first destination, before Litestream starts on it.</summary>
/// <param name="Since">When it was found to be necessary.</param>
/// <param name="From">The destination that it is filled from, for people.</param>
/// <param name="FilledBytes">The bytes that have arrived.</param>
/// <param name="FillBytes">The bytes that are to arrive.</param>
/// <param name="Error">Why the last try failed, as a finished short cause; null if none did.</param>
/// <param name="Notice">What was found there and moved aside, in a sentence; null if nothing was.</param>
internal sealed record PrimaryFill(DateTimeOffset Since, string From, long FilledBytes, long FillBytes, string? Error = null, string? Notice = null);
