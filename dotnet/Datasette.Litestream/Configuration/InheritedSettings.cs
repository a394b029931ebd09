using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Settings of replicas that are written once for several of them. A replica's own setting overrides them, whether it is a key or
/// in its URL, as in Litestream.
/// </summary>
/// <param name="s3">The settings for every replica at S3, by their keys.</param>
/// <param name="path">The key path of the mapping that they are in.</param>
/// <param name="endpoint">The server that the environment names; null if it names none.</param>
internal sealed class InheritedSettings(JsonObject s3, string path, EnvironmentEndpoint? endpoint)
{
    /// <summary>Adds to a replica's settings what it has not itself.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="settings">Its settings, which are added to.</param>
    /// <param name="url">Its URL; null if it has none.</param>
    /// <param name="expand">Expands the variables in a text at a key path; null after it reported a problem.</param>
    /// <returns>The key paths of the settings that were added, by their keys.</returns>
    public Dictionary<string, string> AddTo(ReplicaType type, JsonObject settings, ReplicaUrl? url, Func<string, string, string?> expand)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        if (type.Name != "s3")
        {
            return paths;
        }

        foreach (var (key, value) in s3)
        {
            Add(key, value!, $"{path}.{key}");
        }

        if (endpoint is not null && Add("endpoint", Literal(endpoint.Address), endpoint.Variable) && endpoint.Region is { } region)
        {
            Add("region", Literal(region), endpoint.Variable);
        }

        return paths;

        static JsonNode Literal(string text) => text.Replace("$", "$$", StringComparison.Ordinal);

        bool Add(string key, JsonNode value, string from)
        {
            if (settings.ContainsKey(key) || url?.NamesS3Setting(key) == true)
            {
                return false;
            }

            // A secret is expanded already.
            var expanded = value.GetValueKind() == JsonValueKind.String && !SettingsTable.IsSecret(key) ? expand(value.GetValue<string>(), from) : value.DeepClone();
            if (expanded is null)
            {
                return false;
            }

            settings[key] = expanded;
            paths[key] = from;
            return true;
        }
    }
}
