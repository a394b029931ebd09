using System.Collections.Immutable;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Daemon;

/// <summary>
/// The databases that Litestream runs without, and when to try them again: after 2 s, and up to 15 s for a log, and 5 min for a
/// destination. Only the supervising task uses it.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="random">The source of the delays' jitter.</param>
internal sealed class HeldOutDatabases(TimeProvider time, Random random)
{
    private static readonly TimeSpan MinDelay = TimeSpan.FromSeconds(2), MaxDelay = TimeSpan.FromMinutes(5), MaxLogDelay = TimeSpan.FromSeconds(15);

    private readonly Dictionary<string, Backoff> _delays = new(StringComparer.Ordinal);
    private readonly Queue<string> _suspects = new();

    /// <summary>All of them, by their files' paths.</summary>
    public ImmutableDictionary<string, HeldOutDatabase> All { get; private set; } = ImmutableDictionary<string, HeldOutDatabase>.Empty;

    /// <summary>Whether there are destinations to ask because one of them may have kept Litestream from starting.</summary>
    public bool HasSuspects => _suspects.Count > 0;

    /// <summary>
    /// The database whose destination is to be asked next, and when; null if there is none. One at a time, since each takes a
    /// process.
    /// </summary>
    public (string Path, DateTimeOffset At)? Next =>
        _suspects.TryPeek(out var suspect) ? (suspect, DateTimeOffset.MinValue)
        : All.IsEmpty ? null
        : All.Select(held => (held.Key, held.Value.NextTryAt)).MinBy(held => held.NextTryAt);

    /// <summary>Holds a database out, or, if it is, records that it was tried again in vain.</summary>
    /// <returns>Whether it was not held out before.</returns>
    public bool Refused(string path, HeldOutCause cause, string reason)
    {
        Clear(path);
        var now = time.GetUtcNow();
        if (!_delays.TryGetValue(path, out var delay))
        {
            _delays[path] = delay = new Backoff(MinDelay, cause == HeldOutCause.LogBlocked ? MaxLogDelay : MaxDelay, random);
        }

        var before = All.GetValueOrDefault(path);
        All = All.SetItem(path, new HeldOutDatabase(cause, reason, before?.Since ?? now, now, now + delay.Next()));
        return before is null;
    }

    /// <summary>Records that a database can be replicated.</summary>
    /// <returns>Whether it was held out.</returns>
    public bool Answered(string path)
    {
        Clear(path);
        var wasHeldOut = All.ContainsKey(path);
        All = All.Remove(path);
        if (wasHeldOut)
        {
            // Whatever ended may have concerned the others too.
            AskSoon();
        }

        return wasHeldOut;
    }

    /// <summary>Forgets the delay of a database with which Litestream has started.</summary>
    public void Started()
    {
        _suspects.Clear();
        foreach (var path in _delays.Keys.Where(path => !All.ContainsKey(path)).ToList())
        {
            _delays.Remove(path);
        }
    }

    /// <summary>Has all destinations asked now.</summary>
    public void AskSoon()
    {
        var now = time.GetUtcNow();
        All = All.ToImmutableDictionary(held => held.Key, held => held.Value with { NextTryAt = now });
    }

    /// <summary>Has the destinations of other databases asked, after a start that failed without naming one.</summary>
    public void Suspect(IEnumerable<string> paths)
    {
        if (_suspects.Count == 0)
        {
            foreach (var path in paths)
            {
                _suspects.Enqueue(path);
            }
        }
    }

    /// <summary>Forgets all databases but these.</summary>
    public void Keep(IEnumerable<string> paths)
    {
        var kept = paths.ToHashSet(StringComparer.Ordinal);
        All = All.RemoveRange(All.Keys.Where(path => !kept.Contains(path)));
        _suspects.Clear();
    }

    private void Clear(string path)
    {
        if (_suspects.TryPeek(out var suspect) && suspect == path)
        {
            _suspects.Dequeue();
        }
    }
}
