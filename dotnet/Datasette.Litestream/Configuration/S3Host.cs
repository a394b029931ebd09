using System.Text.RegularExpressions;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// The host of an <c>s3:</c> URL: a bucket, or a bucket and its endpoint as in <c>maps.s3.eu-west-1.amazonaws.com</c>. Source:
/// <c>ParseHost</c> in Litestream's s3/replica_client.go.
/// </summary>
internal static partial class S3Host
{
    /// <summary>The bucket, and its endpoint unless that is Amazon's.</summary>
    public static (string Bucket, string? Endpoint) Parse(string host) => Pattern().Match(host) is { Success: true } match
        ? (match.Groups["bucket"].Value, match.Groups["endpoint"] is { Success: true } endpoint ? endpoint.Value : null)
        : (host, null);

    /// <summary>Whether it is the ARN of an access point, which names its region itself.</summary>
    public static bool IsAccessPoint(string host) => host.StartsWith("arn:", StringComparison.OrdinalIgnoreCase);

    /// <summary>The region that the host names; null if it names none.</summary>
    public static string? RegionOf(string host) =>
        IsAccessPoint(host) ? host.Split(':').ElementAtOrDefault(3)
        : Pattern().Match(host).Groups["region"] is { Success: true } region ? region.Value
        : null;

    /// <summary>
    /// Whether it is a server, which Litestream would take for a bucket, or for a bucket and its server: it has an address or a port,
    /// and no bucket before it.
    /// </summary>
    public static bool IsServer(string host)
    {
        if (IsAccessPoint(host))
        {
            return false;
        }

        var name = Port().Replace(host, "");
        return Address().IsMatch(name) || Amazon().IsMatch(name) || (name != host && Parse(host).Bucket == host);
    }

    [GeneratedRegex(":[0-9]*$")]
    private static partial Regex Port();

    [GeneratedRegex(@"^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[.*\])$")]
    private static partial Regex Address();

    [GeneratedRegex(@"^s3(?:[.-].+)?\.amazonaws\.com$")]
    private static partial Regex Amazon();

    [GeneratedRegex(
        @"^(?<bucket>.+)\.(?:s3(?:\.(?<region>[^.]+))?\.amazonaws\.com|(?<endpoint>(?<region>[^.]+)\.digitaloceanspaces\.com|s3\.(?:(?<region>[^.]+)\.(?:backblazeb2\.com|scw\.cloud)|filebase\.com)))$"
        + @"|^(?!.*\.com)(?<bucket>[^.:]+)\.(?<endpoint>.+:[0-9]+)$")]
    private static partial Regex Pattern();
}
