namespace Datasette.Litestream.Proving;

/// <summary>A drill could not be held, which says nothing of the backup; the message says why, in a sentence.</summary>
internal sealed class DrillNotHeldException(string message) : Exception(message);
