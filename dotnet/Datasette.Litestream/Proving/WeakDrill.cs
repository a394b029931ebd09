using System.Globalization;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Proving;

/// <summary>
/// The weaker proof, where somebody writes all the time: what was restored is whole, has the live database's schema, and of each table a
/// number of rows between those of two moments of the live database, one before it and one after.
/// </summary>
/// <param name="sync">See <see cref="Drill"/>.</param>
/// <param name="time">The clock.</param>
internal sealed class WeakDrill(Func<DatabasePlan, CancellationToken, Task<ulong?>>? sync, TimeProvider time)
{
    /// <summary>How often something must be out of bounds.</summary>
    private const int Tries = 3;

    private const int MaxNames = 5;

    /// <summary>How long Litestream 0.3, which does not say what it has sent, needs for that at most: it looks and uploads once a second.</summary>
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(1);

    /// <summary>Holds it.</summary>
    /// <exception cref="DrillNotHeldException">The rows come and go too fast.</exception>
    public async Task<DrillResult> HoldAsync(DrillSubject subject, CancellationToken cancellationToken)
    {
        var (path, program) = (subject.Database.Path, subject.Program);
        var samples = new List<(RowCounts Before, RowCounts Restored, RowCounts After)>();
        while (true)
        {
            subject.Tell(new DrillProgress(DrillPhase.Waiting));
            var at = time.GetUtcNow();
            var before = await program.CountAsync(path, isRestored: false, cancellationToken).ConfigureAwait(false);
            await WaitForAsync(subject, cancellationToken).ConfigureAwait(false);
            var age = time.GetUtcNow() - at;
            var (file, ended) = await subject.RestoreNewestAsync(cancellationToken).ConfigureAwait(false);
            if (ended is not null)
            {
                return ended;
            }

            var result = (await subject.CheckAsync(
                file!, "Whole, with the schema of the live database, and row counts between those of two of its moments; somebody wrote all the time.", time, cancellationToken).ConfigureAwait(false))
                with
            {
                DataAgeSeconds = age.TotalSeconds,
            };
            if (!result.IsProof || result.State is null)
            {
                return result;
            }

            var restored = await program.CountAsync(file!.Path, isRestored: true, cancellationToken).ConfigureAwait(false);
            samples.Add((before, restored, await program.CountAsync(path, isRestored: false, cancellationToken).ConfigureAwait(false)));
            if (IsBetween(samples[^1]))
            {
                return result;
            }

            if (samples.Count == Tries)
            {
                return Judge(samples) is { } fault ? result with { Outcome = DrillOutcome.Failed, Sentence = fault }
                    : throw new DrillNotHeldException("Rows come and go too fast for the backup's numbers of them to be held against those of the live database.");
            }
        }
    }

    /// <summary>Waits until what was counted is at the destination.</summary>
    private async Task WaitForAsync(DrillSubject subject, CancellationToken cancellationToken)
    {
        if (sync is null)
        {
            var (monitor, send) = (subject.Database.MonitorInterval ?? DefaultInterval, subject.Destination.Replica.SyncInterval ?? DefaultInterval);
            await Task.Delay(monitor + send + SendTime, time, cancellationToken).ConfigureAwait(false);
            return;
        }

        var txid = await sync(subject.Database, cancellationToken).ConfigureAwait(false);
        if (txid is not > 0)
        {
            throw new DrillNotHeldException("Litestream did not answer.");
        }

        // Where it was merged away, what is there is newer still.
        var (_, hole) = await subject.Restore.WaitForAsync(txid.Value, cancellationToken).ConfigureAwait(false);
        _ = hole is null ? true : throw new DrillNotHeldException(hole);
    }

    private static bool IsBetween((RowCounts Before, RowCounts Restored, RowCounts After) sample) =>
        (sample.Restored.Schema == sample.Before.Schema || sample.Restored.Schema == sample.After.Schema)
        && sample.Restored.Tables.All(table =>
        {
            var (before, after) = (sample.Before.Tables.GetValueOrDefault(table.Key), sample.After.Tables.GetValueOrDefault(table.Key));
            return table.Value >= Math.Min(before, after) && table.Value <= Math.Max(before, after);
        });

    /// <summary>What is wrong however it is looked at: each time, and by more than the live database's numbers varied meanwhile.</summary>
    private static string? Judge(List<(RowCounts Before, RowCounts Restored, RowCounts After)> samples)
    {
        var live = samples.SelectMany(sample => new[] { sample.Before, sample.After }).ToList();
        if (live.TrueForAll(one => one.Schema == live[0].Schema) && samples.TrueForAll(sample => sample.Restored.Schema != live[0].Schema))
        {
            return "What was restored has another schema than the live database.";
        }

        var wrong = samples[0].Restored.Tables.Keys.Where(name =>
        {
            var counts = live.ConvertAll(one => one.Tables.GetValueOrDefault(name));
            var (min, max) = (counts.Min(), counts.Max());
            return samples.TrueForAll(sample => sample.Restored.Tables.GetValueOrDefault(name) is var rows && (rows < min - (max - min) || rows > max + (max - min)));
        }).Order(StringComparer.Ordinal).ToList();
        return wrong.Count == 0 ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"What was restored has another number of rows than the live database in {string.Join(", ", wrong.Take(MaxNames))}{(wrong.Count > MaxNames ? $" and {wrong.Count - MaxNames} more" : "")}.");
    }
}
