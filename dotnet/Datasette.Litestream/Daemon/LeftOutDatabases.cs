using System.Collections.Immutable;

namespace Datasette.Litestream.Daemon;

/// <summary>Why Litestream is to run without a database, apart from a destination that refuses.</summary>
internal enum LeaveOutReason
{
    /// <summary>It is being prepared to be replicated anew.</summary>
    Renewal,

    /// <summary>The destination that Litestream is to write to is being filled from another one.</summary>
    Filling,

    /// <summary>Another Datasette writes to its destination, or may do so.</summary>
    OtherWriter,

    /// <summary>Somebody has paused it.</summary>
    Paused,

    /// <summary>It was just attached, and is being prepared to be replicated.</summary>
    Attaching,

    /// <summary>It was detached, and Litestream is to leave it alone after a last sync.</summary>
    Detaching,

    /// <summary>Litestream cannot work beside it.</summary>
    FolderUnusable,

    /// <summary>It is not known yet that its file may be sent to its destination, or known that it may not.</summary>
    Admission,
}

/// <summary>The databases that Litestream is to run without, each for one or more reasons. Any thread may use it.</summary>
internal sealed class LeftOutDatabases
{
    private ImmutableDictionary<LeaveOutReason, ImmutableHashSet<string>> _names = ImmutableDictionary<LeaveOutReason, ImmutableHashSet<string>>.Empty;

    /// <summary>The names of all of them.</summary>
    public ImmutableHashSet<string> Names { get; private set; } = ImmutableHashSet.Create<string>(StringComparer.Ordinal);

    /// <summary>The names of those that are left out for a reason.</summary>
    public ImmutableHashSet<string> Of(LeaveOutReason reason) => _names.GetValueOrDefault(reason, []);

    /// <summary>Forgets a database that there is no more. Callers take turns.</summary>
    public void Forget(string name)
    {
        foreach (var (reason, names) in _names)
        {
            Set(reason, names.Remove(name));
        }
    }

    /// <summary>Replaces the databases that are left out for a reason. Callers take turns.</summary>
    /// <returns>Whether others are left out now than before, for whatever reason.</returns>
    public bool Set(LeaveOutReason reason, IEnumerable<string> names)
    {
        _names = _names.SetItem(reason, [.. names]);
        var before = Names;
        Names = [.. _names.Values.SelectMany(some => some)];
        return !Names.SetEquals(before);
    }
}
