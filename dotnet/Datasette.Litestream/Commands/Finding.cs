namespace Datasette.Litestream.Commands;

/// <summary>One thing that <c>datasette litestream doctor</c> looked at.</summary>
/// <param name="Level">How it is.</param>
/// <param name="Subject">What it is, in a word or two.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Cure">What to do; null if nothing is to be done.</param>
internal sealed record Finding(FindingLevel Level, string Subject, string Sentence, string? Cure = null);

/// <summary>How something is.</summary>
internal enum FindingLevel
{
    Ok,

    /// <summary>It works, and may not for long, or not as expected.</summary>
    Warn,

    /// <summary>Replication does not work.</summary>
    Fail,
}
