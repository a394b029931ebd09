using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Durations as Go writes them (<c>1h30m</c>, <c>500ms</c>): the format of Litestream's configuration.
/// Source: <see href="https://pkg.go.dev/time#ParseDuration"/>. Resolution is a tick (100 ns).
/// </summary>
internal static partial class GoDuration
{
    /// <summary>Reads a duration greater than zero, or a number of seconds; null for anything else.</summary>
    public static TimeSpan? Parse(string text)
    {
        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
        {
            return FromSeconds(seconds);
        }

        if (!Whole().IsMatch(text))
        {
            return null;
        }

        decimal total = 0;
        foreach (Match part in Part().Matches(text))
        {
            if (!decimal.TryParse(part.Groups[1].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                || number > long.MaxValue)
            {
                return null;
            }

            total += number * part.Groups[2].Value switch
            {
                "ns" => 1e-9m,
                "us" or "µs" or "μs" => 1e-6m,
                "ms" => 1e-3m,
                "s" => 1m,
                "m" => 60m,
                _ => 3600m,
            };
        }

        return FromSeconds(total);
    }

    /// <summary>
    /// A duration greater than zero from seconds; null if it is not greater, or is longer than Go's maximum (292 years).
    /// </summary>
    public static TimeSpan? FromSeconds(decimal seconds)
    {
        const decimal longestInGo = long.MaxValue / 1_000_000_000m;
        if (seconds is <= 0 or >= longestInGo)
        {
            return null;
        }

        var ticks = (long)(seconds * TimeSpan.TicksPerSecond);
        return ticks > 0 ? TimeSpan.FromTicks(ticks) : null;
    }

    /// <summary>Writes a duration so that Go reads the same one.</summary>
    public static string Format(TimeSpan duration)
    {
        var text = new StringBuilder();
        var hours = (long)duration.TotalHours;
        if (hours > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{hours}h");
        }

        if (duration.Minutes > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{duration.Minutes}m");
        }

        var seconds = duration.Ticks % TimeSpan.TicksPerMinute / (decimal)TimeSpan.TicksPerSecond;
        if (seconds > 0 || text.Length == 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{seconds:0.#######}s");
        }

        return text.ToString();
    }

    [GeneratedRegex(@"^(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")]
    private static partial Regex Part();
}
