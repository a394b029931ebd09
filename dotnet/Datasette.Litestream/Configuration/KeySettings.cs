using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// The settings of a replica that name keys. With some of them Litestream would, without a word, write in the clear where encryption
/// was meant, or with other credentials than were meant. Source: <c>NewS3ReplicaClientFromConfig</c> in v0.5.17's cmd/litestream/main.go and
/// <c>Init</c> in its s3/replica_client.go; in v0.3.13 replica.go.
/// </summary>
internal static class KeySettings
{
    private const string Id = "access-key-id", Key = "secret-access-key";
    private const string Algorithm = "sse-customer-algorithm", CustomerKey = "sse-customer-key", CustomerKeyPath = "sse-customer-key-path", Kms = "sse-kms-key-id";

    private static readonly string[] EncryptionKeys = [CustomerKey, CustomerKeyPath, Kms, Algorithm];

    /// <summary>The setting and what is wrong with it; null if nothing is.</summary>
    /// <param name="type">The replica's type.</param>
    /// <param name="settings">Its settings, with what it inherits.</param>
    public static (string Key, string Message)? FindFault(ReplicaType type, JsonObject settings)
    {
        if (settings["age"] is { } age && age["recipients"] is not JsonArray { Count: > 0 })
        {
            return ("age", "names no recipients, so Litestream would write in the clear; add recipients, or remove age");
        }

        var encryption = EncryptionKeys.Where(settings.ContainsKey).ToList();
        if (type.Name != "s3")
        {
            return encryption is [var first, ..]
                ? (first, $"encrypts at S3 alone, and a replica of type {type.Name} would be written in the clear; remove it, or replicate to S3")
                : null;
        }

        return encryption is [Algorithm] or [Kms, Algorithm] ? (Algorithm, $"has no effect without {CustomerKey} or {CustomerKeyPath}; add one of them or remove it")
            : encryption is [var one, var other, ..] && other != Algorithm ? (other, $"is given beside {one}, and S3 encrypts with one key; keep one of them")
            : settings.ContainsKey(Id) != settings.ContainsKey(Key) ? Missing(settings.ContainsKey(Id) ? (Key, Id) : (Id, Key))
            : null;
    }

    private static (string Key, string Message) Missing((string Key, string Beside) pair) => (pair.Key, $"is missing beside {pair.Beside}; add it");
}
