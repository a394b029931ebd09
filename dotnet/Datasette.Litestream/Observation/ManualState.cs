using System.Collections.Immutable;

namespace Datasette.Litestream.Observation;

/// <summary>What was done by hand since Datasette started, and what of it holds now. A database goes by Datasette's name.</summary>
internal sealed record ManualState
{
    /// <summary>How many deeds are kept.</summary>
    private const int MaxDeeds = 20;

    /// <summary>The databases that are paused.</summary>
    public ImmutableDictionary<string, Pause> Pauses { get; init; } = ImmutableDictionary.Create<string, Pause>(StringComparer.Ordinal);

    /// <summary>The databases that somebody wants synced now, and since when.</summary>
    public ImmutableDictionary<string, DateTimeOffset> SyncsWanted { get; init; } = ImmutableDictionary.Create<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>The databases whose destinations somebody wants checked now, and since when.</summary>
    public ImmutableDictionary<string, DateTimeOffset> ChecksWanted { get; init; } = ImmutableDictionary.Create<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>The last deeds, newest first.</summary>
    public ImmutableList<Deed> Deeds { get; init; } = [];

    /// <summary>A copy with one more deed.</summary>
    public ManualState With(Deed deed) => this with { Deeds = [deed, .. Deeds.Take(MaxDeeds - 1)] };
}
