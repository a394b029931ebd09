using System.Collections.Immutable;
using System.Threading.Channels;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.SqliteFiles;

/// <summary>Write-ahead logs that are kept from beginning again. Meanwhile nothing that is written is taken out of them. Any thread may use it.</summary>
internal interface ILogHold : IDisposable
{
    /// <summary>
    /// Why logs of which Litestream would miss a part could not be emptied, in a clause, by the paths of their databases. Litestream must
    /// leave these alone.
    /// </summary>
    ImmutableDictionary<string, string> Blocked { get; }

    /// <summary>Lets go of the log of a database, which Litestream has read.</summary>
    void LetGo(string path);
}

/// <summary>Logs that a child process holds: each until it is let go of, the others until they are empty.</summary>
/// <param name="errors">What else went wrong, in a clause, by the paths of the databases; nothing of theirs is held.</param>
/// <param name="blocked">See <see cref="ILogHold.Blocked"/>.</param>
/// <param name="child">The process; null if it could not be started.</param>
/// <param name="requests">Where it reads its requests.</param>
internal sealed class LogHold(
    ImmutableDictionary<string, string> errors, ImmutableDictionary<string, string> blocked, ChildProcess? child, ChannelWriter<ReadOnlyMemory<byte>> requests) : ILogHold
{
    public ImmutableDictionary<string, string> Errors { get; } = errors;

    public ImmutableDictionary<string, string> Blocked { get; } = blocked;

    /// <summary>Whether the child process was started, and has ended, so that nothing is held.</summary>
    public bool HasEnded => child is { Exited.IsCompleted: true };

    public void LetGo(string path) => requests.TryWrite(SqliteProgram.Request("let-go", writer => writer.WriteString("path", path)));

    /// <summary>Ends the process; otherwise it would empty what it holds.</summary>
    public void Dispose()
    {
        child?.SendToGroup(LibC.SIGKILL);
        requests.TryComplete();
    }
}
