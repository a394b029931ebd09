using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Mirrors;

/// <summary>What the mirrors of one Datasette share.</summary>
/// <param name="Traffic">Limits what is done at once.</param>
/// <param name="Pruning">Finds what is not needed any more.</param>
/// <param name="Time">The clock.</param>
/// <param name="Random">The source of the delays' jitter.</param>
/// <param name="Redact">Takes secrets out of what others say.</param>
internal sealed record MirrorTools(Traffic Traffic, Pruning Pruning, TimeProvider Time, Random Random, Func<string, string> Redact)
{
    /// <summary>Copies files.</summary>
    public Copier Copier { get; } = new(Traffic);
}

/// <summary>One mirror and where it copies from.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Replica">The mirror.</param>
/// <param name="Holder">Its store.</param>
/// <param name="Local">The files that this machine's Litestream makes.</param>
/// <param name="Primary">The destination that Litestream writes to.</param>
/// <param name="Peers">The other mirrors of the database.</param>
internal sealed record MirrorPlace(MirrorKey Key, ReplicaPlan Replica, StoreHolder Holder, LocalHistory Local, Source Primary, IReadOnlyList<Source> Peers);
