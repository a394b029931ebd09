namespace Datasette.Litestream.Litestream;

/// <summary>Reads Litestream's metrics over HTTP.</summary>
internal sealed class MetricsReader(Uri url) : IDisposable
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false })
    {
        Timeout = AnswerTimeout,
    };

    /// <exception cref="HttpRequestException">It does not answer.</exception>
    /// <exception cref="OperationCanceledException">It does not answer in time.</exception>
    /// <returns>Prometheus' text exposition.</returns>
    public Task<string> ReadAsync() => _http.GetStringAsync(url);

    public void Dispose() => _http.Dispose();
}
