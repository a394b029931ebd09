using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Amazon.S3;
using Amazon.S3.Model;

namespace Datasette.Litestream.Stores;

/// <summary>A prefix of an S3 bucket.</summary>
/// <param name="connection">The client, which other stores use too.</param>
/// <param name="path">The prefix without its last slash.</param>
/// <param name="hasSlash">Whether a slash follows it; only at the root of a bucket can there be none.</param>
/// <param name="maxCopyBytes">How much S3 copies inside itself in one request.</param>
internal sealed class S3Store(S3Connection connection, string path, bool hasSlash = true, long maxCopyBytes = 1 << 30) : IStore
{
    /// <summary>Source: <c>MetadataKeyTimestamp</c> in s3/replica_client.go, v0.5.17.</summary>
    private const string TimeKey = "litestream-timestamp";

    /// <summary>Go's <c>time.RFC3339Nano</c> in UTC, which leaves out zeros at the end.</summary>
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'";

    /// <summary>A larger file is uploaded in parts of this size, of which one at a time is in memory.</summary>
    private const int PartBytes = 8 << 20;

    /// <summary>S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.</summary>
    private const int MaxParts = 10_000;

    /// <summary>How many requests delete or copy at once.</summary>
    private const int Concurrency = 8;

    private readonly string _base = hasSlash ? $"{path}/" : path;

    /// <inheritdoc/>
    public LtxLayout Layout => LtxLayout.S3;

    private string Bucket => connection.Settings.Bucket;

    private bool LeavesUnsigned => !connection.Settings.SignsPayload && connection.Settings.Endpoint?.StartsWith("http://", StringComparison.Ordinal) != true;

    // Null in a request leaves the header out.
    private S3StorageClass? StorageClass => connection.Settings.StorageClass is { } name ? S3StorageClass.FindValue(name) : null;

    private ServerSideEncryptionCustomerMethod? CustomerMethod => connection.CustomerKey is null ? null : ServerSideEncryptionCustomerMethod.AES256;

    private ServerSideEncryptionMethod? KmsMethod => connection.Settings.KmsKeyId is null ? null : ServerSideEncryptionMethod.AWSKMS;

    /// <inheritdoc/>
    public IAsyncEnumerable<StoredFile> ListAsync(string folder, CancellationToken cancellationToken) =>
        ListAsync(_base, folder.Length == 0 ? "" : $"{folder}/", cancellationToken);

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(string name, long from, CancellationToken cancellationToken)
    {
        var range = from == 0 ? null : new ByteRange(string.Create(CultureInfo.InvariantCulture, $"bytes={from}{(from > 0 ? "-" : "")}"));
        try
        {
            var response = await connection.RunAsync((client, token) => client.GetObjectAsync(Get(name, range), token), 0, cancellationToken).ConfigureAwait(false);
            return new ContentStream(response.ResponseStream, connection.Fault.Explain, S3Connection.RequestTimeout, connection.Time, response)
            {
                Size = response.ContentLength,
            };
        }
        catch (StoreException ex) when (StatusOf(ex) == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return Stream.Null;
        }
    }

