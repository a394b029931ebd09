using System.Globalization;
using System.Text.RegularExpressions;
using Datasette.Litestream.Configuration;

namespace Datasette.Litestream.Litestream;

/// <summary>A version of Litestream as <c>litestream version</c> prints it, such as <c>v0.3.13</c> or <c>0.5.9</c>.</summary>
internal sealed partial record LitestreamVersion(int Major, int Minor, int Patch)
{
    /// <summary>What this plugin works with, in words for an error message.</summary>
    public const string Supported = "0.5.17 and later 0.5 releases, and with 0.3.13 and 0.3.14";

    /// <summary>Seen under load with 0.5.11 to 0.5.13, 6 to 16 of 50 restores; none with 0.5.17.</summary>
    private const string Malformed =
        "it writes replicas of busy databases that restore to a malformed database, and logs nothing of it (Litestream's issues 1164 and 1337)";

    private const string Corruption = "it carries SQLite 3.51.2, which can corrupt a database (Litestream's issue 1432)";

    /// <summary>The release line, or null where this plugin does not support the version; see <see cref="UnsupportedReason"/> for why.</summary>
    public ReleaseLine? ReleaseLine => this switch
    {
        (0, 3, 13 or 14) => Configuration.ReleaseLine.V03,
        (0, 5, >= 17) => Configuration.ReleaseLine.V05,
        _ => null,
    };

    /// <summary>Why this plugin does not run it, as the end of a sentence; null where it does.</summary>
    public string? UnsupportedReason => this switch
    {
        { ReleaseLine: not null } => null,
        (0, 5, >= 14) => Corruption,
        (0, 5, >= 8) => $"{Malformed}, and {Corruption}",
        (0, 5, _) => Malformed,
        (0, < 5, _) => "it is of a release that this plugin was not made for",
        _ => "it is newer than this plugin, which cannot tell what has changed; a later version of the plugin may",
    };

    /// <summary>Reads the first line of <c>litestream version</c>; null where it holds no version.</summary>
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
