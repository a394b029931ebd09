using System.Globalization;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Restoring;

/// <summary>
/// A time as people write it: <c>2026-11-25T10:00</c>, with seconds or a part of one, with a zone (<c>Z</c>, <c>+02:00</c>) or in the
/// machine's own; <c>10:00</c> for the last time that it was ten; <c>10 minutes ago</c>, <c>1h 30m ago</c>.
/// </summary>
internal static partial class WrittenTime
{
    /// <summary>What is understood, for messages.</summary>
    public const string Expected = "expected a time such as 2026-11-25T10:00, 2026-11-25T10:00:30Z, 10:00 or \"10 minutes ago\"";

    private static readonly string[] DateFormats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd"];

    private static readonly string[] ClockFormats = ["HH:mm:ss.FFFFFFF", "HH:mm", "H:mm"];

    /// <summary>Reads a time.</summary>
    /// <param name="text">What was written.</param>
    /// <param name="now">The time now, in the zone of a time that names none.</param>
    /// <param name="zone">That zone.</param>
    /// <returns>Null if it is not understood.</returns>
    public static DateTimeOffset? Parse(string text, DateTimeOffset now, TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(zone);
        var written = text.Trim();
        if (written.Equals("now", StringComparison.OrdinalIgnoreCase))
        {
            return now;
        }

        if (Ago().Match(written) is { Success: true } ago)
        {
            return ParseSpan(ago) is { } span && span <= now - DateTimeOffset.UnixEpoch ? now - span : null;
        }

        if (Zoned().Match(written) is { Success: true } zoned)
        {
            return ParseDate(zoned.Groups[1].Value) is { } moment && ParseOffset(zoned.Groups[2].Value) is { } offset
                ? new DateTimeOffset(moment, TimeSpan.Zero) - offset
                : null;
        }

        if (ParseDate(written) is { } local)
        {
            return In(zone, local);
        }

        if (DateTime.TryParseExact(written, ClockFormats, CultureInfo.InvariantCulture, DateTimeStyles.NoCurrentDateDefault, out var clock))
        {
            var today = TimeZoneInfo.ConvertTime(now, zone).Date;
            var then = In(zone, today + clock.TimeOfDay);
            return then <= now ? then : In(zone, today.AddDays(-1) + clock.TimeOfDay);
        }

        return null;
    }

    private static DateTime? ParseDate(string text) =>
        DateTime.TryParseExact(text.Replace(' ', 'T').Replace('t', 'T'), DateFormats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var moment) ? moment : null;

    private static TimeSpan? ParseOffset(string text)
    {
        if (text is "Z" or "z" || text.Trim().Equals("UTC", StringComparison.OrdinalIgnoreCase))
        {
            return TimeSpan.Zero;
        }

        var digits = text[1..].Replace(":", "", StringComparison.Ordinal);
        var (hours, minutes) = (int.Parse(digits[..2], CultureInfo.InvariantCulture), digits.Length > 2 ? int.Parse(digits[2..], CultureInfo.InvariantCulture) : 0);
        return hours > 14 || minutes > 59 ? null : new TimeSpan(hours, minutes, 0) * (text[0] == '-' ? -1 : 1);
    }

    private static TimeSpan? ParseSpan(Match ago)
    {
        var span = TimeSpan.Zero;
        var (numbers, units) = (ago.Groups["number"].Captures, ago.Groups["unit"].Captures);
        for (var i = 0; i < numbers.Count; i++)
        {
            var unit = units[i].Value.ToLowerInvariant();
            double seconds = unit[0] switch
            {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => 7 * 86_400,
            };
            var part = double.Parse(numbers[i].Value, CultureInfo.InvariantCulture) * seconds;
            if (part > TimeSpan.MaxValue.TotalSeconds / 100)
            {
                return null;
            }

            span += TimeSpan.FromSeconds(part);
        }

        return span;
    }

    // Where clocks are set back, an hour comes twice, and the earlier one holds less that is not wanted.
    private static DateTimeOffset In(TimeZoneInfo zone, DateTime local)
    {
        var unspecified = DateTime.SpecifyKind(local, DateTimeKind.Unspecified);
        var offset = zone.IsAmbiguousTime(unspecified) ? zone.GetAmbiguousTimeOffsets(unspecified).Max() : zone.GetUtcOffset(unspecified);
        return new DateTimeOffset(unspecified, offset).ToUniversalTime();
    }

    [GeneratedRegex(
        @"^(?:(?<number>\d+(?:\.\d+)?)\s*(?<unit>s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?)\s*)+ago$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Ago();

    [GeneratedRegex(@"^(\d{4}-\d\d-\d\d[Tt ][\d:.]+)(Z|z| ?UTC| ?utc|[+-]\d\d(?::?\d\d)?)$", RegexOptions.CultureInvariant)]
    private static partial Regex Zoned();
}
