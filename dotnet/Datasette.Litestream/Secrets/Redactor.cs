using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.Secrets;

/// <summary>
/// Takes secrets out of text that leaves the process: logs, pages, JSON, messages. It knows every secret value in use,
/// as written, percent-encoded and as JSON escapes it, and takes the password out of any URL whatever its value.
/// </summary>
internal sealed partial class Redactor
{
    /// <summary>What stands where a secret stood.</summary>
    public const string Mask = "***";

    /// <summary>Shorter values are no secrets, and taking them out would make any text unreadable.</summary>
    public const int MinSecretLength = 4;

    private readonly string[] _forms;

    public Redactor(IEnumerable<string> secrets)
    {
        // Longest first: a secret that contains another one goes as a whole.
        _forms = [.. secrets
            .Where(secret => secret.Length >= MinSecretLength)
            .SelectMany(secret => new[]
            {
                secret,
                Uri.EscapeDataString(secret),
                Uri.UnescapeDataString(secret),
                JsonEncodedText.Encode(secret).Value,

                // Go, whose JSON is Litestream's log, escapes no more than it must.
                JsonEncodedText.Encode(secret, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value,
            })
            .Where(form => form.Length >= MinSecretLength)
            .Distinct(StringComparer.Ordinal)
            .OrderByDescending(form => form.Length)];
    }

    /// <summary>The same text, with <see cref="Mask"/> in place of each secret.</summary>
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

    // The user name stays: it tells accounts apart. The password runs to the last @ before the path.
    [GeneratedRegex(@"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:""]*:)[^\s/""]*@")]
    private static partial Regex UrlPassword();
}
