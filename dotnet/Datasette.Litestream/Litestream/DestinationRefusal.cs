using System.Globalization;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// A destination that Litestream 0.5 could not use at its start, which ends it for all databases. Source: <c>Store.Open</c> in
/// store.go and <c>Run</c> in replicate.go, v0.5.17; 0.3 connects later, and never ends because of that.
/// </summary>
/// <param name="DatabasePath">The file of the database, absolute.</param>
/// <param name="Cause">Litestream's own words.</param>
internal sealed partial record DestinationRefusal(string DatabasePath, string Cause)
{
    /// <summary>The refusal that a line of Litestream's log reports; null if it reports none.</summary>
    public static DestinationRefusal? Parse(string message) =>
        Line().Match(message) is { Success: true } match ? new DestinationRefusal(Unquote(match.Groups["path"].Value), match.Groups["cause"].Value) : null;

    // The path is quoted as by Go's %q: https://pkg.go.dev/strconv#Quote.
    private static string Unquote(string quoted) => Escape().Replace(quoted, match => match.Value[1] switch
    {
        'x' or 'u' or 'U' => char.ConvertFromUtf32(int.Parse(match.ValueSpan[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
        'a' => "\a",
        'b' => "\b",
        'f' => "\f",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        'v' => "\v",
        var other => other.ToString(),
    });

    [GeneratedRegex("""^Error: cannot open store: initialize replica client for "(?<path>(?:[^"\\]|\\.)*)": (?<cause>.*)$""", RegexOptions.Singleline)]
    private static partial Regex Line();

    [GeneratedRegex("""\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)""")]
    private static partial Regex Escape();
}
