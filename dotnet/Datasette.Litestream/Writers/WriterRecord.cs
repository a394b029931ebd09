using System.Collections.Immutable;

namespace Datasette.Litestream.Writers;

/// <summary>One Datasette in a <see cref="WritersFile"/>.</summary>
/// <param name="Identity">Who it is.</param>
/// <param name="Answers">
/// Changes whenever it has seen that somebody asks for what it writes to, and has not let go yet. So who asks can tell that it is
/// there; as long as nobody asks, it need not write anything.
/// </param>
/// <param name="Holds">The prefixes that it writes to, each with the file of the database.</param>
/// <param name="Asks">The prefixes that it waits for.</param>
/// <param name="Taken">The prefixes that were taken from it because it did not answer.</param>
internal sealed record WriterRecord(
    WriterIdentity Identity,
    long Answers,
    ImmutableSortedDictionary<string, string> Holds,
    ImmutableSortedSet<string> Asks,
    ImmutableSortedDictionary<string, TakeOver> Taken)
{
    /// <summary>The record of a Datasette that writes to nothing yet.</summary>
    public WriterRecord(WriterIdentity identity)
        : this(
            identity,
            0,
            ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal),
            ImmutableSortedSet.Create<string>(StringComparer.Ordinal),
            ImmutableSortedDictionary.Create<string, TakeOver>(StringComparer.Ordinal))
    {
    }

    /// <summary>Whether it says nothing.</summary>
    public bool IsEmpty => Holds.IsEmpty && Asks.IsEmpty && Taken.IsEmpty;

    /// <summary>It, without a prefix that it has held or has waited for.</summary>
    public WriterRecord Without(string prefix) => this with { Holds = Holds.Remove(prefix), Asks = Asks.Remove(prefix), Taken = Taken.Remove(prefix) };
}

/// <summary>That a prefix was taken from a Datasette that did not answer.</summary>
/// <param name="By">Who took it, for people.</param>
/// <param name="At">When, by the clock of who took it.</param>
internal sealed record TakeOver(string By, DateTimeOffset At);
