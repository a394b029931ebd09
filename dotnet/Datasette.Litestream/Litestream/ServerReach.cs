using System.Net;
using System.Net.Sockets;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Finds out whether a destination's server can be reached at all. Litestream says nothing for a minute and more while it tries
/// to (the AWS SDK's own tries, and Litestream's).
/// </summary>
internal static class ServerReach
{
    /// <summary>Longer than the second try of a connection whose first packet was lost takes.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(4);

    /// <summary>Connects to a server, and closes the connection again.</summary>
    /// <param name="server">The server.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>Why it cannot be reached, in Go's words, as Litestream would tell it; null if it can.</returns>
    public static async Task<string?> FindProblemAsync(DnsEndPoint server, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(server, either.Token).ConfigureAwait(false);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{server.Host}:{server.Port}: connection timed out";
        }
        catch (SocketException ex)
        {
            return Describe(server, ex);
        }
    }

    /// <summary>What is wrong, in Go's words.</summary>
    /// <param name="server">The server.</param>
    /// <param name="exception">What a connection failed with.</param>
    public static string Describe(DnsEndPoint server, SocketException exception) => exception.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => $"{server.Host}:{server.Port}: connection refused",
        SocketError.HostNotFound or SocketError.NoData => $"{server.Host}: no such host",
        SocketError.TryAgain => $"{server.Host}: server misbehaving",
        SocketError.TimedOut => $"{server.Host}:{server.Port}: connection timed out",
        SocketError.NetworkUnreachable => $"{server.Host}:{server.Port}: network is unreachable",
        SocketError.HostUnreachable => $"{server.Host}:{server.Port}: no route to host",
        _ => $"{server.Host}:{server.Port}: {exception.Message}",
    };
}
