using System.Globalization;
using System.Text.RegularExpressions;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>A version of Litestream as <c>litestream version</c> prints it, such as <c>v0.3.13</c> or <c>0.5.9</c>.</summary>
internal sealed partial record LitestreamVersion(int Major, int Minor, int Patch)
{
    /// <summary>The supported versions, in words for an error message.</summary>
    public const string Supported = "0.5.17 and later 0.5 releases, and with 0.3.13 and 0.3.14";

    /// <summary>
    /// Observed under load with 0.5.11 to 0.5.13 in 6 to 16 of 50 restores, and never with 0.5.17
    /// (https://github.com/benbjohnson/litestream/issues/1164, https://github.com/benbjohnson/litestream/issues/1337).
    /// </summary>
    private const string Malformed =
        "its replicas of busy databases can restore to a malformed database, and it logs no error (Litestream's issues 1164 and 1337)";

    private const string Corruption = "it carries SQLite 3.51.2, which can corrupt a database (Litestream's issue 1432)";

    /// <summary>
    /// The release line; null if this plugin does not support the version, see <see cref="UnsupportedReason"/>.
    /// </summary>
    public ReleaseLine? ReleaseLine => this switch
    {
        (0, 3, 13 or 14) => Configuration.ReleaseLine.V03,
        (0, 5, >= 17) => Configuration.ReleaseLine.V05,
        _ => null,
    };

    /// <summary>Why this plugin does not support it, as the end of a sentence; null if it does.</summary>
    public string? UnsupportedReason => this switch
    {
        { ReleaseLine: not null } => null,
        (0, 5, >= 14) => Corruption,
        (0, 5, >= 8) => $"{Malformed}, and {Corruption}",
        (0, 5, _) => Malformed,
        (0, < 5, _) => "this plugin was not made for that release",
        _ => "it is newer than this plugin, so the plugin does not know what has changed; a later version of the plugin may support it",
    };

    /// <summary>Parses the first line of <c>litestream version</c>; null if it contains no version.</summary>
    public static LitestreamVersion? Parse(string text)
    {
        var match = Pattern().Match(text);
        return match.Success ? new LitestreamVersion(Part(1), Part(2), Part(3)) : null;

        int Part(int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);
    }

    public override string ToString() => $"{Major}.{Minor}.{Patch}";

    [GeneratedRegex(@"^(?:Litestream\s+)?v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})")]
    private static partial Regex Pattern();
}
