using System.Text.RegularExpressions;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// A replica's URL, parsed as by Go's <c>net/url</c> (https://pkg.go.dev/net/url), which Litestream uses: <see cref="Uri"/>
/// would normalise names that must stay unchanged.
/// </summary>
/// <param name="Scheme">The scheme, in lower case.</param>
/// <param name="UserInfo">The part before the @, still encoded; empty if there is none.</param>
/// <param name="Host">The bucket or host, with its port.</param>
/// <param name="Path">The path, decoded.</param>
/// <param name="Query">The part after the ?, still encoded.</param>
internal sealed partial record ReplicaUrl(string Scheme, string UserInfo, string Host, string Path, string Query)
{
    /// <summary>Reads a URL after its variables were expanded.</summary>
    /// <returns>Null, with the reason in <paramref name="error"/>, if Litestream would misread it.</returns>
    public static ReplicaUrl? Parse(string text, out string error)
    {
        error = "";
        var match = Pattern().Match(text);
        if (!match.Success)
        {
            error = "is not a URL; write file:///absolute/path, file://$PWD/path or s3://bucket/path";
            return null;
        }

        if (BadEscape().IsMatch(text))
        {
            error = "has a % that starts no %XX; write %25 for a percent sign";
            return null;
        }

        if (text.Contains('#', StringComparison.Ordinal))
        {
            error = "has a #, after which Litestream would ignore all; write %23 for a number sign";
            return null;
        }

        if (text.Any(char.IsControl))
        {
            error = "has a control character, which no URL may have";
            return null;
        }

        var scheme = match.Groups["scheme"].Value.ToLowerInvariant();
        var authority = match.Groups["authority"].Value;
        var at = authority.LastIndexOf('@');
        var host = authority[(at + 1)..];
        if (scheme != "file" && !HostAndPort().IsMatch(host))
        {
            error = "has a port that is no number; in a user name or a password, write %2F for a slash and %3F for a question mark";
            return null;
        }

        return new ReplicaUrl(
            scheme,
            at < 0 ? "" : authority[..at],
            host,
            Uri.UnescapeDataString(match.Groups["path"].Value),
            match.Groups["query"].Value);
    }

    /// <summary>The password in the URL, decoded; null if there is none.</summary>
    public string? Password
    {
        get
        {
            var colon = UserInfo.IndexOf(':', StringComparison.Ordinal);
            return colon < 0 ? null : Uri.UnescapeDataString(UserInfo[(colon + 1)..]);
        }
    }

    /// <summary>The parts of the query, decoded, in order.</summary>
    public IEnumerable<(string Key, string Value)> QueryParts =>
        from part in Query.Split('&', StringSplitOptions.RemoveEmptyEntries)
        let pair = part.Split('=', 2)
        select (Decode(pair[0]), pair.Length == 2 ? Decode(pair[1]) : "");

    /// <summary>
    /// The path of a <c>file:</c> URL. Litestream would keep escapes and read the part after two slashes as an absolute path;
    /// here escapes are decoded, and <c>file://backup/x</c> is a relative path, as its author means it.
    /// </summary>
    public string FilePath => UserInfo.Length == 0 && Host is "" or "localhost"
        ? Path
        : Uri.UnescapeDataString(UserInfo.Length == 0 ? Host : $"{UserInfo}@{Host}") + Path;

    /// <summary>
    /// Whether the URL itself has a setting of S3: in its query, where Litestream writes <c>forcePathStyle</c> too, or in a host that
    /// names the server.
    /// </summary>
    public bool NamesS3Setting(string key) =>
        QueryParts.Any(part => string.Equals(Plain(part.Key), Plain(key), StringComparison.OrdinalIgnoreCase))
        || (key is "endpoint" or "region" or "force-path-style" && (S3Host.Parse(Host).Bucket != Host || S3Host.IsAccessPoint(Host)));

    private static string Plain(string key) => key.Replace("-", "", StringComparison.Ordinal);

    private static string Decode(string part) => Uri.UnescapeDataString(part.Replace('+', ' '));

    [GeneratedRegex(@"^(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?<authority>[^/?]*))?(?<path>[^?]*)(?:\?(?<query>.*))?$", RegexOptions.Singleline)]
    private static partial Regex Pattern();

    // The second alternative is the ARN of an S3 access point, which Litestream parses specially.
    [GeneratedRegex(@"^(?:(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?|arn:.*)$", RegexOptions.IgnoreCase)]
    private static partial Regex HostAndPort();

    [GeneratedRegex("%(?![0-9A-Fa-f]{2})")]
    private static partial Regex BadEscape();
}
