using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Errors;
using Datasette.Litestream.Restoring;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Proving;

/// <summary>Finds the newest state of a destination that can be restored whole, by restoring older and older ones.</summary>
/// <param name="restorer">Finds states.</param>
/// <param name="destination">The destination.</param>
/// <param name="restore">Restores them.</param>
/// <param name="program">Checks them.</param>
/// <param name="releaseLine">The Litestream.</param>
/// <param name="time">The clock.</param>
internal sealed class WholeStateFinder(Restorer restorer, Destination destination, DrillRestore restore, DrillProgram program, ReleaseLine releaseLine, TimeProvider time)
{
    /// <summary>So many states are restored at most, and no more after this time: the backup is not made anew before that.</summary>
    private const int MaxTries = 12;

    private static readonly TimeSpan MaxTime = TimeSpan.FromMinutes(10);

    /// <summary>Finds it.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>What can be restored, in a sentence.</returns>
    public async Task<string> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await SearchAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is DrillNotHeldException or SqliteProgramException or ReplicationException or IOException or UnauthorizedAccessException)
        {
            return $"What still can be restored could not be found out: {ex.Message.TrimEnd('.')}.";
        }
    }

    private async Task<string> SearchAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var listing = await destination.ListAsync(cancellationToken).ConfigureAwait(false);
        RestoreTarget[] targets = listing is null ? []
            : releaseLine == ReleaseLine.V05 && !listing.Files.IsEmpty
                ? [.. listing.Files.Select(file => file.MaxTxid).Distinct().OrderDescending().Select(txid => new RestoreTarget.AfterTransaction(txid))]
                : [.. listing.Segments.Select(segment => segment.At).Distinct().OrderDescending().Select(at => new RestoreTarget.AtTime(at))];
        if (targets.Length == 0)
        {
            return "Nothing there can be restored.";
        }

        // Those before `bad` are bad; the newest good one is not after `good`.
        var (bad, good, tries) = (-1, targets.Length, 0);
        RestorePoint? found = null;
        for (var next = 0; next < good && tries < MaxTries && time.GetElapsedTime(started) < MaxTime;)
        {
            tries++;
            if (await TryAsync(targets[next], cancellationToken).ConfigureAwait(false) is { } point)
            {
                (good, found) = (next, point);
            }
            else
            {
                bad = next;
            }

            next = found is null ? Math.Min(next == 0 ? 1 : next * 2, targets.Length - 1) : bad + ((good - bad) / 2);
            if (next == bad)
            {
                break;
            }
        }

        return found is null
            ? $"None of the {tries} states there that were tried can be restored whole."
            : string.Create(CultureInfo.InvariantCulture, $"What can be restored whole is the state of {(found.Until ?? found.Since).UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC ({found.Name}).");
    }

    private async Task<RestorePoint?> TryAsync(RestoreTarget target, CancellationToken cancellationToken)
    {
        try
        {
            return await restorer.FindAsync(destination, target, cancellationToken).ConfigureAwait(false) is { Point: var point }
                && await restore.RestoreAsync(point, cancellationToken).ConfigureAwait(false) is { File: { } file }
                && await program.CompareAsync(file.Path, copy: null, cancellationToken).ConfigureAwait(false) is { Fault: null } ? point : null;
        }
        catch (ReplicationException)
        {
            // No state ends with it.
            return null;
        }
    }
}
