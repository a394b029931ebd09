using System.Globalization;
using System.Text.Json;
using Datasette.Litestream.Errors;

namespace Datasette.Litestream.Credentials;

/// <summary>Credentials as their source gives them out.</summary>
/// <param name="Keys">The credentials.</param>
/// <param name="ExpiresAt">Until when they are valid; null if the source does not say.</param>
internal sealed record IssuedCredentials(S3Credentials Keys, DateTimeOffset? ExpiresAt = null)
{
    /// <summary>The plugin's own names, as in the configuration.</summary>
    private static readonly Names Own = new("access-key-id", "secret-access-key", ["session-token"]);

    /// <summary>
    /// AWS' names: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html, and <c>Token</c> in
    /// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html.
    /// </summary>
    private static readonly Names Aws = new("AccessKeyId", "SecretAccessKey", ["SessionToken", "Token"]);

    private const string Expected =
        "expected {\"access-key-id\": \"…\", \"secret-access-key\": \"…\"}, and \"session-token\" if there is one, or credentials as AWS tools print them.";

    /// <summary>
    /// Reads <c>{"access-key-id": …, "secret-access-key": …, "session-token": …}</c>, or <c>{"AccessKeyId": …,
    /// "SecretAccessKey": …, "SessionToken": …}</c>, or either under <c>Credentials</c>. The token and an <c>Expiration</c>
    /// (ISO 8601; in UTC if it has no offset) are optional. Other keys are ignored.
    /// </summary>
    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <param name="source">Where it came from, for the message.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="ReplicationException">The JSON is invalid, or the credentials have expired; the message contains no
    /// secret.</exception>
    public static IssuedCredentials Parse(ReadOnlyMemory<byte> json, string source, DateTimeOffset now)
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
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? Read(document.RootElement, source, now)
                : throw new ReplicationException($"{source} is not a JSON object; {Expected}");
        }
    }

    private static IssuedCredentials Read(JsonElement root, string source, DateTimeOffset now)
    {
        var isWrapped = !Own.AreIn(root) && !Aws.AreIn(root) && root.TryGetProperty("Credentials", out var inner) && inner.ValueKind == JsonValueKind.Object;
        var element = isWrapped ? root.GetProperty("Credentials") : root;
        var names = Aws.AreIn(element) && !Own.AreIn(element) ? Aws : Own;
        var keys = new S3Credentials(
            Text(names.AccessKeyId) ?? throw Missing(names.AccessKeyId),
            Text(names.SecretAccessKey) ?? throw Missing(names.SecretAccessKey),
            names.SessionToken.Select(Text).FirstOrDefault(token => token is not null));
        if (Text("Expiration") is not { } expiration)
        {
            return new IssuedCredentials(keys);
        }

        if (!DateTimeOffset.TryParse(expiration, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var expiresAt))
        {
            throw new ReplicationException($"{source}: Expiration is not a time; expected one such as 2026-05-01T12:00:00Z.");
        }

        return expiresAt > now
            ? new IssuedCredentials(keys, expiresAt)
            : throw new ReplicationException($"{source} has credentials that expired at {expiresAt:u}; have new ones issued.");

        string? Text(string key) => !element.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null
            ? null
            : Decode(value) is { Length: > 0 } text && !text.Contains('\0')
                ? text
                : throw new ReplicationException($"{source}: {key} is not text, or empty; {Expected}");

        ReplicationException Missing(string key) => new($"{source} has no {key}; {Expected}");
    }

    private static string? Decode(JsonElement value)
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

    /// <summary>What the keys of credentials are called.</summary>
    private sealed record Names(string AccessKeyId, string SecretAccessKey, string[] SessionToken)
    {
        public bool AreIn(JsonElement element) => element.TryGetProperty(AccessKeyId, out _) || element.TryGetProperty(SecretAccessKey, out _);
    }
}
