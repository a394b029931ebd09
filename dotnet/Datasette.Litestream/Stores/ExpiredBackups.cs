using Datasette.Litestream.Replicas;

namespace Datasette.Litestream.Stores;

/// <summary>Deletes backups that were moved aside.</summary>
internal static class ExpiredBackups
{
    /// <summary>Deletes what was moved aside longer ago than it is kept.</summary>
    /// <param name="store">Where it was moved aside.</param>
    /// <param name="now">The time.</param>
    /// <param name="retention">How long it is kept.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="StoreException">It could not be listed or deleted.</exception>
    public static async Task DeleteExpiredAsync(this IStore store, DateTimeOffset now, TimeSpan retention, CancellationToken cancellationToken)
    {
        foreach (var suffix in await store.FindAsideAsync(ReplacedBackup.Mark, cancellationToken).ConfigureAwait(false))
        {
            if (ReplacedBackup.HasExpired(suffix, now, retention))
            {
                await store.DeleteAsideAsync(suffix, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
