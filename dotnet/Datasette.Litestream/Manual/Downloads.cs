using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Observation;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Manual;

/// <summary>
/// Restores databases for those who download them: each into a private folder beside the database's file, which is deleted when the
/// download is over, however it ends; what a process that was killed has left is deleted by the next one. Any thread may ask. The downloads
/// are in a dictionary, which is changed under a lock; each belongs to its own task.
/// </summary>
/// <param name="plan">What is replicated, now.</param>
/// <param name="makeRestorer">Makes what restores one database.</param>
/// <param name="tell">Called with each download when it is handed out.</param>
/// <param name="time">The clock.</param>
internal sealed class Downloads(Func<ReplicationPlan> plan, Func<Restorer> makeRestorer, Action<Deed> tell, TimeProvider time)
{
    /// <summary>Each takes a core for a while, and as much room on the disk as the database.</summary>
    private const int MaxAtOnce = 2;

    /// <summary>How much room is left on the disk, in bytes: the database itself needs some.</summary>
    private const long Reserve = 64 * 1024 * 1024;

    private readonly Lock _changing = new();
    private readonly Dictionary<string, Download> _open = new(StringComparer.Ordinal);
    private bool _isOver;

    /// <summary>Deletes what a process that was killed has left beside the databases.</summary>
    public void DeleteLeftovers()
    {
        foreach (var database in plan().Databases)
        {
            for (var slot = 1; slot <= MaxAtOnce; slot++)
            {
                StagingFolder.DeleteLeftover(PlaceOf(database, slot));
            }
        }
    }

    /// <summary>Restores a database, and returns when its file is there, which stays until <see cref="End"/>; nothing stays if it fails.</summary>
    /// <param name="request">What is wanted.</param>
    public async Task<DownloadResult> RestoreAsync(DownloadRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var now = time.GetUtcNow();
        if (request.TargetAt(now) is not { } target)
        {
            return new DownloadResult(new ManualResult(ManualOutcome.Wrong, $"at={request.Written}: {WrittenTime.Expected}."));
        }

        if (plan().Databases.FirstOrDefault(one => one.Name == request.Database) is not { IsInternal: false, Replicas.IsEmpty: false } database)
        {
            return new DownloadResult(new ManualResult(ManualOutcome.NotFound, $"{request.Database} is not replicated."));
        }

        if (TryBegin(request, now, out var refusal) is not { } download)
        {
            return new DownloadResult(refusal!);
        }

        try
        {
            var file = await RestoreAsync(download, database, target).ConfigureAwait(false);
            if (file is null)
            {
                End(request.Id);
                return new DownloadResult(new ManualResult(ManualOutcome.NotFound, $"There is no backup of {database.Name} yet."));
            }

            var at = (target as RestoreTarget.AtTime)?.Time;
            download.Restored = new DownloadedState(at, file.Point.Name, file.From, file.Bytes);
            return new DownloadResult(new ManualResult(ManualOutcome.Done, "It was restored."), file, at);
        }
        catch (ReplicationException ex)
        {
            End(request.Id);
            return new DownloadResult(new ManualResult(ManualOutcome.Failed, ex.Message));
        }
        catch (OperationCanceledException)
        {
            return new DownloadResult(new ManualResult(ManualOutcome.Refused, "The download was given up."));
        }
        catch
        {
            End(request.Id);
            throw;
        }
        finally
        {
            download.Settled.TrySetResult();
        }
    }

    /// <summary>Says that what was restored is sent now.</summary>
    /// <param name="id">See <see cref="DownloadRequest"/>.</param>
    /// <returns>False if the download is over already.</returns>
    public bool HandOut(string id)
    {
        Download? download;
        lock (_changing)
        {
            download = _open.GetValueOrDefault(id);
        }

        if (download is not { Ending: null, Restored: { } restored, Request: var request })
        {
            return false;
        }

        tell(new Deed(download.BeganAt, ManualRequest.InOneLine(request.Actor), ManualAction.Download, request.Database) { Downloaded = restored });
        return true;
    }

