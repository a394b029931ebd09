using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Attaching;

/// <summary>A database that was detached, and whose file was gone before it was known that all of it is at the replica.</summary>
/// <param name="Name">Datasette's name for it.</param>
/// <param name="Path">Its file.</param>
/// <param name="At">When that was noticed.</param>
/// <param name="SafeUntil">Up to when it is known to be at the replica; null if unknown.</param>
internal sealed record Departure(string Name, string Path, DateTimeOffset At, DateTimeOffset? SafeUntil)
{
    /// <summary>The same in a clause.</summary>
    public string Clause =>
        $"it was detached, and its file was gone at {At:u}, before its last changes were known to be replicated; {(SafeUntil is { } safe ? $"last safe at {safe:u}" : "how much of it is safe is not known")}";

    /// <summary>How it is listed.</summary>
    public SkippedDatabase Listed => new(Name, Clause);
}
