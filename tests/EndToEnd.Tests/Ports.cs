using System.Net;
using System.Net.Sockets;

namespace Datasette.Litestream.EndToEnd;

/// <summary>Ports on loopback.</summary>
internal static class Ports
{
    /// <summary>A port that nobody listens on.</summary>
    public static int FindFree()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
