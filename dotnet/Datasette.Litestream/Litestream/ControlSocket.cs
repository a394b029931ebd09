using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Datasette.Litestream.Litestream;

/// <summary>
/// Litestream's control socket: HTTP over a Unix socket. Every call throws <see cref="HttpRequestException"/>, <see
/// cref="JsonException"/> or <see cref="OperationCanceledException"/> if Litestream does not answer as expected. Source:
/// Litestream's server.go, v0.5.17.
/// </summary>
internal sealed class ControlSocket : IDisposable
{
    /// <summary>Its name in the folder that is made for it.</summary>
    public const string FileName = "control";

    private readonly HttpClient _http;
    private long _answerCount;

    public ControlSocket(string path)
    {
        Path = path;
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        })
        {
            BaseAddress = new Uri("http://litestream"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public string Path { get; }

    /// <summary>The number of answers from Litestream, including errors.</summary>
    public long AnswerCount => Interlocked.Read(ref _answerCount);

    /// <summary>
    /// Whether Litestream listens, which it does as soon as it has opened its databases. This check runs at every start, so it
    /// does not use HTTP: loading that code would delay Datasette's start by more than Litestream's own start does. Source:
    /// <c>Run</c> in replicate.go.
    /// </summary>
    public bool IsListening()
    {
        if (!File.Exists(Path))
        {
            return false;
        }

        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(Path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Returns if Litestream answers.</summary>
    public async Task PingAsync(CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/info", UriKind.Relative));
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The databases that Litestream knows.</summary>
    public async Task<IReadOnlyList<ListedDatabase>> ListAsync(CancellationToken cancellationToken) =>
        (await GetAsync("/list", ControlSocketJson.Default.DatabaseList, cancellationToken).ConfigureAwait(false)).Databases ?? [];

    /// <summary>
    /// What Litestream is doing with each database, and how its last sync ended. Unlike <see cref="ListAsync"/>, Litestream
    /// answers this during a first sync.
    /// </summary>
    public async Task<IReadOnlyList<SyncActivity>> ActivitiesAsync(CancellationToken cancellationToken) =>
        (await GetAsync("/debug/sync-status", ControlSocketJson.Default.SyncActivityList, cancellationToken).ConfigureAwait(false)).Databases ?? [];

    /// <summary>
    /// Asks Litestream to sync a database now, and returns when it has; the upload to the replica is then under way.
    /// </summary>
    /// <remarks>
    /// Never send <c>"wait"</c> or a timeout. Litestream 0.5 holds a read transaction that keeps writers from restarting the
    /// write-ahead log, and begins it in the context of the request. With such a request the context ends, and the transaction
    /// ends with it. From then on, a checkpoint by any writer makes Litestream lose changes that it has not synced, without an
    /// error. Source: <c>handleSync</c> in server.go, <c>acquireReadLock</c> in db.go.
    /// </remarks>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<SyncedDatabase> SyncAsync(string databasePath, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/sync", UriKind.Relative));
        request.Content = new StringContent(
            JsonSerializer.Serialize(new SyncRequest(databasePath), ControlSocketJson.Default.SyncRequest));
        return await ReadAsync(request, ControlSocketJson.Default.SyncedDatabase, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The last transaction that Litestream has taken when it has synced a database; null if it does not answer now.</summary>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<ulong?> TakenTransactionAsync(string databasePath, CancellationToken cancellationToken)
    {
        try
        {
            return (await SyncAsync(databasePath, cancellationToken).ConfigureAwait(false)).Txid;
        }
        catch (Exception ex) when (IsUnavailable(ex) && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Has Litestream replicate another database, besides those of its configuration, until it ends.</summary>
    /// <remarks>It answers the same for a file that is not there, which it opens once it is.</remarks>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <param name="replicaUrl">Where to; see <see cref="RegistrationUrl"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task RegisterAsync(string databasePath, string replicaUrl, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/register", UriKind.Relative));
        request.Content = new StringContent(
            JsonSerializer.Serialize(new RegisterRequest(databasePath, replicaUrl), ControlSocketJson.Default.RegisterRequest));
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has Litestream leave a database alone after a last sync.</summary>
    /// <remarks>
    /// It takes the database out of its list first and syncs then, so that after an error it does not replicate it either. Source:
    /// <c>UnregisterDB</c> in store.go, v0.5.17.
    /// </remarks>
    /// <param name="databasePath">The database's file, absolute.</param>
    /// <param name="timeout">How long the last sync may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task UnregisterAsync(string databasePath, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/unregister", UriKind.Relative));
        request.Content = new StringContent(
            JsonSerializer.Serialize(new UnregisterRequest(databasePath, (int)Math.Ceiling(timeout.TotalSeconds)), ControlSocketJson.Default.UnregisterRequest));
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether a sync or an upload failed because Litestream's own files beside the database are lost or damaged, which it cannot mend.
    /// Sources: <c>verify</c> in db.go and <c>uploadLTXFile</c> in replica.go, v0.5.17. An error of a file at the destination begins with
    /// "open ltx file:", without its path.
    /// </summary>
    public static bool IsLocalStateLost(string error) =>
        (error.Contains("cannot verify wal state", StringComparison.Ordinal) && error.Contains(".ltx", StringComparison.Ordinal))
        || (error.Contains("open ltx file /", StringComparison.Ordinal) && error.Contains("no such file or directory", StringComparison.Ordinal));

    /// <summary>Whether an exception means that Litestream does not answer as expected, or not in time.</summary>
    public static bool IsUnavailable(Exception error) => error is HttpRequestException or JsonException or OperationCanceledException;

    public void Dispose() => _http.Dispose();

    private async Task<T> GetAsync<T>(
        string url, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(url, UriKind.Relative));
        return await ReadAsync(request, type, cancellationToken).ConfigureAwait(false);
    }

    private async Task<T> ReadAsync<T>(
        HttpRequestMessage request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        return await JsonSerializer.DeserializeAsync(body, type, cancellationToken).ConfigureAwait(false)
            ?? throw new JsonException("null");
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            Interlocked.Increment(ref _answerCount);
            return response.IsSuccessStatusCode ? response : throw await ErrorOfAsync(response, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectDisposedException ex)
        {
            // The caller got this socket before Litestream ended.
            throw new HttpRequestException("Litestream has ended", ex);
        }
    }

    /// <summary>An error whose message is Litestream's, and whose status code shows that Litestream has answered.</summary>
    private static async Task<HttpRequestException> ErrorOfAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using (response)
        {
            string? error = null;
            try
            {
                var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                error = (await JsonSerializer.DeserializeAsync(body, ControlSocketJson.Default.ErrorAnswer, cancellationToken).ConfigureAwait(false))?.Error;
            }
            catch (JsonException)
            {
                // The status code says enough.
            }

            return new HttpRequestException(error ?? $"Litestream answered {(int)response.StatusCode}", null, response.StatusCode);
        }
    }
}

/// <param name="Error">What went wrong, in Litestream's words.</param>
internal sealed record ErrorAnswer([property: JsonPropertyName("error")] string? Error);

/// <summary>One database in the answer of <c>GET /list</c>.</summary>
/// <param name="Path">Its file, absolute.</param>
/// <param name="Status"><c>replicating</c>, <c>open</c> or <c>stopped</c>.</param>
/// <param name="LastSyncAt">When its data last reached the replica; null if it has not yet.</param>
internal sealed record ListedDatabase(
    [property: JsonPropertyName("path")] string Path,
    [property: JsonPropertyName("status")] string Status,
    [property: JsonPropertyName("last_sync_at")] DateTimeOffset? LastSyncAt);

/// <param name="Databases">Null if there are none: Go writes a nil slice as null.</param>
internal sealed record DatabaseList([property: JsonPropertyName("databases")] IReadOnlyList<ListedDatabase>? Databases);

/// <summary>One database in the answer of <c>GET /debug/sync-status</c>.</summary>
/// <param name="Path">Its file, absolute.</param>
/// <param name="IsActive">Whether the operation is under way; otherwise it is the last one.</param>
/// <param name="Operation">Such as <c>sync</c>; null or empty before the first.</param>
/// <param name="Phase">The step of the operation, such as <c>starting</c>.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Error">Why it failed; null if it did not.</param>
internal sealed record SyncActivity(
    [property: JsonPropertyName("path")] string Path,
    [property: JsonPropertyName("active")] bool IsActive,
    [property: JsonPropertyName("operation")] string? Operation,
    [property: JsonPropertyName("phase")] string? Phase,
    [property: JsonPropertyName("started_at")] DateTimeOffset? StartedAt,
    [property: JsonPropertyName("error")] string? Error);

/// <param name="Databases">Null if there are none: Go writes a nil slice as null.</param>
internal sealed record SyncActivityList([property: JsonPropertyName("databases")] IReadOnlyList<SyncActivity>? Databases);

/// <summary>The answer of <c>POST /sync</c>.</summary>
/// <param name="Txid">The last transaction of the database that Litestream has synced; 0 if there is none.</param>
/// <param name="ReplicatedTxid">The last transaction that it knows to be at the replica, which is slightly behind; 0 if it
/// does not know, as before its first upload and after a failed one.</param>
internal sealed record SyncedDatabase(
    [property: JsonPropertyName("txid")] ulong Txid, [property: JsonPropertyName("replicated_txid")] ulong ReplicatedTxid);

internal sealed record SyncRequest([property: JsonPropertyName("path")] string Path);

internal sealed record RegisterRequest(
    [property: JsonPropertyName("path")] string Path, [property: JsonPropertyName("replica_url")] string ReplicaUrl);

/// <param name="Path">The database's file.</param>
/// <param name="Timeout">How long the last sync may take, in seconds.</param>
internal sealed record UnregisterRequest([property: JsonPropertyName("path")] string Path, [property: JsonPropertyName("timeout")] int Timeout);

[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(RegisterRequest))]
[JsonSerializable(typeof(UnregisterRequest))]
[JsonSerializable(typeof(SyncRequest))]
[JsonSerializable(typeof(DatabaseList))]
[JsonSerializable(typeof(SyncActivityList))]
[JsonSerializable(typeof(SyncedDatabase))]
internal sealed partial class ControlSocketJson : JsonSerializerContext;
