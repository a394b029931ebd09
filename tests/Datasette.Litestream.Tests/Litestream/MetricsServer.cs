using System.Net.Sockets;
using System.Text;

namespace Datasette.Litestream.Tests.Litestream;

/// <summary>A server in place of Litestream's metrics.</summary>
internal static class MetricsServer
{
    /// <summary>Answers one request with a text.</summary>
    public static async Task AnswerAsync(this TcpListener listener, string text)
    {
        using var client = await listener.AcceptTcpClientAsync();
        var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync() is { Length: > 0 })
        {
        }

        await stream.WriteAsync(Encoding.UTF8.GetBytes(
            $"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(text)}\r\n\r\n{text}"));
    }
}
