using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Secrets;

/// <summary>
/// Removes secrets from text that leaves the process: logs, pages, JSON, messages. It knows every secret value in use, in its
/// plain, percent-encoded and JSON-escaped forms, and also masks the password in every URL.
/// </summary>
internal sealed partial class Redactor
{
    /// <summary>The replacement for a secret.</summary>
    public const string Mask = "***";

    /// <summary>Shorter values are not treated as secrets, since masking them would make any text unreadable.</summary>
    public const int MinSecretLength = 4;

    private readonly string[] _forms;

    public Redactor(IEnumerable<string> secrets)
    {
        // Longest first, so that a secret that contains another one is masked as a whole.
        _forms = [.. secrets
            .Where(secret => secret.Length >= MinSecretLength)
            .SelectMany(secret => new[]
            {
                secret,
                Uri.EscapeDataString(secret),
                Uri.UnescapeDataString(secret),
                JsonEncodedText.Encode(secret).Value,

                // Go writes the JSON of Litestream's log, and escapes only what it must.
                JsonEncodedText.Encode(secret, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value,
            })
            .Where(form => form.Length >= MinSecretLength)
            .Distinct(StringComparer.Ordinal)
            .OrderByDescending(form => form.Length)];
    }

    /// <summary>Replaces each secret in a text with <see cref="Mask"/>.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public string? Redact(string? text)
    {
        if (text is null)
        {
            return null;
        }

        foreach (var form in _forms)
        {
            text = text.Replace(form, Mask, StringComparison.OrdinalIgnoreCase);
        }

        return UrlPassword().Replace(text, $"$1{Mask}@");
    }

    // The user name stays, since it distinguishes accounts. The password ends at the last @ before the path.
    [GeneratedRegex(@"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:""]*:)[^\s/""]*@")]
    private static partial Regex UrlPassword();
}