    /// <inheritdoc/>
    public async Task<StoredFile> WriteAsync(string name, Stream content, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var size = content is ForwardStream { Size: { } left } ? left : content.CanSeek ? content.Length - content.Position : (long?)null;
        var buffer = new byte[size is { } known ? Math.Clamp((known / MaxParts) + 1, Math.Min(known + 1, PartBytes), Array.MaxLength) : PartBytes];
        var count = await FillAsync(buffer, content, cancellationToken).ConfigureAwait(false);
        return count < buffer.Length
            ? await PutAsync(name, buffer.AsMemory(0, count), time, condition: null, cancellationToken).ConfigureAwait(false)
            : await UploadAsync(name, buffer, content, time, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<StoredFile?> WriteIfAsync(string name, ReadOnlyMemory<byte> content, string? version, CancellationToken cancellationToken)
    {
        try
        {
            return await PutAsync(
                name,
                content,
                time: null,
                request =>
                {
                    request.IfMatch = version is null ? null : $"\"{version}\"";
                    request.IfNoneMatch = version is null ? "*" : null;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException ex) when (StatusOf(ex) is HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict || (version is not null && ex.Fault == StoreFault.Missing))
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task<StoredContent?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.RunAsync(
                async (client, token) =>
                {
                    using var response = await client.GetObjectAsync(Get(name), token).ConfigureAwait(false);
                    using var content = new MemoryStream();
                    await response.ResponseStream.CopyToAsync(content, token).ConfigureAwait(false);
                    return new StoredContent(content.ToArray(), VersionOf(response.ETag));
                },
                0,
                cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException ex) when (ex.Fault == StoreFault.Missing)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
        DeleteKeysAsync(names.Select(name => _base + name), cancellationToken);

    /// <summary>
    /// Moves what is Litestream's. A prefix is no folder: below it may lie another database's destination, and others' objects.
    /// </summary>
    /// <inheritdoc cref="IStore.MoveAsideAsync"/>
    public async Task MoveAsideAsync(string suffix, CancellationToken cancellationToken)
    {
        var files = await FindOwnAsync(_base, cancellationToken).ConfigureAwait(false);
        await EachAsync(files, (file, token) => CopyAsync(_base + file.Name, AsideOf(suffix) + file.Name, file.Size, token), cancellationToken).ConfigureAwait(false);

        // Only now, so that there is always one place from which all can be restored.
        await DeleteKeysAsync(files.Select(file => _base + file.Name), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> FindAsideAsync(string mark, CancellationToken cancellationToken)
    {
        var found = new List<string>();
        var request = new ListObjectsV2Request { BucketName = Bucket, Prefix = path + mark, Delimiter = "/" };
        do
        {
            var page = await connection.RunAsync((client, token) => client.ListObjectsV2Async(request, token), 0, cancellationToken).ConfigureAwait(false);
            found.AddRange((page.CommonPrefixes ?? []).Select(prefix => prefix[path.Length..].TrimEnd('/')));
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (request.ContinuationToken is not null);
        return found;
    }

    /// <inheritdoc/>
    public async Task DeleteAsideAsync(string suffix, CancellationToken cancellationToken)
    {
        var files = await FindOwnAsync(AsideOf(suffix), cancellationToken).ConfigureAwait(false);
        await DeleteKeysAsync(files.Select(file => AsideOf(suffix) + file.Name), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The connection is not this store's own.
    }

    private static string VersionOf(string? tag) => tag?.Trim('"') ?? "";

    private static HttpStatusCode? StatusOf(StoreException exception) => (exception.InnerException as AmazonS3Exception)?.StatusCode;

    private static async Task<int> FillAsync(byte[] buffer, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            return await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            throw new StoreException(ex.Message, StoreFault.Source, ex);
        }
    }

    private static Task EachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, Task> work, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        items,
        new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = cancellationToken },
        async (item, token) => await work(item, token).ConfigureAwait(false));

    private string AsideOf(string suffix) => $"{path}{suffix}/";

    private async IAsyncEnumerable<StoredFile> ListAsync(string root, string below, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = Bucket, Prefix = root + below };
        do
        {
            var page = await connection.RunAsync((client, token) => client.ListObjectsV2Async(request, token), 0, cancellationToken).ConfigureAwait(false);
            foreach (var file in page.S3Objects ?? [])
            {
                // The marks of folders that some programs leave.
                if (!file.Key.EndsWith('/'))
                {
                    yield return new StoredFile(file.Key[root.Length..], file.Size ?? 0, VersionOf(file.ETag)) { At = file.LastModified?.ToUniversalTime() ?? default(DateTimeOffset) };
                }
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (request.ContinuationToken is not null);
    }

    /// <summary>The files of Litestream below a prefix, those of 0.3 too.</summary>
    private async Task<List<StoredFile>> FindOwnAsync(string root, CancellationToken cancellationToken)
    {
        var files = new List<StoredFile>();
        await foreach (var file in ListAsync(root, "", cancellationToken).ConfigureAwait(false))
        {
            if (Layout.TryParse(file.Name, out _) || file.Name.StartsWith("generations/", StringComparison.Ordinal))
            {
                files.Add(file);
            }
        }

        return files;
    }

    private async Task<StoredFile> PutAsync(
        string name, ReadOnlyMemory<byte> content, DateTimeOffset? time, Action<PutObjectRequest>? condition, CancellationToken cancellationToken)
    {
        var response = await connection.RunAsync(
            (client, token) =>
            {
                var request = new PutObjectRequest
                {
                    BucketName = Bucket,
                    Key = _base + name,
                    InputStream = StreamOf(content),
                    UseChunkEncoding = false,
                    DisablePayloadSigning = LeavesUnsigned,
                    StorageClass = StorageClass,
                    ServerSideEncryptionCustomerMethod = CustomerMethod,
                    ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                    ServerSideEncryptionMethod = KmsMethod,
                    ServerSideEncryptionKeyManagementServiceKeyId = connection.Settings.KmsKeyId,
                };
                Mark(request.Metadata, time);
                condition?.Invoke(request);
                return client.PutObjectAsync(request, token);
            },
            content.Length,
            cancellationToken).ConfigureAwait(false);
        return new StoredFile(name, content.Length, VersionOf(response.ETag));
    }

    /// <summary>Uploads a large file in parts; S3 shows it when the last one is there.</summary>
    private async Task<StoredFile> UploadAsync(string name, byte[] buffer, Stream content, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var key = _base + name;
        var uploadId = await BeginUploadAsync(key, metadata => Mark(metadata, time), cancellationToken).ConfigureAwait(false);
        try
        {
            var parts = new List<PartETag>();
            var size = 0L;
            for (var count = buffer.Length; count > 0; count = await FillAsync(buffer, content, cancellationToken).ConfigureAwait(false))
            {
                parts.Add(await UploadPartAsync(key, uploadId, parts.Count + 1, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false));
                size += count;
            }

            return new StoredFile(name, size, await CompleteAsync(key, uploadId, parts, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            _ = AbortAsync(key, uploadId);
            throw;
        }
    }

    private async Task<string> BeginUploadAsync(string key, Action<MetadataCollection> describe, CancellationToken cancellationToken)
    {
        var response = await connection.RunAsync(
            (client, token) =>
            {
                var request = new InitiateMultipartUploadRequest
                {
                    BucketName = Bucket,
                    Key = key,
                    StorageClass = StorageClass,
                    ServerSideEncryptionCustomerMethod = CustomerMethod,
                    ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                    ServerSideEncryptionMethod = KmsMethod,
                    ServerSideEncryptionKeyManagementServiceKeyId = connection.Settings.KmsKeyId,
                };
                describe(request.Metadata);
                return client.InitiateMultipartUploadAsync(request, token);
            },
            0,
            cancellationToken).ConfigureAwait(false);
        return response.UploadId;
    }

    private async Task<PartETag> UploadPartAsync(string key, string uploadId, int number, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var response = await connection.RunAsync(
            (client, token) => client.UploadPartAsync(
                new UploadPartRequest
                {
                    BucketName = Bucket,
                    Key = key,
                    UploadId = uploadId,
                    PartNumber = number,
                    PartSize = content.Length,
                    InputStream = StreamOf(content),
                    UseChunkEncoding = false,
                    DisablePayloadSigning = LeavesUnsigned,
                    ServerSideEncryptionCustomerMethod = CustomerMethod,
                    ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                },
                token),
            content.Length,
            cancellationToken).ConfigureAwait(false);
        return new PartETag(response);
    }

    private async Task<string> CompleteAsync(string key, string uploadId, List<PartETag> parts, CancellationToken cancellationToken)
    {
        var response = await connection.RunAsync(
            (client, token) => client.CompleteMultipartUploadAsync(
                new CompleteMultipartUploadRequest { BucketName = Bucket, Key = key, UploadId = uploadId, PartETags = parts }, token),
            parts.Count * (long)PartBytes,
            cancellationToken).ConfigureAwait(false);
        return VersionOf(response.ETag);
    }

    /// <summary>Frees the parts that were uploaded; if that fails too, they are what the bucket's own rules make of them.</summary>
    private async Task AbortAsync(string key, string uploadId)
    {
        try
        {
            await connection.RunAsync(
                (client, token) => client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = Bucket, Key = key, UploadId = uploadId }, token),
                0,
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // The error that led here is the one to tell.
        }
    }

    /// <summary>Copies a file inside of S3, with its metadata.</summary>
    private async Task CopyAsync(string from, string to, long size, CancellationToken cancellationToken)
    {
        if (size <= maxCopyBytes)
        {
            await connection.RunAsync(
                (client, token) => client.CopyObjectAsync(
                    new CopyObjectRequest
                    {
                        SourceBucket = Bucket,
                        SourceKey = from,
                        DestinationBucket = Bucket,
                        DestinationKey = to,
                        StorageClass = StorageClass,
                        CopySourceServerSideEncryptionCustomerMethod = CustomerMethod,
                        CopySourceServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                        ServerSideEncryptionCustomerMethod = CustomerMethod,
                        ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                        ServerSideEncryptionMethod = KmsMethod,
                        ServerSideEncryptionKeyManagementServiceKeyId = connection.Settings.KmsKeyId,
                    },
                    token),
                size,
                cancellationToken).ConfigureAwait(false);
            return;
        }

        var source = await connection.RunAsync(
            (client, token) => client.GetObjectMetadataAsync(
                new GetObjectMetadataRequest
                {
                    BucketName = Bucket,
                    Key = from,
                    ServerSideEncryptionCustomerMethod = CustomerMethod,
                    ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                },
                token),
            0,
            cancellationToken).ConfigureAwait(false);
        var uploadId = await BeginUploadAsync(
            to,
            metadata =>
            {
                foreach (var key in source.Metadata.Keys)
                {
                    metadata[key] = source.Metadata[key];
                }
            },
            cancellationToken).ConfigureAwait(false);
        try
        {
            var parts = new List<PartETag>();
            for (var first = 0L; first < size; first += maxCopyBytes)
            {
                var request = new CopyPartRequest
                {
                    SourceBucket = Bucket,
                    SourceKey = from,
                    DestinationBucket = Bucket,
                    DestinationKey = to,
                    UploadId = uploadId,
                    PartNumber = parts.Count + 1,
                    FirstByte = first,
                    LastByte = Math.Min(first + maxCopyBytes, size) - 1,
                    CopySourceServerSideEncryptionCustomerMethod = CustomerMethod,
                    CopySourceServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                    ServerSideEncryptionCustomerMethod = CustomerMethod,
                    ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
                };
                var response = await connection.RunAsync((client, token) => client.CopyPartAsync(request, token), maxCopyBytes, cancellationToken).ConfigureAwait(false);
                parts.Add(new PartETag(response));
            }

            await CompleteAsync(to, uploadId, parts, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _ = AbortAsync(to, uploadId);
            throw;
        }
    }

    /// <summary>One request each: not every server can delete many at once, or agrees how that is to be signed.</summary>
    private Task DeleteKeysAsync(IEnumerable<string> keys, CancellationToken cancellationToken) => EachAsync(
        keys,
        async (key, token) =>
        {
            try
            {
                await connection.RunAsync((client, either) => client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = Bucket, Key = key }, either), 0, token).ConfigureAwait(false);
            }
            catch (StoreException ex) when (ex.Fault == StoreFault.Missing)
            {
                // Some servers say so, and some do not.
            }
        },
        cancellationToken);

    private GetObjectRequest Get(string name, ByteRange? range = null) => new()
    {
        BucketName = Bucket,
        Key = _base + name,
        ByteRange = range,
        ServerSideEncryptionCustomerMethod = CustomerMethod,
        ServerSideEncryptionCustomerProvidedKey = connection.CustomerKey,
    };

    private static MemoryStream StreamOf(ReadOnlyMemory<byte> content) =>
        MemoryMarshal.TryGetArray(content, out var array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
            : new MemoryStream(content.ToArray(), writable: false);

    private static void Mark(MetadataCollection metadata, DateTimeOffset? time)
    {
        if (time is { } at)
        {
            metadata[TimeKey] = at.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);
        }
    }
}
