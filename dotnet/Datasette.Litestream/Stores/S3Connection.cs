using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Datasette.Litestream.Configuration;
using Datasette.Litestream.Processes;

namespace Datasette.Litestream.Stores;

/// <summary>
/// A client for one bucket, for all the stores in it: its connections are shared. Every request has a time limit, which a server that
/// does not answer reaches, and which grows with what the request carries.
/// </summary>
/// <param name="settings">How the bucket is reached.</param>
/// <param name="variables">Litestream's environment.</param>
/// <param name="time">The clock.</param>
internal sealed class S3Connection(S3Settings settings, Func<IReadOnlyDictionary<string, string>> variables, TimeProvider time) : IDisposable
{
    /// <summary>How long a request may take that carries little.</summary>
    public static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(15);

    /// <summary>What a slow line still carries, in bytes a second.</summary>
    private const double SlowestRate = 64 << 10;

    /// <summary>After an answer that asks for it, such as 503. A mirror is tried again by itself.</summary>
    private const int Retries = 2;

    private const int MaxConnections = 16;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5), IdleTimeout = TimeSpan.FromSeconds(90);

    private readonly SemaphoreSlim _turn = new(1);
    private AmazonS3Client? _client;

    /// <summary>How the bucket is reached.</summary>
    public S3Settings Settings => settings;

    /// <summary>The clock.</summary>
    public TimeProvider Time => time;

    /// <summary>Puts errors into words.</summary>
    public S3Fault Fault { get; } = new(
        settings.Bucket, ServerAddress.OfS3(settings.Endpoint, settings.Region) ?? new DnsEndPoint(settings.Endpoint ?? "", 0));

    /// <summary>The key for server-side encryption, in Base64; null without one.</summary>
    public string? CustomerKey { get; private set; }

    /// <summary>Does something with the client, and tells what went wrong as a <see cref="StoreException"/>.</summary>
    /// <param name="work">What to do.</param>
    /// <param name="bytes">How many bytes it carries.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<T> RunAsync<T>(Func<AmazonS3Client, CancellationToken, Task<T>> work, long bytes, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(RequestTimeout + TimeSpan.FromSeconds(bytes / SlowestRate), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            // Not everything in the SDK ends by its token: the search for credentials does not.
            return await DoAsync(work, either.Token).WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (Exception ex)
        {
            throw cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken)
                : Fault.Explain(timeout.IsCancellationRequested ? null : ex);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client?.Dispose();
        _turn.Dispose();
    }

    private async Task<T> DoAsync<T>(Func<AmazonS3Client, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        await work(_client ?? await ConnectAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    private async Task<AmazonS3Client> ConnectAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_client is null)
            {
                if (!OpenSsl.IsThere())
                {
                    throw new StoreException($"requests to S3 are signed, which needs OpenSSL, and {OpenSsl.Missing}");
                }

                CustomerKey = settings.CustomerKeyPath is { } path
                    ? (await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false)).Trim()
                    : settings.CustomerKey;
                _client = CreateClient(settings.Region ?? await FindRegionAsync(cancellationToken).ConfigureAwait(false));
            }

            return _client;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"sse-customer-key-path cannot be read: {ex.Message.TrimEnd('.')}", innerException: ex);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<string> FindRegionAsync(CancellationToken cancellationToken)
    {
        using var client = CreateClient(S3Settings.DefaultRegion);
        var answer = await client.GetBucketLocationAsync(new GetBucketLocationRequest { BucketName = settings.Bucket }, cancellationToken).ConfigureAwait(false);
        return answer.Location?.Value is { Length: > 0 } region ? region : S3Settings.DefaultRegion;
    }

    private AmazonS3Client CreateClient(string region)
    {
        var config = new AmazonS3Config
        {
            AuthenticationRegion = region,
            ForcePathStyle = settings.UsesPathStyle,
            UseArnRegion = true,
            MaxErrorRetry = Retries,

            // Each request has its own time limit, which a body that is sent slowly lengthens.
            Timeout = Timeout.InfiniteTimeSpan,
            HttpClientFactory = new Http(settings.SkipsVerification),

            // The environment's are among the settings already.
            IgnoreConfiguredEndpointUrls = true,
        };
        if (settings.Endpoint is { } endpoint)
        {
            // Other servers than Amazon's do not all know its newer checksums. Source: Init in s3/replica_client.go, v0.5.17.
            config.ServiceURL = endpoint;
            config.RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED;
            config.ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED;
        }
        else
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        return new AmazonS3Client(new S3Keys(settings, variables), config);
    }

    private sealed class Http(bool skipsVerification) : HttpClientFactory
    {
        [SuppressMessage("Security", "CA5359:Do Not Disable Certificate Validation", Justification = "It is what the setting skip-verify asks for.")]
        public override HttpClient CreateHttpClient(IClientConfig clientConfig)
        {
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                ConnectTimeout = ConnectTimeout,
                MaxConnectionsPerServer = MaxConnections,
                PooledConnectionIdleTimeout = IdleTimeout,
                UseCookies = false,
            };
            if (skipsVerification)
            {
                handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true };
            }

            return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        }
    }
}
