using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>Litestream ended at its start, because it could not use the destination of one database.</summary>
internal sealed class DestinationRefusedException(DestinationRefusal refusal) : Exception(refusal.Cause)
{
    public DestinationRefusal Refusal { get; } = refusal;
}
