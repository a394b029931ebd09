using System.Globalization;
using System.Net;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// The address at which Litestream serves its metrics: <c>HOST:PORT</c> as in Go's <c>net.Listen</c>; HOST may be empty.
/// </summary>
/// <param name="Host">Without brackets; empty for every interface.</param>
/// <param name="Port">1 to 65535.</param>
internal sealed record MetricsAddress(string Host, int Port)
{
    /// <summary>Whether other machines can reach it.</summary>
    public bool IsEveryInterface => Host.Length == 0
        || (IPAddress.TryParse(Host, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)));

    /// <summary>The URL of the metrics on this machine.</summary>
    public Uri Url => new UriBuilder(Uri.UriSchemeHttp, IsEveryInterface ? "localhost" : Host, Port, "/metrics").Uri;

    /// <summary>Reads <c>HOST:PORT</c>; null for anything else.</summary>
    public static MetricsAddress? Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port is < 1 or > 65535)
        {
            return null;
        }

        var host = text[..colon];
        var isBracketed = host is ['[', .., ']'];
        if (isBracketed)
        {
            host = host[1..^1];
        }

        // An IPv6 address needs its brackets; otherwise Go reads part of it as the port.
        var isValid = host.Length == 0 || (isBracketed == host.Contains(':') && Uri.CheckHostName(host) != UriHostNameType.Unknown);
        return isValid ? new MetricsAddress(host, port) : null;
    }

    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
