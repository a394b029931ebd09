using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Datasette.Litestream;

/// <summary>A server on this machine that keeps what it gets, and answers as it is told.</summary>
internal sealed class HttpReceiver : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly X509Certificate2? _certificate;

    /// <param name="certificate">That of <c>localhost</c>, for https; null for http.</param>
    public HttpReceiver(X509Certificate2? certificate = null)
    {
        _certificate = certificate;
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>Its address, without a path.</summary>
    public string Address => $"{(_certificate is null ? "http://127.0.0.1" : "https://localhost")}:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>The status of the answer; null for no answer at all.</summary>
    public Func<ReceivedRequest, int?> Answer { get; set; } = _ => 200;

    /// <summary>What was received, in order.</summary>
    public ConcurrentQueue<ReceivedRequest> Requests { get; } = [];

    public void Dispose()
    {
        _stopping.Cancel();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token));
            }
        }
        catch (Exception ex) when (ex is OperationCanceledException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using var connection = client;
            await using Stream stream = _certificate is null ? client.GetStream() : await SecureAsync(client.GetStream(), _certificate);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (await reader.ReadLineAsync(_stopping.Token) is { Length: > 0 } first)
            {
                var request = await ReadAsync(first.Split(' '), reader);
                Requests.Enqueue(request);
                if (Answer(request) is not { } status)
                {
                    await Task.Delay(Timeout.Infinite, _stopping.Token);
                    return;
                }

                var location = status is >= 300 and < 400 ? $"Location: {Address}/elsewhere\r\n" : "";
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Status\r\n{location}Content-Length: 0\r\n\r\n"), _stopping.Token);
            }
        }
        catch (Exception ex) when (ex is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            // The client has gone.
        }
    }

    private static async Task<SslStream> SecureAsync(NetworkStream stream, X509Certificate2 certificate)
    {
        var secure = new SslStream(stream);
        await secure.AuthenticateAsServerAsync(certificate);
        return secure;
    }

    private async Task<ReceivedRequest> ReadAsync(string[] first, StreamReader reader)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync(_stopping.Token) is { Length: > 0 } header)
        {
            var colon = header.IndexOf(':', StringComparison.Ordinal);
            headers[header[..colon]] = header[(colon + 1)..].Trim();
        }

        // The bodies are ASCII. To read nothing would wait for more.
        var body = new char[headers.TryGetValue("Content-Length", out var length) ? int.Parse(length, System.Globalization.CultureInfo.InvariantCulture) : 0];
        _ = body.Length > 0 ? await reader.ReadBlockAsync(body, _stopping.Token) : 0;
        return new ReceivedRequest(DateTimeOffset.UtcNow, first[0], first[1], headers, new string(body));
    }
}

/// <summary>A request that a <see cref="HttpReceiver"/> got.</summary>
/// <param name="At">When.</param>
/// <param name="Method">Its method.</param>
/// <param name="Path">Its path and query.</param>
/// <param name="Headers">By name, whatever the case.</param>
/// <param name="Body">Its body.</param>
internal sealed record ReceivedRequest(DateTimeOffset At, string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body);
