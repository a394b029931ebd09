using System.Globalization;
using System.Text.RegularExpressions;

namespace Datasette.Litestream;

/// <summary>The two generations of Litestream in the field; they differ in configuration, on disk and in control.</summary>
[Flags]
internal enum LitestreamGeneration
{
    /// <summary>0.3.x: shadow WAL in <c>generations/</c>, many replicas a database, no control socket.</summary>
    V03 = 1,

    /// <summary>0.5.x: LTX files, one replica a database, a control socket.</summary>
    V05 = 2,

    Both = V03 | V05,
}

/// <summary>A version of Litestream as <c>litestream version</c> prints it, such as <c>v0.3.13</c> or <c>0.5.9</c>.</summary>
internal sealed partial record LitestreamVersion(int Major, int Minor, int Patch)
{
    /// <summary>What this plugin works with, in words for an error message.</summary>
    public const string Supported = "0.3.13, or 0.5.8 and later 0.5 releases";

    /// <summary>The generation, or null where this plugin does not support the version.</summary>
    public LitestreamGeneration? Generation => this switch
    {
        (0, 3, 13) => LitestreamGeneration.V03,
        (0, 5, >= 8) => LitestreamGeneration.V05,
        _ => null,
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
