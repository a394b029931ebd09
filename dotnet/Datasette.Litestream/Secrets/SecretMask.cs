using System.Text.Json.Nodes;

namespace Datasette.Litestream.Secrets;

/// <summary>Masks the secrets of a document by their keys.</summary>
internal static class SecretMask
{
    /// <summary>Replaces the value of every secret key with <see cref="Redactor.Mask"/>, at any depth.</summary>
    /// <param name="document">The document, which is modified.</param>
    /// <param name="isSecret">Whether a key's value is a secret.</param>
    public static void Apply(JsonNode document, Func<string, bool> isSecret)
    {
        if (document is JsonObject mapping)
        {
            foreach (var (key, value) in mapping.ToList())
            {
                if (isSecret(key))
                {
                    mapping[key] = Redactor.Mask;
                }
                else if (value is not null)
                {
                    Apply(value, isSecret);
                }
            }
        }
        else if (document is JsonArray list)
        {
            foreach (var item in list.OfType<JsonNode>())
            {
                Apply(item, isSecret);
            }
        }
    }
}
