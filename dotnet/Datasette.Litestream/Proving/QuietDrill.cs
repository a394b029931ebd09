using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Proving;

/// <summary>
/// The strong drill where no Litestream can be asked for a transaction: nobody writes to the live database from before it is copied until the
/// newest state of its backup was restored, so that the two must be equal.
/// </summary>
/// <param name="releaseLine">The Litestream.</param>
/// <param name="readTime">How long the live database may be read in one transaction.</param>
/// <param name="time">The clock.</param>
internal sealed class QuietDrill(ReleaseLine releaseLine, TimeSpan readTime, TimeProvider time)
{
    /// <summary>How long nobody must have written for everything to be at every destination.</summary>
    private static readonly TimeSpan SettledTime = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1), PauseBeforeRetry = TimeSpan.FromSeconds(5);

    /// <summary>How often a difference must be found: Litestream 0.3 does not say when it has sent everything.</summary>
    private const int Tries = 3;

    /// <summary>Holds it.</summary>
    /// <param name="subject">The drill.</param>
    /// <param name="patience">How long the live database may be written to before it is given up.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if somebody wrote all the time.</returns>
    public async Task<DrillResult?> TryHoldAsync(DrillSubject subject, TimeSpan patience, CancellationToken cancellationToken)
    {
        var path = subject.Database.Path;
        subject.Tell(new DrillProgress(DrillPhase.Copying));
        var started = time.GetTimestamp();
        while (time.GetUtcNow() - LastWriteTo(path) < SettledTime + (2 * subject.Restore.SendTime))
        {
            if (time.GetElapsedTime(started) >= patience)
            {
                return null;
            }

            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }

        var before = await subject.Program.MarkAsync(path, cancellationToken).ConfigureAwait(false);
        await subject.Program.OpenAsync(path, cancellationToken).ConfigureAwait(false);
        if (!await subject.Program.CopyAsync(path, subject.CopyPath, readTime, cancellationToken).ConfigureAwait(false))
        {
            return null;
        }

        for (var tries = 1; ; tries++)
        {
            var (file, ended) = await subject.RestoreNewestAsync(cancellationToken).ConfigureAwait(false);
            if (ended is not null)
            {
                return ended;
            }

            var result = await subject.CompareAsync(file!, "to which nobody writes", time, cancellationToken).ConfigureAwait(false);
            if (result.IsProof)
            {
                // What was written meanwhile is in neither.
                return result;
            }

            if (await subject.Program.MarkAsync(path, cancellationToken).ConfigureAwait(false) != before)
            {
                return null;
            }

            if (releaseLine == ReleaseLine.V05 || tries == Tries)
            {
                return result;
            }

            await Task.Delay(PauseBeforeRetry, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static DateTimeOffset LastWriteTo(string path) =>
        new[] { path, $"{path}-wal" }.Select(file => FileStatus.Look(file).Status is { Size: > 0 } status ? status.ModifiedAt : DateTimeOffset.MinValue).Max();
}
