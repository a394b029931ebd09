using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Reporting;

/// <summary>Draws series of figures as SVG paths, two units per point, in a box of a given height.</summary>
internal static class Drawing
{
    public const int SparklineHeight = 20, ChartHeight = 100;

    /// <summary>The minimum heights of the scales, so that negligible values look flat.</summary>
    public const float MinLagScale = 10, MinBytesScale = 65536;

    private const int MaxMarks = 4;

    private static readonly double[] SecondSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

    /// <summary>The <c>viewBox</c> of a path.</summary>
    public static string Box(int points, int height) => string.Create(CultureInfo.InvariantCulture, $"0 0 {Math.Max(1, 2 * (points - 1))} {height}");

    /// <summary>A line, with a gap for each unknown value; consecutive equal values become one stroke.</summary>
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
                // A segment of zero length is drawn as a dot, so that a value between two gaps is visible.
                path.Append(CultureInfo.InvariantCulture, $"{(last is null ? 'M' : 'L')}{2 * i} {y}{(last is null ? "h0" : "")}");
            }

            last = y;
        }

        return path.ToString();
    }

    /// <summary>A bar for each known value other than 0.</summary>
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

    /// <summary>The largest value, but at least <paramref name="min"/>.</summary>
    public static float Highest(float?[] values, float min = 0)
    {
        var highest = min;
        for (var i = 0; i < values.Length; i++)
        {
            highest = Math.Max(highest, values[i] ?? min);
        }

        return highest;
    }

    /// <summary>The distance between two marks of an axis, such that at most four steps reach the highest value.</summary>
    public static double StepOfSeconds(double highest) =>
        Array.Find(SecondSteps, step => step * MaxMarks >= highest) is > 0 and var step ? step : Math.Ceiling(highest / MaxMarks / 86400) * 86400;

    /// <inheritdoc cref="StepOfSeconds"/>
    public static double StepOfBytes(double highest) => Math.Pow(2, Math.Ceiling(Math.Log2(Math.Max(1, highest / MaxMarks))));

    /// <summary>A position along an axis as an SVG percentage.</summary>
    public static string Percent(double part) => string.Create(CultureInfo.InvariantCulture, $"{100 * part:0.##}%");

    private static int HeightOf(float value, double top, int height) => height - (int)Math.Round(value / top * height);
}
