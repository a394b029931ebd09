using System.Net;
using System.Text.Json;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>Has Litestream take the changes of databases now instead of at its next tick; their upload follows at once.</summary>
internal static class DatabaseSync
{
    /// <summary>How many databases at a time: enough to hide a disk's latency, few enough not to storm it.</summary>
    private const int Parallelism = 8;

    /// <summary>
    /// A database that a writer has locked, or that is still being opened, is tried again after this time, and then after
    /// twice as long each time: each try asks the destination too, which may have refused the key.
    /// </summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromMilliseconds(50);

    /// <summary>Returns when it has taken those of every database, or on cancellation; Litestream's log tells what went wrong.</summary>
    /// <param name="socket">Litestream's control socket.</param>
    /// <param name="databasePaths">The files, absolute.</param>
    /// <param name="maxRetryDelay">The longest pause between two tries.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait; Litestream goes on.</param>
    public static async Task RunAsync(
        ControlSocket socket,
        IEnumerable<string> databasePaths,
        TimeSpan maxRetryDelay,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken };
        try
        {
            await Parallel.ForEachAsync(databasePaths, options, async (path, stop) =>
            {
                for (var delay = MinRetryDelay; !await TrySyncAsync(socket, path, stop).ConfigureAwait(false); delay *= 2)
                {
                    delay = delay < maxRetryDelay ? delay : maxRetryDelay;
                    await Task.Delay(delay, time, stop).ConfigureAwait(false);
                }
            }).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // What it has not taken yet comes with its own sync.
        }
    }

    /// <returns>False where another try may succeed.</returns>
    private static async Task<bool> TrySyncAsync(ControlSocket socket, string path, CancellationToken cancellationToken)
    {
        try
        {
            await socket.SyncAsync(path, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (JsonException)
        {
            // An answer all the same.
            return true;
        }
        catch (HttpRequestException ex)
        {
            // No status at all is a Litestream that has gone.
            return ex.StatusCode is not (HttpStatusCode.InternalServerError or HttpStatusCode.Conflict);
        }
    }
}
