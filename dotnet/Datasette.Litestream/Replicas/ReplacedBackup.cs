using System.Globalization;

namespace Datasette.Litestream.Replicas;

/// <summary>
/// The name of a backup that was moved aside because it cannot be continued: its destination's, and a suffix with the time. It can
/// be restored there, and is deleted after the time that snapshots are kept.
/// </summary>
internal static class ReplacedBackup
{
    /// <summary>What each suffix begins with.</summary>
    public const string Mark = ".replaced-";

    private const string TimeFormat = "yyyyMMdd'T'HHmmss'Z'";

    /// <summary>The suffix of a backup that is moved aside now.</summary>
    public static string SuffixAt(DateTimeOffset time) => Mark + time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    /// <summary>Whether what has a suffix was moved aside longer ago than it is kept.</summary>
    /// <param name="suffix">The suffix; one that is not of this form has not expired.</param>
    /// <param name="now">The time.</param>
    /// <param name="retention">How long it is kept.</param>
    public static bool HasExpired(string suffix, DateTimeOffset now, TimeSpan retention) =>
        suffix.StartsWith(Mark, StringComparison.Ordinal)
        && DateTime.TryParseExact(
            suffix[Mark.Length..],
            TimeFormat,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
            out var movedAt)
        && now.UtcDateTime - movedAt > retention;
}
