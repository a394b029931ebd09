using System.Globalization;
using System.Text;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Parses Prometheus' text exposition, version 0.0.4. The libraries on NuGet only write it. Source: <see
/// href="https://prometheus.io/docs/instrumenting/exposition_formats/"/>.
/// </summary>
internal static class Exposition
{
    /// <summary>The samples, in order; other lines are skipped.</summary>
    public static IEnumerable<MetricSample> Parse(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            if (line.Length > 0 && line[0] != '#' && ParseSample(line) is { } sample)
            {
                yield return sample;
            }
        }
    }

    /// <summary>Escapes a text for the value of a label.</summary>
    public static string Escape(string text) => text
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);

    /// <summary>Parses one line; null if it is not a sample.</summary>
    public static MetricSample? ParseSample(string line)
    {
        var end = line.AsSpan().IndexOfAny('{', ' ');
        if (end <= 0)
        {
            return null;
        }

        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        var rest = end;
        if (line[end] == '{' && (rest = ParseLabels(line, end + 1, labels)) < 0)
        {
            return null;
        }

        // A timestamp may follow the value.
        var value = line[rest..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return ParseValue(value) is { } number ? new MetricSample(line[..end], labels, number) : null;
    }

    /// <summary>Parses <c>name="value",…}</c>, and returns the index after the closing brace; -1 if it is malformed.</summary>
    private static int ParseLabels(string line, int start, Dictionary<string, string> labels)
    {
        var i = start;
        while (i < line.Length && line[i] != '}')
        {
            var equals = line.IndexOf("=\"", i, StringComparison.Ordinal);
            if (equals < 0)
            {
                return -1;
            }

            var name = line[i..equals].Trim(',', ' ');
            var value = new StringBuilder();
            for (i = equals + 2; i < line.Length && line[i] != '"'; i++)
            {
                if (line[i] == '\\' && i + 1 < line.Length)
                {
                    i++;
                    value.Append(line[i] == 'n' ? '\n' : line[i]);
                }
                else
                {
                    value.Append(line[i]);
                }
            }

            labels[name] = value.ToString();
            i++;
            if (i < line.Length && line[i] == ',')
            {
                i++;
            }
        }

        return i < line.Length ? i + 1 : -1;
    }

    private static double? ParseValue(string? text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
    };
}
