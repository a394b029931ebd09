using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Manual;

/// <summary>How something that was asked for ended.</summary>
internal enum ManualOutcome
{
    /// <summary>It was done, or was so already.</summary>
    Done,

    /// <summary>The request itself is wrong.</summary>
    Wrong,

    /// <summary>The request was one that may not change anything.</summary>
    NotPosted,

    /// <summary>There is no such database, or it is not replicated.</summary>
    NotFound,

    /// <summary>It cannot be done as things stand.</summary>
    Refused,

    /// <summary>It cannot be done before something else has ended.</summary>
    Busy,

    /// <summary>It was tried, and did not succeed.</summary>
    Failed,

    /// <summary>It was begun, and its end was not waited for any longer.</summary>
    TimedOut,
}

/// <summary>What came of a request.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Sentence">The same in words, complete but for how the database stands.</param>
/// <param name="Seen">How the database stood then; null if that does not matter.</param>
internal sealed record ManualResult(ManualOutcome Outcome, string Sentence, DatabaseObservation? Seen = null)
{
    /// <summary>Whether everything that had been written when it was asked for is at each destination; null if that is not known, or was not asked.</summary>
    public bool? IsSafe { get; init; }
}
