using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Daemon;

/// <summary>Asks Litestream to sync databases now instead of at its next tick; it then uploads the changes immediately.</summary>
internal static class DatabaseSync
{
    /// <summary>The number of concurrent syncs: enough to hide a disk's latency, but not enough to overload the disk.</summary>
    private const int Parallelism = 8;

    /// <summary>
    /// The delay before the first retry for a database that a writer has locked or that is still being opened. The delay
    /// doubles with each retry, since each try also contacts the destination, which may have refused the key.
    /// </summary>
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromMilliseconds(50);

    /// <summary>Returns when Litestream has synced every database, or on cancellation; errors are in Litestream's log.</summary>
    /// <param name="socket">Litestream's control socket.</param>
    /// <param name="databasePaths">The files, absolute.</param>
    /// <param name="onSynced">Called with each file that Litestream has synced; on any thread.</param>
    /// <param name="maxRetryDelay">The maximum delay between two tries.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait; Litestream continues.</param>
    public static async Task RunAsync(
        ControlSocket socket,
        IEnumerable<string> databasePaths,
        Action<string> onSynced,
        TimeSpan maxRetryDelay,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken };
        try
        {
            await Parallel.ForEachAsync(databasePaths, options, async (path, stop) =>
            {
                var backoff = new Backoff(MinRetryDelay, maxRetryDelay);
                while (!await TrySyncAsync(socket, path, onSynced, stop).ConfigureAwait(false))
                {
                    await Task.Delay(backoff.Next(), time, stop).ConfigureAwait(false);
                }
            }).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Litestream's own sync covers the rest.
        }
    }

    /// <summary>
    /// Returns when everything that was written to every database is at its replica, or on cancellation.
    /// </summary>
    /// <param name="socket">Litestream's control socket.</param>
    /// <param name="databasePaths">The files, absolute.</param>
    /// <param name="hasOneTry">Whether a database is asked for once only.</param>
    /// <param name="maxRetryDelay">The maximum delay between two tries.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait; Litestream continues.</param>
    /// <returns>The files of the databases of which that is not known.</returns>
    public static async Task<IReadOnlyCollection<string>> ConfirmAsync(
        ControlSocket socket,
        IReadOnlyCollection<string> databasePaths,
        Func<string, bool> hasOneTry,
        TimeSpan maxRetryDelay,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        // Whether another try may succeed, by the file of each database that is not known to be replicated.
        var open = new ConcurrentDictionary<string, bool>(databasePaths.Select(path => KeyValuePair.Create(path, true)), StringComparer.Ordinal);
        var options = new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken };
        try
        {
            // Those that have to wait for their upload must not delay the first try of the others.
            await Parallel.ForEachAsync(databasePaths, options, async (path, stop) => await TryAsync(path, stop).ConfigureAwait(false)).ConfigureAwait(false);
            await Task.WhenAll(open.Where(one => one.Value && !hasOneTry(one.Key)).Select(one => WaitAsync(one.Key))).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // What is open stays open.
        }

        return [.. open.Keys];

        async Task TryAsync(string path, CancellationToken stop)
        {
            try
            {
                var synced = await socket.SyncAsync(path, stop).ConfigureAwait(false);
                if (synced.ReplicatedTxid >= synced.Txid)
                {
                    open.TryRemove(path, out _);
                }
            }
            catch (JsonException)
            {
                open[path] = false;
            }
            catch (HttpRequestException ex)
            {
                open[path] = MaySucceedLater(ex);
            }
        }

        async Task WaitAsync(string path)
        {
            var backoff = new Backoff(MinRetryDelay, maxRetryDelay);
            while (open.GetValueOrDefault(path))
            {
                await Task.Delay(backoff.Next(), time, cancellationToken).ConfigureAwait(false);
                await TryAsync(path, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // Without a status code, Litestream has ended.
    private static bool MaySucceedLater(HttpRequestException error) =>
        error.StatusCode is HttpStatusCode.InternalServerError or HttpStatusCode.Conflict;

    /// <returns>False if another try may succeed.</returns>
    private static async Task<bool> TrySyncAsync(ControlSocket socket, string path, Action<string> onSynced, CancellationToken cancellationToken)
    {
        try
        {
            await socket.SyncAsync(path, cancellationToken).ConfigureAwait(false);
            onSynced(path);
            return true;
        }
        catch (JsonException)
        {
            // Litestream has answered, although not as expected.
            return true;
        }
        catch (HttpRequestException ex)
        {
            return !MaySucceedLater(ex);
        }
    }
}
