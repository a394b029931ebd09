namespace Datasette.Litestream.Observation;

/// <summary>The length and the resolution of a history.</summary>
/// <param name="Name">Its name in a request.</param>
/// <param name="Interval">The time between two samples.</param>
/// <param name="Length">The number of samples.</param>
internal sealed record HistoryRange(string Name, TimeSpan Interval, int Length)
{
    public static HistoryRange Hour { get; } = new("hour", TimeSpan.FromSeconds(10), 360);

    public static HistoryRange Day { get; } = new("day", TimeSpan.FromMinutes(10), 144);

    /// <summary>The index of the interval that contains a time, counted from 1970.</summary>
    public long IndexOf(DateTimeOffset moment)
    {
        var (index, rest) = Math.DivRem((moment - DateTimeOffset.UnixEpoch).Ticks, Interval.Ticks);
        return rest < 0 ? index - 1 : index;
    }

    /// <summary>The end of an interval.</summary>
    public DateTimeOffset EndOf(long index) => DateTimeOffset.UnixEpoch + (Interval * (index + 1));
}
