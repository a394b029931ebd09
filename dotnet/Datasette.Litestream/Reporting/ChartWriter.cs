using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Reporting;

/// <summary>The times of a chart's points.</summary>
/// <param name="Points">How many there are.</param>
/// <param name="Interval">The time between two.</param>
/// <param name="End">The time of the last one.</param>
internal sealed record ChartAxis(int Points, TimeSpan Interval, DateTimeOffset End)
{
    /// <summary>Whether the points are days, of which only the dates matter.</summary>
    public bool IsOfDays => Interval >= TimeSpan.FromDays(1);
}

/// <summary>Writes charts: their paths, their marks and each point in words.</summary>
internal static class ChartWriter
{
    /// <summary>At most five marks are at round times.</summary>
    private const int MaxTimes = 5;

    private static readonly int[] MinutesBetweenMarks = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 1440, 2 * 1440, 5 * 1440, 10 * 1440, 20 * 1440];

    /// <summary>Writes one.</summary>
    /// <param name="key">The identifier for machines.</param>
    /// <param name="title">What it shows.</param>
    /// <param name="label">A summary for screen readers.</param>
    /// <param name="axis">The times of the points.</param>
    /// <param name="series">One or two series, with their names; null for a point that is not known.</param>
    /// <param name="draw">Draws one, see <see cref="Drawing"/>.</param>
    /// <param name="highest">The highest value.</param>
    /// <param name="stepOf">The distance between two marks of the vertical axis.</param>
    /// <param name="inWords">A value in words.</param>
    public static ChartText Write(
        string key,
        string title,
        string label,
        ChartAxis axis,
        (string Name, float?[] Values)[] series,
        Func<float?[], double, int, string> draw,
        double highest,
        Func<double, double> stepOf,
        Func<double?, string> inWords)
    {
        var step = stepOf(highest);
        var marks = (int)Math.Ceiling(highest / step);
        var top = marks * step;
        return new ChartText(
            key,
            title,
            label,
            Drawing.Box(axis.Points, Drawing.ChartHeight),
            [.. series.Select(one => new SeriesText(one.Name, draw(one.Values, top, Drawing.ChartHeight)))],
            [.. Enumerable.Range(0, marks + 1).Select(mark =>
                new MarkText(Drawing.Percent(1 - ((double)mark / marks)), mark == 0 ? "0" : inWords(mark * step).Replace(".0 ", " ", StringComparison.Ordinal)))],
            WriteTimes(axis),
            WriteReadings(axis, series, inWords));
    }

    private static List<MarkText> WriteTimes(ChartAxis axis)
    {
        var length = axis.Interval * (axis.Points - 1);
        var step = TimeSpan.FromMinutes(Array.Find(MinutesBetweenMarks, minutes => minutes * MaxTimes >= length.TotalMinutes));
        var start = axis.End - length;
        var marks = new List<MarkText>();
        for (var mark = start + (step - TimeSpan.FromTicks(start.UtcTicks % step.Ticks)); mark <= axis.End; mark += step)
        {
            marks.Add(new MarkText(Drawing.Percent((mark - start) / length), mark.UtcDateTime.ToString(axis.IsOfDays ? "d MMM" : "HH:mm", CultureInfo.InvariantCulture)));
        }

        return marks;
    }

    private static string WriteReadings(ChartAxis axis, (string Name, float?[] Values)[] series, Func<double?, string> inWords)
    {
        var readings = new StringBuilder();
        for (var i = 0; i < axis.Points; i++)
        {
            var at = (axis.End - (axis.Interval * (axis.Points - 1 - i))).UtcDateTime;
            readings.Append(i == 0 ? "" : "\n").Append(at.ToString(axis.IsOfDays ? "yyyy-MM-dd': '" : "HH:mm:ss' UTC: '", CultureInfo.InvariantCulture));
            for (var j = 0; j < series.Length; j++)
            {
                readings.Append(j == 0 ? "" : ", ").Append(series[j].Name).Append(series[j].Name.Length > 0 ? " " : "").Append(inWords(series[j].Values[i]));
            }
        }

        return readings.ToString();
    }
}
