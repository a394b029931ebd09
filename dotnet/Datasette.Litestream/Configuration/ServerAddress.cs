using System.Net;

namespace Datasette.Litestream.Configuration;

/// <summary>The addresses of servers, as Litestream finds them in its settings.</summary>
internal static class ServerAddress
{
    private const string AmazonDomain = "amazonaws.com";

    /// <summary>The server of an S3 destination.</summary>
    /// <param name="endpoint">Its endpoint; null for Amazon's.</param>
    /// <param name="region">Its region; null if it is not set.</param>
    /// <returns>Null if the endpoint names no port, not even by its scheme.</returns>
    public static DnsEndPoint? OfS3(string? endpoint, string? region) => endpoint is not null
        ? Parse(endpoint)
        : new DnsEndPoint(
            region switch
            {
                null => $"s3.{AmazonDomain}",
                _ when region.StartsWith("cn-", StringComparison.Ordinal) => $"s3.{region}.{AmazonDomain}.cn",
                _ => $"s3.{region}.{AmazonDomain}",
            },
            443);

    /// <summary>The host and port of a URL, or of <c>HOST:PORT</c>; null if it is neither.</summary>
    public static DnsEndPoint? Parse(string address)
    {
        var isUrl = address.Contains("://", StringComparison.Ordinal);
        return Uri.TryCreate(isUrl ? address : $"tcp://{address}", UriKind.Absolute, out var uri)
            && HostOf(uri) is { Length: > 0 } host
            && (uri.Port > 0 ? uri.Port : uri.Scheme == "sftp" ? 22 : 0) is > 0 and var port
            ? new DnsEndPoint(host.Trim('[', ']'), port)
            : null;
    }

    /// <summary>The host as it is looked up; null if no host can have that name.</summary>
    private static string? HostOf(Uri uri)
    {
        try
        {
            return uri.IdnHost;
        }
        catch (UriFormatException)
        {
            return null;
        }
    }
}
