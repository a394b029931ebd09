using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Datasette.Litestream.Configuration;

/// <summary>
/// Settings of replicas that are written once for several of them: at a database, at top level and in the environment, of which the
/// first that has one counts. A replica's own setting overrides them, whether it is a key or in its URL, as in Litestream.
/// </summary>
/// <param name="settings">The settings by their keys, each with its key path; what is not a replica's is passed over.</param>
/// <param name="endpoint">The server that the environment names; null if it names none.</param>
internal sealed class InheritedSettings(IEnumerable<(string Key, JsonNode Value, string Path)> settings, EnvironmentEndpoint? endpoint)
{
    private readonly (string Key, JsonNode Value, string Path)[] _settings = [.. settings.Where(setting => SettingsTable.Replica.Has(setting.Key))];

    /// <summary>The settings of one database before these.</summary>
    public InheritedSettings After(IEnumerable<(string Key, JsonNode Value, string Path)> ofDatabase) => new(ofDatabase.Concat(_settings), endpoint);

    /// <summary>Adds to a replica's settings what it has not itself.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="replica">Its settings, which are added to.</param>
    /// <param name="url">Its URL; null if it has none.</param>
    /// <param name="expand">Expands the variables in a text at a key path; null after it reported a problem.</param>
    /// <returns>The key paths of the settings that were added, by their keys.</returns>
    public ImmutableDictionary<string, string> AddTo(ReplicaType type, JsonObject replica, ReplicaUrl? url, Func<string, string, string?> expand)
    {
        var paths = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var isS3 = type.Name == "s3";
        foreach (var (key, value, path) in _settings.Where(setting => isS3 || Retention.Keys.Contains(setting.Key)))
        {
            Add(key, value, path);
        }

        if (isS3 && endpoint is not null && Add("endpoint", Literal(endpoint.Address), endpoint.Variable) && endpoint.Region is { } region)
        {
            Add("region", Literal(region), endpoint.Variable);
        }

        return paths.ToImmutable();

        static JsonNode Literal(string text) => text.Replace("$", "$$", StringComparison.Ordinal);

        bool Add(string key, JsonNode value, string path)
        {
            if (replica.ContainsKey(key) || url?.NamesS3Setting(key) == true)
            {
                return false;
            }

            // A secret is expanded already.
            var expanded = value.GetValueKind() == JsonValueKind.String && !SettingsTable.IsSecret(key) ? expand(value.GetValue<string>(), path) : value.DeepClone();
            if (expanded is null)
            {
                return false;
            }

            replica[key] = expanded;
            paths[key] = path;
            return true;
        }
    }
}
