namespace Datasette.Litestream.Observation;

/// <summary>How far back a history goes, and how finely.</summary>
/// <param name="Name">As in a request.</param>
/// <param name="Interval">From one sample to the next.</param>
/// <param name="Length">How many samples.</param>
internal sealed record HistoryRange(string Name, TimeSpan Interval, int Length)
{
    public static HistoryRange Hour { get; } = new("hour", TimeSpan.FromSeconds(10), 360);

    public static HistoryRange Day { get; } = new("day", TimeSpan.FromMinutes(10), 144);

    /// <summary>The number of the interval that a moment is in, counted from 1970.</summary>
    public long IndexOf(DateTimeOffset moment)
    {
        var (index, rest) = Math.DivRem((moment - DateTimeOffset.UnixEpoch).Ticks, Interval.Ticks);
        return rest < 0 ? index - 1 : index;
    }

    /// <summary>The end of an interval.</summary>
    public DateTimeOffset EndOf(long index) => DateTimeOffset.UnixEpoch + (Interval * (index + 1));
}
