using System.Text.Json.Nodes;

namespace Datasette.Litestream.Secrets;

/// <summary>Masks the secrets of a document by their keys, whatever their values.</summary>
internal static class SecretMask
{
    /// <summary>Puts <see cref="Redactor.Mask"/> in place of every value whose key is a secret's, at any depth.</summary>
    /// <param name="document">Is changed.</param>
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
