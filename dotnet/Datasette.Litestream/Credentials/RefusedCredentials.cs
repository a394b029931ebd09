namespace Datasette.Litestream.Credentials;

/// <summary>
/// Recognizes errors by which S3 refuses credentials, which new ones may mend. Sources:
/// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and how the AWS SDKs for Go write a status: "StatusCode:
/// 403" in Litestream 0.5, and "status code: 403" in 0.3.
/// </summary>
internal static class RefusedCredentials
{
    private static readonly string[] Texts = ["ExpiredToken", "InvalidAccessKeyId", "StatusCode: 403", "status code: 403"];

    /// <param name="error">Litestream's words; null if there is no error.</param>
    public static bool AreToldBy(string? error) => error is not null && Texts.Any(text => error.Contains(text, StringComparison.OrdinalIgnoreCase));
}
