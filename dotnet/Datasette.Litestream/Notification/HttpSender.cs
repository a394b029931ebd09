using System.Text;

namespace Datasette.Litestream.Notification;

/// <summary>
/// Sends requests to <c>notify-url</c> and <c>heartbeat-url</c>. Both are secrets, so a failure is told in words of our own: an
/// exception's message would name the host. Any thread can use it; HTTP is loaded at the first request.
/// </summary>
internal sealed class HttpSender(TimeProvider time) : IDisposable
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    private readonly Lazy<HttpClient> _http = new(Create);

    /// <summary>Sends a request.</summary>
    /// <param name="method">The method.</param>
    /// <param name="url">The address, of http or https.</param>
    /// <param name="json">The body; null for none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Null if the answer was 200 to 299.</returns>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public async Task<SendFailure?> SendAsync(HttpMethod method, Uri url, string? json, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(method, url);
            request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
            using var response = await _http.Value.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token).ConfigureAwait(false);
            var code = (int)response.StatusCode;
            return response.IsSuccessStatusCode ? null : new SendFailure($"it answered {code}", code is >= 300 and < 500 and not (408 or 429));
        }
        catch (Exception ex)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new SendFailure(Describe(ex), IsFinal: false);
        }
    }

    public void Dispose()
    {
        if (_http.IsValueCreated)
        {
            _http.Value.Dispose();
        }
    }

    private static string Describe(Exception exception) => exception switch
    {
        OperationCanceledException => "it did not answer within 10 s",
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "the name of its host cannot be resolved",
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "its host cannot be reached",
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => "no secure connection to it can be made",
        HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } => "the proxy refused the connection",
        HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } other => $"the request failed ({other.HttpRequestError})",
        _ => $"the request failed ({exception.GetType().Name})",
    };

    // A redirect is not followed: a POST would become a GET, and the body would go to an address that nobody configured.
    private static HttpClient Create() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ActivityHeadersPropagator = null,

        // The addresses of chats change, and the requests are far apart.
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        DefaultRequestHeaders = { { "User-Agent", "datasette-litestream" } },
    };
}
