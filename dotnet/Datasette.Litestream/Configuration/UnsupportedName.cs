using System.Text;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Finds the names of files that Datasette or Litestream would open another file for. Datasette and Litestream 0.5 put the path
/// into an SQLite URI as it is (<c>file:PATH?…</c>), which ends at a <c>?</c> or <c>#</c>, and in which <c>%41</c> is an
/// <c>A</c> (https://sqlite.org/uri.html); Litestream 0.3 cuts it at a <c>?</c>. Then another, usually new file is replicated.
/// Tried with 0.5.17 and 0.3.13: spaces, quotes, line breaks, a leading dash and <c>: &amp; \ * $</c> are all fine.
/// </summary>
internal static partial class UnsupportedName
{
    /// <summary>The maximum of nearly every file system, in bytes.</summary>
    private const int MaxNameBytes = 255;

    /// <summary>Why a path cannot be used, in a sentence; null if it can be.</summary>
    /// <param name="path">An absolute path.</param>
    public static string? Find(string path)
    {
        if (Special().Match(path) is { Success: true } found)
        {
            return $"The path {path} contains {found.Value}, and there SQLite, which takes it for a URL, opens another file. Rename the file or its folder.";
        }

        // A byte that is not UTF-8 arrives as this character, and Litestream's configuration is text.
        if (path.Contains('\uFFFD', StringComparison.Ordinal))
        {
            return $"The path {path} is not UTF-8, and Litestream cannot be given it. Rename the file or its folder.";
        }

        var name = Path.GetFileName(path);
        return Encoding.UTF8.GetByteCount($".{name}-litestream") > MaxNameBytes
            ? $"The name {name} is so long that Litestream's folder beside it, whose name is longer, cannot be created. Give the file a shorter name."
            : null;
    }

    [GeneratedRegex("[?#]|%[0-9A-Fa-f]{2}", RegexOptions.CultureInvariant)]
    private static partial Regex Special();
}
