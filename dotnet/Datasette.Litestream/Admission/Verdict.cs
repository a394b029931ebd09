using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Admission;

/// <summary>What is to be done with the file of a database.</summary>
internal abstract record Verdict
{
    /// <summary>There is no file yet.</summary>
    public sealed record Missing : Verdict;

    /// <summary>Litestream may go on with it.</summary>
    public sealed record Continued : Verdict;

    /// <summary>It is replicated by a new snapshot, and what is at the destination stays as it is.</summary>
    /// <param name="Why">A clause.</param>
    /// <param name="IsInBackup">Whether everything in it is in the backup.</param>
    public sealed record Anew(string Why, bool IsInBackup) : Verdict;

    /// <summary>Nothing of it is sent.</summary>
    /// <param name="Hold">Why.</param>
    public sealed record Held(HeldBack Hold) : Verdict;
}
