using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Datasette.Litestream.Litestream;

namespace Datasette.Litestream.Stores;

/// <summary>
/// Puts the errors of S3 and of the way there into words, with S3's code, as Litestream's errors have it. Source of the codes:
/// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
/// </summary>
/// <param name="bucket">The bucket.</param>
/// <param name="server">Where its server listens.</param>
internal sealed class S3Fault(string bucket, DnsEndPoint server)
{
    /// <summary>The fault that an exception means. Null stands for a request that took too long.</summary>
    public StoreException Explain(Exception? exception)
    {
        if (exception is null)
        {
            return new StoreException($"{server.Host}:{server.Port}: i/o timeout");
        }

        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (Describe(cause) is { } found)
            {
                return new StoreException(found.Message, found.Fault, exception);
            }
        }

        // The SDK has no common type for an answer that it cannot read.
        return new StoreException($"{server.Host}:{server.Port}: {exception.Message.TrimEnd('.')}", innerException: exception);
    }

    private (string Message, StoreFault Fault)? Describe(Exception exception) => exception switch
    {
        StoreException known => (known.Message, known.Fault),
        AmazonServiceException { StatusCode: not 0 } answer => Describe(answer.StatusCode, answer.ErrorCode ?? "", answer.Message),
        SocketException socket => (ServerReach.Describe(server, socket), StoreFault.Other),
        AuthenticationException tls => ($"tls: {tls.Message.TrimEnd('.')}", StoreFault.Other),
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => ($"{server.Host}: no such host", StoreFault.Other),
        HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded } => ($"{server.Host}:{server.Port}: unexpected EOF", StoreFault.Other),
        AmazonClientException missing when missing.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase) =>
            ("failed to retrieve credentials", StoreFault.Refused),
        _ => null,
    };

    private (string Message, StoreFault Fault) Describe(HttpStatusCode status, string code, string message) => (status, code) switch
    {
        (_, "NoSuchBucket") => ($"the bucket {bucket} does not exist (NoSuchBucket)", StoreFault.Other),
        (_, "NoSuchKey") or (HttpStatusCode.NotFound, "NotFound" or "") => ("no such file (NoSuchKey)", StoreFault.Missing),
        (_, "InvalidAccessKeyId") => ("the access key is not known (InvalidAccessKeyId)", StoreFault.Refused),
        (_, "SignatureDoesNotMatch") => ("the secret access key is wrong (SignatureDoesNotMatch)", StoreFault.Refused),
        (_, "ExpiredToken" or "TokenRefreshRequired") => ($"the credentials have expired ({code})", StoreFault.Refused),
        (HttpStatusCode.NotImplemented, _) => ($"the store cannot do this ({code})", StoreFault.Unconditional),
        (HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized, _) => ($"access denied ({(code.Length == 0 ? "AccessDenied" : code)})", StoreFault.Refused),
        (_, "") => ($"the store answers with status {(int)status}", StoreFault.Other),
        _ => ($"{message.TrimEnd('.')} ({code})", StoreFault.Other),
    };
}
