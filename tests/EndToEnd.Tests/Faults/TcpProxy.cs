using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

namespace Datasette.Litestream.EndToEnd.Faults;

/// <summary>
/// A TCP proxy on loopback that can fail as a network and a server do. Connections that are open when the fault begins have it
/// too. Every connection is a task of its own; the fields are changed by the test alone.
/// </summary>
internal sealed class TcpProxy : IDisposable
{
    private const int ChunkBytes = 16 * 1024;

    private readonly IPEndPoint _target;
    private readonly Lock _lock = new();
    private readonly HashSet<Socket> _open = [];
    private TcpListener? _listener;
    private TaskCompletionSource? _thaw;
    private int? _status;
    private int? _bytesPerSecond;
    private TimeSpan _delay;
    private long _nextTurn;

    /// <param name="target">The endpoint to forward to, as a URL.</param>
    public TcpProxy(string target)
    {
        _target = IPEndPoint.Parse(new Uri(target).Authority);
        Listen(port: 0);
        Port = ((IPEndPoint)_listener!.LocalEndpoint).Port;
    }

    public int Port { get; }

    /// <summary>Its own URL.</summary>
    public string Endpoint => $"http://127.0.0.1:{Port}";

    /// <summary>Refuses connections, and ends those that are open.</summary>
    public void Refuse()
    {
        _listener?.Stop();
        _listener = null;
        CloseAll();
    }

    /// <summary>Accepts connections, and forwards nothing until <see cref="Forward"/>.</summary>
    public void Freeze() => _thaw ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Answers each request with an HTTP status, as a server in trouble does.</summary>
    public void Answer(int status)
    {
        _status = status;
        CloseAll();
    }

    /// <summary>Forwards at most this many bytes per second to the target.</summary>
    public void Limit(int bytesPerSecond) => _bytesPerSecond = bytesPerSecond;

    /// <summary>Forwards each request to the target only after a while.</summary>
    public void Delay(TimeSpan delay) => _delay = delay;

    /// <summary>Ends every fault.</summary>
    public void Forward()
    {
        (_status, _bytesPerSecond, _delay) = (null, null, TimeSpan.Zero);
        Interlocked.Exchange(ref _thaw, null)?.TrySetResult();
        if (_listener is null)
        {
            Listen(Port);
        }
    }

    public void Dispose()
    {
        Refuse();
        _thaw?.TrySetResult();
    }

    private void Listen(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        _listener = listener;
        _ = AcceptAsync(listener);
    }

    private void CloseAll()
    {
        lock (_lock)
        {
            foreach (var socket in _open)
            {
                socket.Close(0);
            }

            _open.Clear();
        }
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptSocketAsync());
            }
        }
        catch (Exception ex) when (ex is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        Add(client);
        Add(server);
        try
        {
            if (_status is { } status)
            {
                await AnswerAsync(client, status);
                return;
            }

            await server.ConnectAsync(_target);
            var isAnswered = new StrongBox<bool>(true);
            await Task.WhenAll(PumpAsync(client, server, isAnswered, isRequest: true), PumpAsync(server, client, isAnswered, isRequest: false));
        }
        catch (Exception ex) when (ex is SocketException or ObjectDisposedException)
        {
            // One of the two ended, or the proxy did.
        }
        finally
        {
            client.Dispose();
            lock (_lock)
            {
                _open.Remove(client);
                _open.Remove(server);
            }
        }
    }

    private void Add(Socket socket)
    {
        lock (_lock)
        {
            _open.Add(socket);
        }
    }

    private async Task PumpAsync(Socket from, Socket to, StrongBox<bool> isAnswered, bool isRequest)
    {
        var buffer = new byte[ChunkBytes];
        while (await from.ReceiveAsync(buffer) is > 0 and var count)
        {
            await (_thaw?.Task ?? Task.CompletedTask);
            if (isRequest && isAnswered.Value)
            {
                await Task.Delay(_delay);
            }

            isAnswered.Value = !isRequest;
            if (isRequest && _bytesPerSecond is { } rate)
            {
                await WaitForTurnAsync(count, rate);
            }

            await SendAsync(to, buffer.AsMemory(0, count));
        }

        to.Shutdown(SocketShutdown.Send);
    }

    /// <summary>All connections share one rate: each chunk has its time, after that of the one before.</summary>
    private async Task WaitForTurnAsync(int count, int rate)
    {
        var now = Stopwatch.GetTimestamp();
        long turn;
        lock (_lock)
        {
            turn = Math.Max(_nextTurn, now);
            _nextTurn = turn + (count * Stopwatch.Frequency / rate);
        }

        await Task.Delay(Stopwatch.GetElapsedTime(now, turn));
    }

    private static async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await to.SendAsync(bytes[sent..]);
        }
    }

    private static async Task AnswerAsync(Socket client, int status)
    {
        var code = status == 403 ? "InvalidAccessKeyId" : "SlowDown";
        var body = $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>";
        var answer = $"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}";
        var buffer = new byte[ChunkBytes];
        if (await client.ReceiveAsync(buffer) > 0)
        {
            await SendAsync(client, Encoding.ASCII.GetBytes(answer));
            client.Shutdown(SocketShutdown.Send);

            // A connection with unread bytes is reset, and the answer lost; the client ends it when it has read that.
            while (await client.ReceiveAsync(buffer) > 0)
            {
            }
        }
    }
}
