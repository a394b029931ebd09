using System.Collections.Immutable;

namespace Datasette.Litestream.Writers;

/// <summary>How claims go from one Datasette of this machine to the next one that replicates the same databases.</summary>
/// <param name="Ended">Finds the writers that are known to write no more, whatever the writers' file says.</param>
/// <param name="Former">Finds what those have left.</param>
/// <param name="Folder">Where such are to be left: whoever comes may only just be starting. Null where that is not possible.</param>
/// <param name="HasNext">Whether anybody stands by.</param>
internal sealed record LocalSuccession(Func<ImmutableHashSet<Guid>> Ended, Func<IEnumerable<HeldClaims>> Former, Func<string?> Folder, Func<bool> HasNext)
{
    /// <summary>That of a Datasette that is alone.</summary>
    public static LocalSuccession None { get; } = new(() => [], () => [], () => null, () => false);
}
