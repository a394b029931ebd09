using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Reporting;

/// <summary>Series of figures as paths of SVG, two units from one to the next, in a box of a given height.</summary>
internal static class Drawing
{
    public const int SparklineHeight = 20, ChartHeight = 100;

    /// <summary>Up to these a line stays flat: what is not worth a look is not to look like a mountain range.</summary>
    public const float CalmLag = 10, CalmBytes = 65536;

    private const int MostMarks = 4;

    private static readonly double[] SecondSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

    /// <summary>The <c>viewBox</c> of a path.</summary>
    public static string Box(int points, int height) => string.Create(CultureInfo.InvariantCulture, $"0 0 {Math.Max(1, 2 * (points - 1))} {height}");

    /// <summary>A line, with a gap where a value is not known; equal values are one stroke.</summary>
    public static string Line(float?[] values, double top, int height)
    {
        var path = new StringBuilder();
        int? last = null;
        var isLevel = false;
        for (var i = 0; i <= values.Length; i++)
        {
            int? y = i < values.Length && values[i] is { } value ? HeightOf(value, top, height) : null;
            if (isLevel && y != last)
            {
                path.Append(CultureInfo.InvariantCulture, $"H{2 * (i - 1)}");
            }

            isLevel = y is not null && y == last;
            if (y is not null && !isLevel)
            {
                // A segment of no length is a dot, so that a value between two gaps is seen.
                path.Append(CultureInfo.InvariantCulture, $"{(last is null ? 'M' : 'L')}{2 * i} {y}{(last is null ? "h0" : "")}");
            }

            last = y;
        }

        return path.ToString();
    }

    /// <summary>A bar for each value that is known and not 0.</summary>
    public static string Bars(float?[] values, double top, int height)
    {
        var path = new StringBuilder();
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] is { } value and > 0)
            {
                path.Append(CultureInfo.InvariantCulture, $"M{2 * i} {height}V{Math.Min(height - 1, HeightOf(value, top, height))}");
            }
        }

        return path.ToString();
    }

    /// <summary>The largest value, or the least that is to be taken for it.</summary>
    public static float Highest(float?[] values, float min = 0)
    {
        var highest = min;
        for (var i = 0; i < values.Length; i++)
        {
            highest = Math.Max(highest, values[i] ?? min);
        }

        return highest;
    }

    /// <summary>From one mark of an axis to the next, where the highest value is to fit between at most four.</summary>
    public static double StepOfSeconds(double highest) =>
        Array.Find(SecondSteps, step => step * MostMarks >= highest) is > 0 and var step ? step : Math.Ceiling(highest / MostMarks / 86400) * 86400;

    /// <inheritdoc cref="StepOfSeconds"/>
    public static double StepOfBytes(double highest) => Math.Pow(2, Math.Ceiling(Math.Log2(Math.Max(1, highest / MostMarks))));

    /// <summary>A place along an axis, as SVG's percentages have it.</summary>
    public static string Percent(double part) => string.Create(CultureInfo.InvariantCulture, $"{100 * part:0.##}%");

    private static int HeightOf(float value, double top, int height) => height - (int)Math.Round(value / top * height);
}
