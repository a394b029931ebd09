using System.Text.RegularExpressions;

namespace Datasette.Litestream.Secrets;

/// <summary>Masks the secrets that a URL holds by their place in it: the password, and the parts of the query that are named like one.</summary>
internal static partial class UrlSecrets
{
    private static readonly string[] SecretWords = ["secret", "password", "token", "sig", "key"];

    /// <summary>Whether a part of a query is a secret, by its name.</summary>
    public static bool IsSecret(string queryKey) => Array.Exists(SecretWords, word => queryKey.Contains(word, StringComparison.OrdinalIgnoreCase));

    /// <summary>Masks the secrets of a text that is one URL; any other text stays as it is.</summary>
    public static string Mask(string url)
    {
        var start = url.IndexOf("://", StringComparison.Ordinal) + 3;
        if (start < 3)
        {
            return url;
        }

        var end = url.IndexOfAny(['/', '?'], start) is >= 0 and var slash ? slash : url.Length;
        var at = url.LastIndexOf('@', end - 1, end - start);
        var colon = at < 0 ? -1 : url.IndexOf(':', start, at - start);
        var place = colon < 0 ? url : $"{url[..(colon + 1)]}{Redactor.Mask}{url[at..]}";
        return MaskQuery(place);
    }

    /// <summary>Masks the secrets of every URL in a text. The user name stays, since it distinguishes accounts.</summary>
    public static string MaskAll(string text) =>
        text.Contains("://", StringComparison.Ordinal) ? MaskQuery(Password().Replace(text, $"$1{Redactor.Mask}@")) : text;

    private static string MaskQuery(string text) =>
        QueryPart().Replace(text, part => IsSecret(part.Groups["key"].Value) ? $"{part.Groups["start"]}{Redactor.Mask}" : part.Value);

    // The password ends at the last @ before the path.
    [GeneratedRegex(@"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:""]*:)[^\s/""]*@")]
    private static partial Regex Password();

    [GeneratedRegex(@"(?<start>[?&](?<key>[^\s=&""]*)=)[^\s&""']+")]
    private static partial Regex QueryPart();
}
