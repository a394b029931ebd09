namespace Datasette.Litestream.Notification;

/// <summary>Why a request did not succeed.</summary>
/// <param name="Words">What happened, as the end of a sentence, without any part of the address.</param>
/// <param name="IsFinal">Whether the same request would be refused again.</param>
internal sealed record SendFailure(string Words, bool IsFinal);
