using Datasette.Litestream.Processes;

namespace Datasette.Litestream.SqliteFiles;

/// <summary>
/// Write-ahead logs that a child process keeps from beginning again. Meanwhile nothing that is written is taken out of them.
/// </summary>
/// <param name="errors">What went wrong, in a clause, for each database that was asked for, in the same order; null if nothing did.</param>
/// <param name="child">The process; null if it could not be started.</param>
/// <param name="released">Ends the process's standard input, upon which it would end by itself.</param>
internal sealed class LogHold(IReadOnlyList<string?> errors, ChildProcess? child, TaskCompletionSource released) : IDisposable
{
    public IReadOnlyList<string?> Errors { get; } = errors;

    /// <summary>Lets go of the logs. Any thread may call it, and more than once.</summary>
    public void Dispose()
    {
        released.TrySetResult();
        child?.SendToGroup(LibC.SIGKILL);
    }
}
