using System.Text.Json.Nodes;

namespace Datasette.Litestream.Secrets;

/// <summary>Masks the secrets of a document by their places in it, so that the rest stays as it is, whatever words it contains.</summary>
internal static class SecretMask
{
    /// <summary>Replaces the secret values of a document, and the secrets in its URLs, at any depth.</summary>
    /// <param name="document">The document, which is modified.</param>
    /// <param name="show">What is shown of the value of a key; null if the value is no secret.</param>
    public static void Apply(JsonNode document, Func<string, JsonNode?, string?> show)
    {
        if (document is JsonObject mapping)
        {
            foreach (var (key, value) in mapping.ToList())
            {
                if ((show(key, value) ?? MaskedUrl(value)) is { } shown)
                {
                    mapping[key] = shown;
                }
                else if (value is not null)
                {
                    Apply(value, show);
                }
            }
        }
        else if (document is JsonArray list)
        {
            foreach (var item in list.OfType<JsonNode>())
            {
                Apply(item, show);
            }
        }
    }

    private static string? MaskedUrl(JsonNode? value) =>
        value is JsonValue scalar && scalar.TryGetValue<string>(out var text) && UrlSecrets.Mask(text) is var masked && masked != text ? masked : null;
}
