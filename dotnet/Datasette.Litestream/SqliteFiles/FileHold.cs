using System.Threading.Channels;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.SqliteFiles;

/// <summary>An exclusive lock of SQLite on a database file, which a child process holds: nobody else has it open meanwhile.</summary>
/// <param name="error">Why there is none, in SQLite's words; null if there is one.</param>
/// <param name="isBusy">Whether that is because somebody else has the file open.</param>
/// <param name="child">The process; null if it could not be started.</param>
/// <param name="requests">The process's standard input, which ends with it.</param>
internal sealed class FileHold(string? error, bool isBusy, ChildProcess? child, ChannelWriter<ReadOnlyMemory<byte>> requests) : IDisposable
{
    public string? Error => error;

    public bool IsBusy => isBusy;

    /// <summary>Lets go of the file, without the last checkpoint that SQLite makes when it closes one.</summary>
    public void Dispose()
    {
        child?.SendToGroup(LibC.SIGKILL);
        requests.TryComplete();
        child?.Exited.Wait();
    }
}
