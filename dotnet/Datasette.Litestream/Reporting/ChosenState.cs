using Datasette.Litestream.Observation;
using Datasette.Litestream.Restoring;

namespace Datasette.Litestream.Reporting;

/// <summary>
/// Which state of a database a restore to a time would give, as far as the files tell that were last listed. Nothing is asked for it: the
/// restore itself looks again.
/// </summary>
internal static class ChosenState
{
    /// <summary>Finds it.</summary>
    /// <param name="written">The time as somebody wrote it, in UTC if it names no zone; null or empty for the newest state.</param>
    /// <param name="destinations">The destinations, in the order in which a restore looks at them.</param>
    /// <param name="now">The time.</param>
    public static ChosenStateReport Find(string? written, IReadOnlyList<DestinationObservation> destinations, DateTimeOffset now)
    {
        var oldest = destinations.Min(destination => destination.Points?.Oldest);
        if (string.IsNullOrEmpty(written))
        {
            return new ChosenStateReport(null, null, null, null, null, null, RestoreWording.Newest, oldest);
        }

        if (WrittenTime.Parse(written, now, TimeZoneInfo.Utc) is not { } time)
        {
            return new ChosenStateReport(null, written, null, null, null, null, RestoreWording.NotUnderstood(written), oldest);
        }

        // No more precise than what is shown and asked for.
        var at = time.AddTicks(-(time.UtcTicks % TimeSpan.TicksPerSecond)).ToUniversalTime();
        foreach (var destination in destinations)
        {
            if (destination.Points is { } points && points.At(at) is { } point)
            {
                return new ChosenStateReport(
                    at, written, destination.Replica.Destination, point.Txid, point.Since, point.Until, RestoreWording.State(destination, points, point, at, destinations.Count > 1, now), oldest);
            }
        }

        return new ChosenStateReport(at, written, null, null, null, null, oldest is { } known ? RestoreWording.TooOld(known) : RestoreWording.NotListed, oldest);
    }
}
