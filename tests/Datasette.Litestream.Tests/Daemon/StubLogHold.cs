using System.Collections.Concurrent;
using System.Collections.Immutable;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Tests.Daemon;

/// <summary>Holds no logs, and records what it is told.</summary>
internal sealed class StubLogHold : ILogHold
{
    private volatile bool _hasEnded;

    public ImmutableDictionary<string, string> Blocked { get; init; } = ImmutableDictionary<string, string>.Empty;

    public ConcurrentQueue<string> LetGoOf { get; } = new();

    public bool HasEnded => _hasEnded;

    public void LetGo(string path) => LetGoOf.Enqueue(path);

    public void Dispose() => _hasEnded = true;
}
