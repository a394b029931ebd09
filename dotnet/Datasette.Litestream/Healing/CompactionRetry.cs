using Datasette.Litestream.Errors;
using Datasette.Litestream.Litestream;
using Datasette.Litestream.Observation;

namespace Datasette.Litestream.Healing;

/// <summary>
/// Has Litestream merge files again soon after that has failed. By itself it tries a level again at that level's next time, which can be
/// an hour away, long after the destination has room again; a Litestream that starts merges at once. Only the sampling task uses it.
/// </summary>
/// <remarks>Source: <c>monitorCompactionLevel</c> in Litestream's store.go, v0.5.17.</remarks>
/// <param name="restart">Restarts Litestream, for a reason in a sentence; returns at once.</param>
/// <param name="time">The clock.</param>
internal sealed class CompactionRetry(Action<string> restart, TimeProvider time)
{
    /// <summary>The level that Litestream tries again within 30 s.</summary>
    private const int FrequentLevel = 1;

    /// <summary>A failure that comes again within this time is the same one.</summary>
    private static readonly TimeSpan QuietTime = TimeSpan.FromMinutes(10);

    /// <summary>The delays before the next try.</summary>
    private static readonly TimeSpan MinDelay = TimeSpan.FromSeconds(4), MaxDelay = TimeSpan.FromMinutes(10);

    private readonly Backoff _delay = new(MinDelay, MaxDelay);
    private DateTimeOffset _failedAt = DateTimeOffset.MinValue;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;

    /// <summary>Takes an observation.</summary>
    /// <param name="observed">The databases.</param>
    /// <param name="statistics">What Litestream has logged.</param>
    public void Look(ObservedDatabases observed, LogStatistics statistics)
    {
        // That of a database which cannot be written to either is tried again when it can.
        var waiting = observed.Databases
            .Where(database => database.Reason == StateReason.CompactionFailed && statistics.Of(database.Plan.Path).FailedCompactions.Keys.Any(level => level > FrequentLevel))
            .Select(database => database.Plan.Name)
            .ToList();
        if (waiting.Count == 0)
        {
            return;
        }

        var now = time.GetUtcNow();
        if (now - _failedAt >= QuietTime)
        {
            _delay.Reset();
            _retryAt = now + _delay.Next();
        }

        _failedAt = now;
        if (now >= _retryAt)
        {
            _retryAt = now + _delay.Next();
            restart($"The files of {string.Join(", ", waiting)} could not be merged at the destination. Litestream tries that again when it starts.");
        }
    }
}
