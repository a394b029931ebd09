using System.Text.Json;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Credentials for S3, as Litestream finds them in its environment.</summary>
internal sealed record S3Credentials(string AccessKeyId, string SecretAccessKey, string? SessionToken)
{
    private const string AccessKeyIdKey = "access-key-id", SecretAccessKeyKey = "secret-access-key", SessionTokenKey = "session-token";

    // Inherited credentials would override the configured ones, or mix with them.
    private static readonly string[] InheritedVariables =
    [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
        "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY",
    ];

    /// <summary>The values that must never be shown.</summary>
    public IEnumerable<string> Secrets => new[] { SecretAccessKey, SessionToken }.OfType<string>();

    /// <summary>
    /// Reads <c>{"access-key-id": …, "secret-access-key": …, "session-token": …}</c>, the last of which is optional.
    /// Other keys are ignored: secrets managers add expiry dates.
    /// </summary>
    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <param name="source">Where it came from, for the message.</param>
    /// <exception cref="ReplicationException">The JSON is invalid; the message contains no value.</exception>
    public static S3Credentials Parse(ReadOnlyMemory<byte> json, string source)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json);
        }
        catch (JsonException ex)
        {
            // The exception's message quotes the text, so it is not passed on.
            throw new ReplicationException($"{source} is not JSON (line {ex.LineNumber + 1}); {Expected}");
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ReplicationException($"{source} is not a JSON object; {Expected}");
            }

            return new S3Credentials(
                Read(AccessKeyIdKey) ?? throw Missing(AccessKeyIdKey),
                Read(SecretAccessKeyKey) ?? throw Missing(SecretAccessKeyKey),
                Read(SessionTokenKey));

            string? Read(string key) => !document.RootElement.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null
                ? null
                : Text(value) is { Length: > 0 } text && !text.Contains('\0')
                    ? text
                    : throw new ReplicationException($"{source}: {key} is not text, or empty; {Expected}");
        }

        static string? Text(JsonElement value)
        {
            try
            {
                return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            }
            catch (InvalidOperationException)
            {
                // The bytes are not UTF-8, or contain a lone surrogate.
                return null;
            }
        }

        ReplicationException Missing(string key) => new($"{source} has no {key}; {Expected}");
    }

    /// <summary>An environment for Litestream: the inherited one with these credentials and no others.</summary>
    public Dictionary<string, string> ApplyTo(IReadOnlyDictionary<string, string> inherited)
    {
        var environment = inherited
            .Where(variable => !InheritedVariables.Contains(variable.Key))
            .ToDictionary(StringComparer.Ordinal);
        environment["AWS_ACCESS_KEY_ID"] = AccessKeyId;
        environment["AWS_SECRET_ACCESS_KEY"] = SecretAccessKey;
        if (SessionToken is not null)
        {
            environment["AWS_SESSION_TOKEN"] = SessionToken;
        }

        return environment;
    }

    // The ToString that the compiler generates would print the secret.
    public override string ToString() => nameof(S3Credentials);

    private const string Expected = $"expected {{\"{AccessKeyIdKey}\": \"…\", \"{SecretAccessKeyKey}\": \"…\"}}, and \"{SessionTokenKey}\" if there is one.";
}
