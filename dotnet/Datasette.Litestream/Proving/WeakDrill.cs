using Datasette.Litestream.Configuration;
using Datasette.Litestream.SqliteFiles;

namespace Datasette.Litestream.Proving;

/// <summary>
/// The weaker proof, where somebody writes all the time: what was restored is whole, has the live database's schema, and of each table a
/// number of rows between those of two moments of the live database, one before it and one after.
/// </summary>
/// <param name="sync">See <see cref="Drill"/>.</param>
/// <param name="readTime">How long the live database may be read in one transaction.</param>
/// <param name="time">The clock.</param>
internal sealed class WeakDrill(Func<DatabasePlan, CancellationToken, Task<ulong?>>? sync, TimeSpan readTime, TimeProvider time)
{
    /// <summary>How often something must be out of bounds.</summary>
    private const int Tries = 3;

    /// <summary>How much longer Litestream 0.3, which does not say what it has sent, may need than its intervals are.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(3);

    /// <summary>Holds it.</summary>
    /// <exception cref="DrillNotHeldException">The rows come and go too fast.</exception>
    public async Task<DrillResult> HoldAsync(DrillSubject subject, CancellationToken cancellationToken)
    {
        var (path, program) = (subject.Database.Path, subject.Program);
        var samples = new List<Sample>();
        while (true)
        {
            subject.Tell(new DrillProgress(DrillPhase.Waiting));
            var at = time.GetUtcNow();
            subject.DeleteFiles();
            var before = await CountAsync(program, path, cancellationToken).ConfigureAwait(false);
            if (await WaitForAsync(subject, cancellationToken).ConfigureAwait(false) is { } hole)
            {
                return subject.Failed(hole);
            }

            var age = time.GetUtcNow() - at;
            var (file, ended) = await subject.RestoreNewestAsync(cancellationToken).ConfigureAwait(false);
            if (ended is not null)
            {
                return ended;
            }

            var result = (await subject.CheckAsync(
                file!, "Whole, with the schema of the live database, and row counts between those of two of its moments; it could not be copied at a moment whose transaction is known.", time, cancellationToken).ConfigureAwait(false))
                with
            {
                DataAgeSeconds = age.TotalSeconds,
            };
            if (!result.IsProof)
            {
                return result;
            }

            var restored = await program.CountAsync(file!.Path, isRestored: true, cancellationToken).ConfigureAwait(false);
            samples.Add(new Sample(before, restored, await CountAsync(program, path, cancellationToken).ConfigureAwait(false)));
            if (IsBetween(samples[^1]))
            {
                return result;
            }

            if (samples.Count == Tries)
            {
                return Judge(samples) is var (fault, details) ? result with { Outcome = DrillOutcome.Failed, Sentence = fault, Details = details }
                    : throw new DrillNotHeldException("Rows come and go too fast for the backup's numbers of them to be held against those of the live database.");
            }
        }
    }

    private async Task<RowCounts> CountAsync(DrillProgram program, string path, CancellationToken cancellationToken)
    {
        try
        {
            return await program.CountAsync(path, isRestored: false, cancellationToken).WaitAsync(readTime, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The program is ended, and with it the transaction.
            throw new DrillNotHeldException($"The rows of the live database could not be counted within {readTime.TotalSeconds} s.");
        }
    }

    /// <summary>Waits until what was counted is at the destination.</summary>
    /// <returns>Why it can never be restored from there; null if it can.</returns>
    private async Task<string?> WaitForAsync(DrillSubject subject, CancellationToken cancellationToken)
    {
        if (sync is null)
        {
            await Task.Delay(subject.Restore.SendTime + Margin, time, cancellationToken).ConfigureAwait(false);
            return null;
        }

        var txid = await sync(subject.Database, cancellationToken).ConfigureAwait(false);
        return txid is > 0
            ? (await subject.Restore.WaitForAsync(txid.Value, cancellationToken).ConfigureAwait(false)).Hole
            : throw new DrillNotHeldException("Litestream did not answer.");
    }

    private static bool IsBetween(Sample sample) =>
        (sample.Restored.Schema == sample.Before.Schema || sample.Restored.Schema == sample.After.Schema)
        && sample.Restored.Tables.All(table =>
        {
            var (before, after) = (sample.Before.Tables.GetValueOrDefault(table.Key), sample.After.Tables.GetValueOrDefault(table.Key));
            return table.Value >= Math.Min(before, after) && table.Value <= Math.Max(before, after);
        });

    /// <summary>
    /// What is wrong however it is looked at: each time, and by more than the live database's numbers varied meanwhile. A table whose numbers
    /// vary proves nothing, since they may do so between two looks.
    /// </summary>
    private static (string Sentence, string? Details)? Judge(List<Sample> samples)
    {
        var live = samples.SelectMany(sample => new[] { sample.Before, sample.After }).ToList();
        if (live.TrueForAll(one => one.Schema == live[0].Schema) && samples.TrueForAll(sample => sample.Restored.Schema != live[0].Schema))
        {
            return ("What was restored has another schema than the live database.", null);
        }

        var wrong = samples[0].Restored.Tables.Keys.Where(name =>
        {
            var counts = live.ConvertAll(one => one.Tables.GetValueOrDefault(name));
            var (min, max) = (counts.Min(), counts.Max());
            var isGrowing = min > 0 && counts.Order().SequenceEqual(counts);
            return isGrowing && samples.TrueForAll(sample => sample.Restored.Tables.GetValueOrDefault(name) is var rows && (rows < min - (max - min) || rows > max + (max - min)));
        }).Order(StringComparer.Ordinal).ToList();
        return wrong.Count == 0 ? null : ("What was restored has another number of rows than the live database.", $"What differs: {DrillSubject.List(wrong)}.");
    }

    /// <summary>What was restored, between two moments of the live database.</summary>
    private sealed record Sample(RowCounts Before, RowCounts Restored, RowCounts After);
}