    /// <summary>Ends a download: one that is still restored is given up, and everything of it is deleted. Returns at once; does nothing the second time.</summary>
    /// <param name="id">See <see cref="DownloadRequest"/>.</param>
    public void End(string id)
    {
        lock (_changing)
        {
            if (_open.TryGetValue(id, out var download))
            {
                download.Ending ??= Task.Run(() => EndAsync(id, download));
            }
        }
    }

    /// <summary>Ends all downloads, for good.</summary>
    public async Task StopAsync()
    {
        List<Task> ending;
        lock (_changing)
        {
            _isOver = true;
            ending = [.. _open.Select(one => one.Value.Ending ??= Task.Run(() => EndAsync(one.Key, one.Value)))];
        }

        await Task.WhenAll(ending).ConfigureAwait(false);
    }

    private Download? TryBegin(DownloadRequest request, DateTimeOffset now, out ManualResult? refusal)
    {
        lock (_changing)
        {
            refusal = _isOver ? new ManualResult(ManualOutcome.Refused, "Datasette is ending.")
                : _open.Count >= MaxAtOnce ? new ManualResult(ManualOutcome.Busy, $"{MaxAtOnce} databases are being downloaded already. Try again when one of these downloads is over.")
                : null;
            if (refusal is not null)
            {
                return null;
            }

            var slot = Enumerable.Range(1, MaxAtOnce).First(number => _open.Values.All(open => open.Slot != number));
            return _open[request.Id] = new Download(request, slot, now);
        }
    }

    private async Task<RestoredFile?> RestoreAsync(Download download, DatabasePlan database, RestoreTarget target)
    {
        var stop = download.Stopping.Token;
        var restorer = makeRestorer();
        var destinations = restorer.DestinationsOf(database, number: null);
        try
        {
            if (await restorer.FindFirstAsync(destinations, target, onLook: null, onFault: null, stop).ConfigureAwait(false) is not var (destination, found))
            {
                return null;
            }

            var staging = download.Folder = StagingFolder.Create(PlaceOf(database, download.Slot), "restore it with the command, elsewhere with -o");
            staging.RequireRoom(found.DatabaseBytes, Reserve);
            return await restorer.RestoreAsync(destination, target, found, staging.Path, progress: null, stop).ConfigureAwait(false);
        }
        finally
        {
            foreach (var destination in destinations)
            {
                destination.Dispose();
            }
        }
    }

    private async Task EndAsync(string id, Download download)
    {
        await download.Stopping.CancelAsync().ConfigureAwait(false);
        await download.Settled.Task.ConfigureAwait(false);
        download.Folder?.Dispose();
        download.Stopping.Dispose();
        lock (_changing)
        {
            _open.Remove(id);
        }
    }

    private static string PlaceOf(DatabasePlan database, int slot) => $"{database.Path}.download-{slot}";

    /// <param name="request">What is wanted.</param>
    /// <param name="slot">Its number among those that are open at once, from 1 on.</param>
    /// <param name="beganAt">When it was asked for.</param>
    private sealed class Download(DownloadRequest request, int slot, DateTimeOffset beganAt)
    {
        public DownloadRequest Request => request;

        public int Slot => slot;

        public DateTimeOffset BeganAt => beganAt;

        /// <summary>Cancelled to give it up.</summary>
        public CancellationTokenSource Stopping { get; } = new();

        /// <summary>Completes when nothing is restored any more.</summary>
        public TaskCompletionSource Settled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Its folder; null before there is one. Until it is settled its task owns it, and after that its end does.</summary>
        public StagingFolder? Folder { get; set; }

        /// <summary>What was restored; null until then.</summary>
        public DownloadedState? Restored { get; set; }

        /// <summary>Its end; null until then. Guarded by the lock.</summary>
        public Task? Ending { get; set; }
    }
}
